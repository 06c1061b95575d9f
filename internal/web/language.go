package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// speech is what a request says of its language, once its interaction is open.
type speech struct {
	asked []string // ui_locales: OpenID Connect Core §3.1.2.1
	began int64    // when, Unix seconds

	client string // the app that it is for
}

type speechKey struct{}

// listening gives a request the place where its interaction says which
// language the app asked for.
func listening(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), speechKey{}, new(speech))))
	})
}

// heard notes which language the app of an interaction asked for.
func heard(r *http.Request, in *oauth.Interaction) {
	if s, ok := r.Context().Value(speechKey{}).(*speech); ok && in != nil {
		s.asked, s.began, s.client = in.Request.UILocales, in.Began, in.Request.ClientID
	}
}

// speak is the language of the answer: what the app asked for, what the person
// chose before, what the browser prefers. Who chose after the app had asked
// knows better than the app.
func (w *Web) speak(r *http.Request) *locale.Locale {
	chosen, at := w.chosen(r)
	var s speech
	if heard, ok := r.Context().Value(speechKey{}).(*speech); ok {
		s = *heard
	}
	switch {
	case len(s.asked) > 0 && chosen != "" && at >= s.began:
		s.asked = nil
	case len(s.asked) == 0 && strings.Contains(r.URL.RawQuery, "ui_locales"): // a sign-out, or a request that didn't get far
		s.asked = strings.Fields(r.URL.Query().Get("ui_locales"))
	}
	return locale.Match(s.asked, chosen, r.Header.Get("Accept-Language"))
}

// chosen is the language that the person chose, and when.
func (w *Web) chosen(r *http.Request) (tag string, at int64) {
	for _, c := range r.CookiesNamed(w.cookieName("lang")) {
		name, when, _ := strings.Cut(c.Value, ".")
		if len(c.Value) > maxCookie || !slices.Contains(locale.Tags(), name) {
			continue
		}
		at, _ = strconv.ParseInt(when, 10, 64) // 0 is before every request
		return name, at
	}
	return "", 0
}

// languageForm is the choice at the foot of a page.
type languageForm struct{ Form, To string }

// offerLanguages is nil where there is nothing to choose, and on a page that
// can't be had a second time.
func (w *Web) offerLanguages(rw http.ResponseWriter, r *http.Request, how as) *languageForm {
	if how.secret || len(locale.All()) < 2 {
		return nil
	}
	to := w.forms.Seal([]byte(w.here(r)), formBind(w.Browser(rw, r), "language"))
	return &languageForm{To: to, Form: w.formToken(rw, r, oauth.Session{}, "language", to)}
}

// postLanguage remembers the choice and comes back to the page it was made on.
func (w *Web) postLanguage(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	to, err := w.forms.Open(form.Get("to"), formBind(w.browser(r), "language"))
	if err != nil || !isLocal(string(to)) || w.checkForm(r, form.Get("form"), oauth.Session{}, "language", form.Get("to")) != nil {
		w.forbidden(rw, r)
		return
	}
	tag := form.Get("lang")
	if !slices.Contains(locale.Tags(), tag) {
		w.invalidForm(rw, r, badForm("lang is none of the languages that are spoken here"))
		return
	}
	w.setLanguage(rw, tag)
	w.redirect(rw, r, string(to))
}

// maxHere is longer than any address of ours, the longest interaction in it.
const maxHere = 8 << 10

// here is the page that is being shown, by an address that shows it again.
func (w *Web) here(r *http.Request) string {
	if changes(r.Method) && !w.shows(r) {
		return w.reopen(r)
	}
	at := r.URL.EscapedPath()
	if q := r.URL.Query(); q.Has("ui_locales") { // it would outdo the choice
		q.Del("ui_locales")
		at += "?" + q.Encode()
	} else if r.URL.RawQuery != "" {
		at += "?" + r.URL.RawQuery
	}
	if !isLocal(at) || len(at) > maxHere {
		return "/account"
	}
	return at
}

// shows tells whether a GET of the request's address is answered.
func (w *Web) shows(r *http.Request) bool {
	if w.routes == nil {
		return false
	}
	_, pattern := w.routes.Handler(&http.Request{Method: http.MethodGet, URL: r.URL, Host: r.Host})
	return pattern != "/" && pattern != ""
}

// isLocal tells whether an address stays here, in every browser's reading of
// it: WHATWG URL takes \ for /, and leaves out tabs and line breaks.
func isLocal(to string) bool {
	return strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.HasPrefix(to, `/\`) &&
		!strings.ContainsFunc(to, func(c rune) bool { return c < 0x20 || c == 0x7f })
}
