package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
)

const callbackPath = "/callback"

// landing is the page that the server sends the browser back to. It takes one
// answer and shows how that ended.
type landing struct {
	host string
	got  chan url.Values
	done chan error
	used atomic.Bool
}

func newLanding(host string) *landing {
	return &landing{host: host, got: make(chan url.Values), done: make(chan error, 1)}
}

// ServeHTTP asks for the exact host, so that no name that somebody points at
// this machine brings an answer.
func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host != l.host:
		show(w, http.StatusMisdirectedRequest, "Not found", "There is nothing at this address.")
	case r.URL.Path != callbackPath:
		show(w, http.StatusNotFound, "Not found", "There is nothing at this address.")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		show(w, http.StatusMethodNotAllowed, "Not found", "There is nothing at this address.")
	case !l.used.CompareAndSwap(false, true):
		show(w, http.StatusGone, "This sign-in has ended", "You can close this window.")
	default:
		l.take(w, r)
	}
}

func (l *landing) take(w http.ResponseWriter, r *http.Request) {
	answer, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		answer = nil // and so without a state
	}
	select {
	case l.got <- answer:
	case <-r.Context().Done():
		return
	}
	select {
	case err = <-l.done:
	case <-r.Context().Done():
		return
	}
	if err != nil {
		show(w, http.StatusBadRequest, "Signing in didn't work", "The terminal says why. You can close this window.")
		return
	}
	show(w, http.StatusOK, "You are signed in", "You can close this window.")
}

const landingStyle = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:33vh auto 0;padding:0 1rem}h1{font-size:28px;line-height:1.3}`

var landingPolicy = func() string {
	sum := sha256.Sum256([]byte(landingStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
}()

// show writes a page of fixed words: nothing that came with the request is in
// it.
func show(w http.ResponseWriter, status int, title, words string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", landingPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%s</title>
<style>%s</style>
<h1>%s.</h1>
<p>%s</p>
</html>
`, title, landingStyle, title, words)
}
