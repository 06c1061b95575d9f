package web

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// Guard refuses state-changing requests that a page of another site sent.
// What it can't tell (no header at all, Origin null) it leaves to the form
// token: from a no-referrer page Chromium posts same-origin forms with
// Origin: null.
func (w *Web) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if changes(r.Method) && w.crossSite(r) {
			w.forbidden(rw, r)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

func changes(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// crossSite judges by Sec-Fetch-Site, which a page can't forge; browsers
// without it send Origin.
func (w *Web) crossSite(r *http.Request) bool {
	if site := r.Header.Values("Sec-Fetch-Site"); len(site) > 0 {
		return len(site) > 1 || site[0] != "same-origin" && site[0] != "none"
	}
	origin := r.Header.Values("Origin")
	switch {
	case len(origin) == 0:
		return false
	case len(origin) > 1:
		return true
	case origin[0] == "null":
		return false
	}
	return origin[0] != w.origin && !w.loopbackAlias(r, origin[0])
}

// loopbackAlias: on this machine localhost, 127.0.0.1 and [::1] are one host,
// and a page's origin is the one of them that the request was made to.
func (w *Web) loopbackAlias(r *http.Request, origin string) bool {
	issuer, err := url.Parse(w.Issuer)
	if err != nil || !oauth.IsLoopbackHost(issuer.Hostname()) {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return oauth.IsLoopbackHost(host) && origin == issuer.Scheme+"://"+r.Host
}
