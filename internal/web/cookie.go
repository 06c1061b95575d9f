package web

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// maxCookie is longer than any value of ours; what is longer is not ours.
const maxCookie = 256

// Browser returns the value that names this browser, and gives it one when it
// has none: 128 random bits, to which interactions and forms are bound.
func (w *Web) Browser(rw http.ResponseWriter, r *http.Request) string {
	if name := w.browser(r); name != "" {
		return name
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	name := base64.RawURLEncoding.EncodeToString(b[:])
	c := w.cookie("browser", name)
	http.SetCookie(rw, c)
	r.AddCookie(c) // the rest of this request sees it too
	return name
}

// browser is the name that the request brought, "" for none.
func (w *Web) browser(r *http.Request) string {
	for _, c := range r.CookiesNamed(w.cookieName("browser")) {
		if b, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil && len(b) == 16 {
			return c.Value
		}
	}
	return ""
}

// Session tells who is signed in at the browser, as far as the rules ask; zero
// for nobody.
func (w *Web) Session(r *http.Request) (oauth.Session, error) {
	rec, err := w.record(r)
	return rec.Session, err
}

// record is the whole session. A cookie that opens nothing counts as none:
// somebody may have planted it beside the right one.
func (w *Web) record(r *http.Request) (login.Record, error) {
	tries := 0
	for _, c := range r.CookiesNamed(w.cookieName("session")) {
		if c.Value == "" || len(c.Value) > maxCookie || tries == 4 {
			continue
		}
		tries++
		rec, err := w.Login.Session(r.Context(), c.Value)
		switch {
		case err == nil:
			return rec, nil
		case !errors.Is(err, oauth.ErrNotFound) && !errors.Is(err, oauth.ErrEnded):
			return login.Record{}, err
		}
	}
	return login.Record{}, nil
}

// setSession gives the browser its session, until the session's own end.
func (w *Web) setSession(rw http.ResponseWriter, rec login.Record, value string) {
	c := w.cookie("session", value)
	if !rec.ExpiresAt.IsZero() {
		c.MaxAge = max(1, int(rec.ExpiresAt.Sub(w.Now()).Seconds()))
	}
	http.SetCookie(rw, c)
}

func (w *Web) dropSession(rw http.ResponseWriter) {
	c := w.cookie("session", "")
	c.MaxAge = -1
	c.Expires = time.Unix(1, 0)
	http.SetCookie(rw, c)
}

// rememberLetter names a letter that is on its way, and where it went.
func (w *Web) rememberLetter(rw http.ResponseWriter, awaits, address string) {
	c := w.cookie("letter", url.Values{"m": {awaits}, "a": {address}}.Encode())
	c.MaxAge = letterLife
	http.SetCookie(rw, c)
}

func (w *Web) forgetLetter(rw http.ResponseWriter) {
	c := w.cookie("letter", "")
	c.MaxAge = -1
	http.SetCookie(rw, c)
}

// setLanguage remembers for a year which language somebody chose, and when.
func (w *Web) setLanguage(rw http.ResponseWriter, tag string) {
	c := w.cookie("lang", tag+"."+strconv.FormatInt(w.Now().Unix(), 10))
	c.MaxAge = 365 * 24 * 60 * 60
	http.SetCookie(rw, c)
}

// setDone keeps a line for the page that is shown next; a life below zero ends it.
func (w *Web) setDone(rw http.ResponseWriter, sealed string, life time.Duration) {
	c := w.cookie("done", sealed)
	c.MaxAge = int(life.Seconds())
	http.SetCookie(rw, c)
}

// cookieName: on https the __Host- prefix keeps sibling domains from planting
// a cookie (RFC 6265bis §4.1.3.2). On http some browsers refuse the prefix.
func (w *Web) cookieName(name string) string {
	if w.secure {
		return "__Host-" + name
	}
	return name
}

func (w *Web) cookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: w.cookieName(name), Value: value, Path: "/",
		HttpOnly: true, Secure: w.secure, SameSite: http.SameSiteLaxMode,
	}
}
