package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// visitor is where a request came from.
func (w *Web) visitor(r *http.Request) login.Visitor {
	return login.Visitor{Address: w.Address(r), Agent: cut(r.UserAgent(), 300), Browser: w.device(r)}
}

// want is what a sign-in on this page must reach.
func (w *Web) want(r *http.Request, e entry) login.Want {
	want := login.Want{Again: r.URL.Query().Get("again") != "", Bind: w.browser(r), Browser: w.device(r)}
	if e.app {
		want.ACR, want.Ways = w.OAuth.Demands(e.Client, e.Interaction), waysOf(e)
	}
	return want
}

// waysOf are the authenticators that an app lets people use; nil: all.
func waysOf(e entry) []string {
	if !e.app || len(e.Client.Authenticators) == 0 {
		return nil
	}
	return e.Client.Authenticators
}

// enter takes evidence to the gate and the browser to what the gate still wants.
// Every way of signing in ends here.
func (w *Web) enter(rw http.ResponseWriter, r *http.Request, e entry, evidence login.Evidence) {
	verdict, err := w.Login.Authenticate(r.Context(), evidence, w.want(r, e))
	if err != nil {
		w.loginRefused(rw, r, e, "", err)
		return
	}
	if verdict.Next == login.NextNothing {
		w.signIn(rw, r, e, verdict.Proof)
		return
	}
	page := map[login.Next]string{login.NextFactor: "/factor", login.NextEnrol: "/enrol", login.NextPassword: "/login/password"}[verdict.Next]
	w.redirect(rw, r, carry(r, page, "h", verdict.Half))
}

// halfway opens the second half of a sign-in: the one that the address carries,
// else that of the session which is there. It answers the request itself and
// returns false when there is nothing to do here.
func (w *Web) halfway(rw http.ResponseWriter, r *http.Request, next login.Next) (entry, login.HalfDone, bool) {
	e, ok := w.entry(rw, r)
	if !ok {
		return e, login.HalfDone{}, false
	}
	half, err := w.half(r, next)
	switch {
	case errors.Is(err, login.ErrStale), errors.Is(err, oauth.ErrNotFound), err == nil && half.Next != next:
		w.redirect(rw, r, carry(r, "/login")) // it takes too long, or is done: begin again
		return e, half, false
	case err != nil:
		w.fail(rw, r, err)
		return e, half, false
	}
	return e, half, true
}

func (w *Web) half(r *http.Request, next login.Next) (login.HalfDone, error) {
	if sealed := r.URL.Query().Get("h"); sealed != "" {
		return w.Login.OpenHalf(r.Context(), sealed, w.browser(r))
	}
	rec, err := w.record(r)
	switch {
	case err != nil:
		return login.HalfDone{}, err
	case rec.ID == "":
		return login.HalfDone{}, login.ErrStale
	}
	return w.Login.SecondHalf(r.Context(), rec, next)
}

// deviceLife is as long as browsers keep a cookie at most.
const deviceLife = 400 * 24 * time.Hour

// device names the browser among those that a person signed in with: a hint
// that outlives sessions, and no proof.
func (w *Web) device(r *http.Request) string {
	for _, c := range r.CookiesNamed(w.cookieName("device")) {
		if len(c.Value) <= maxCookie && c.Value != "" {
			return c.Value
		}
	}
	return ""
}

func (w *Web) setDevice(rw http.ResponseWriter, value string) {
	c := w.cookie("device", value)
	c.MaxAge = int(deviceLife.Seconds())
	http.SetCookie(rw, c)
}

// DeviceWords says in a language what a user agent is, for letters.
func DeviceWords(tag, agent string) string { return device(locale.Get(tag), agent) }
