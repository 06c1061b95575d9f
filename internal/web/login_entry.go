package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// entry is where a sign-in leads: an interaction, or a page of ours. Both are
// sealed, so a link can't send a person anywhere else.
type entry struct {
	waiting

	app bool
	to  string
}

// entry reads where a sign-in or sign-up page leads.
func (w *Web) entry(rw http.ResponseWriter, r *http.Request) (entry, bool) {
	q := r.URL.Query()
	if q.Get("i") != "" {
		in, ok := w.interaction(rw, r)
		return entry{waiting: in, app: true}, ok
	}
	to := "/account"
	if sealed := q.Get("to"); sealed != "" {
		if path, err := w.forms.Open(sealed, formBind(w.browser(r), "to")); err == nil {
			to = string(path)
		}
	}
	return entry{to: to}, true
}

// carry is a path that keeps leading where the request did.
func carry(r *http.Request, path string, more ...string) string {
	q := url.Values{}
	for _, name := range []string{"i", "to", "again"} {
		if v := r.URL.Query().Get(name); v != "" {
			q.Set(name, v)
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			q.Set(more[i], more[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// signIn starts the session that a proof allows and goes on.
func (w *Web) signIn(rw http.ResponseWriter, r *http.Request, e entry, proof login.Proof) {
	rec, ok := w.beginSession(rw, r, e, proof)
	switch {
	case !ok:
	case !e.app:
		w.redirect(rw, r, e.to)
	default:
		w.resume(rw, r, e.waiting, oauth.Standing{Session: rec.Session, Selected: true}, "")
	}
}

// beginSession gives the browser the session of a proof. It answers the request
// itself and returns false when there is none.
func (w *Web) beginSession(rw http.ResponseWriter, r *http.Request, e entry, proof login.Proof) (login.Record, bool) {
	current, err := w.record(r)
	if err != nil {
		w.fail(rw, r, err)
		return login.Record{}, false
	}
	var replaces *login.Record
	if current.ID != "" {
		replaces = &current
	}
	in, err := w.Login.SignIn(r.Context(), proof, replaces, w.device(r), w.visitor(r))
	switch {
	case errors.Is(err, login.ErrWrong), errors.Is(err, login.ErrStale), errors.Is(err, oauth.ErrEnded):
		w.loginRefused(rw, r, e, "", login.ErrStale)
		return login.Record{}, false
	case err != nil:
		w.fail(rw, r, err)
		return login.Record{}, false
	}
	w.setSession(rw, in.Record, in.Cookie)
	w.setDevice(rw, in.Browser)
	return in.Record, true
}
