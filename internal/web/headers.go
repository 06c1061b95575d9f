package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// secureHeaders are on every page, errors included: RFC 6749 §10.13,
// RFC 9700 §4.16.
func (w *Web) secureHeaders(rw http.ResponseWriter, formAction string, frames ...string) {
	h := rw.Header()
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action " + formAction + "; frame-ancestors 'none'; base-uri 'none'"
	if len(frames) > 0 {
		policy += "; frame-src " + strings.Join(frames, " ")
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if w.secure {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
}

// formSelf is form-action for pages whose forms stay here.
const formSelf = "'self'"

// formClient is form-action for a page whose POST may end at a client.
// Chromium applies the directive to every later redirect, the client's own
// included, so all of https is let through; a loopback client may redirect on
// to another port of this machine; a private scheme is named.
func formClient(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil || redirectURI == "" || u.Scheme == "https":
		return "'self' https:"
	case u.Scheme != "http":
		return "'self' https: " + strings.ToLower(u.Scheme) + ":"
	case !oauth.IsLoopbackHost(u.Hostname()):
		return "'self' https:"
	case u.Hostname() == "::1": // CSP has no words for an IPv6 host
		return "'self' https: http:"
	}
	return "'self' https: http://" + u.Host + " http://localhost:* http://127.0.0.1:*"
}

// redirect leads to a path of ours: 302 after a GET, 303 after a POST, never
// a code with which the browser would send a body again (RFC 9700 §4.12).
func (w *Web) redirect(rw http.ResponseWriter, r *http.Request, location string) {
	w.secureHeaders(rw, formSelf)
	rw.Header().Set("Location", location)
	if r.Method == http.MethodPost {
		rw.WriteHeader(http.StatusSeeOther)
		return
	}
	rw.WriteHeader(http.StatusFound)
}
