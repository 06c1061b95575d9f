package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// showForgot asks whose password is to be replaced.
func (w *Web) showForgot(rw http.ResponseWriter, r *http.Request) {
	if e, ok := w.entry(rw, r); ok {
		w.renderForgot(rw, r, http.StatusOK, e, "", "")
	}
}

func (w *Web) renderForgot(rw http.ResponseWriter, r *http.Request, status int, e entry, name, problem string) {
	l := w.speak(r)
	if !w.Login.Post.Enabled() {
		w.ask(rw, r, http.StatusOK, e, askView{
			Heading: l.T("Forgot your password?"), Intro: []string{l.T("This server can't send mail. Ask its operator for a one-time link to your account.")},
			Links: []linkView{{"back", carry(r, "/login"), l.T("Back to sign in")}},
		})
		return
	}
	w.ask(rw, r, status, e, askView{
		ID: "forgot-form", Heading: l.T("Forgot your password?"), Intro: []string{l.T("We send a link to the address of your account, if you have confirmed it.")},
		Action: carry(r, "/forgot"), Form: w.askToken(rw, r, "forgot"), Field: "username", Value: cut(name, 256), Button: l.T("Send a link"), Problem: problem,
		Links: []linkView{{"back", carry(r, "/login"), l.T("Back to sign in")}},
	})
}

func (w *Web) postForgot(rw http.ResponseWriter, r *http.Request) {
	e, form, ok := w.readAsk(rw, r, "forgot")
	if !ok {
		return
	}
	l := w.speak(r)
	err := w.Login.Forgot(r.Context(), form.Get("username"), l.Tag, w.visitor(r))
	if err != nil {
		problem, status, ok := w.mailRefused(rw, r, err)
		if !ok {
			w.fail(rw, r, err)
			return
		}
		w.renderForgot(rw, r, status, e, form.Get("username"), problem)
		return
	}
	w.ask(rw, r, http.StatusOK, e, askView{
		Heading: l.T("Check your mail"),
		Intro: []string{
			l.T("If there is an account with a confirmed address, a letter with a link is on its way. The link works for 30 minutes."),
			l.T("Nothing there? Look among the unwanted mail. If you never confirmed an address, ask the operator for a one-time link."),
		},
		Links: []linkView{{"back", carry(r, "/login"), l.T("Back to sign in")}},
	})
}

// showReset is what the link of a way back opens; welcome is an operator's.
func (w *Web) showReset(kind login.LinkKind) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if reset, ok := w.openReset(rw, r, kind); ok {
			w.renderReset(rw, r, http.StatusOK, reset, kind, "")
		}
	}
}

func (w *Web) openReset(rw http.ResponseWriter, r *http.Request, kind login.LinkKind) (login.Reset, bool) {
	reset, err := w.Login.OpenReset(r.Context(), kind, r.URL.Query().Get("t"))
	switch {
	case errors.Is(err, login.ErrStale):
		w.deadLink(rw, r, "/forgot")
		return reset, false
	case err != nil:
		w.fail(rw, r, err)
		return reset, false
	}
	return reset, true
}

func (w *Web) renderReset(rw http.ResponseWriter, r *http.Request, status int, reset login.Reset, kind login.LinkKind, problem string) {
	l := w.speak(r)
	who := viewUser(reset.User).Label()
	intro := []string{l.T("For the account {0}. Every browser is signed out and every app loses its access.", who)}
	if reset.Factors {
		intro = append(intro, l.T("Your passkeys, authenticator apps and recovery codes are removed. Set up new ones when you have signed in."))
	}
	purpose := string("reset-" + kind)
	w.ask(rw, r, status, entry{}, askView{
		ID: "reset-form", Heading: l.T("Choose a new password"), Intro: intro, Action: r.URL.RequestURI(), Form: w.askToken(rw, r, purpose),
		Field: "password", Value: who, New: true, Button: l.T("Set the password"), Problem: problem,
	})
}

func (w *Web) postReset(kind login.LinkKind) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		_, form, ok := w.readAsk(rw, r, string("reset-"+kind))
		if !ok {
			return
		}
		reset, ok := w.openReset(rw, r, kind)
		if !ok {
			return
		}
		sessions, err := w.Store.Sessions(r.Context(), reset.User.Subject, w.Now())
		if err == nil {
			err = w.Login.SetByReset(r.Context(), reset, form.Get("password"), w.visitor(r))
		}
		var invalid *login.Invalid
		switch {
		case errors.As(err, &invalid):
			w.renderReset(rw, r, http.StatusUnprocessableEntity, reset, kind, w.speak(r).T(invalid.Why, invalid.Args...))
		case errors.Is(err, login.ErrStale):
			w.deadLink(rw, r, "/forgot")
		case err != nil:
			w.fail(rw, r, err)
		default:
			w.tellApps(rw, r, sessions, "")
			l := w.speak(r)
			w.ask(rw, r, http.StatusOK, entry{}, askView{
				Heading: l.T("Your password is set"), Intro: []string{l.T("Sign in with it now.")}, Links: []linkView{{"sign-in", "/login", l.T("Sign in")}},
			})
		}
	}
}

// tellApps tells the apps of sessions that have ended, but of one that goes on.
func (w *Web) tellApps(rw http.ResponseWriter, r *http.Request, sessions []login.Record, but string) {
	for _, s := range sessions {
		if s.ID == but {
			continue
		}
		if _, err := w.OAuth.EndSession(r.Context(), s.Session, 0, false); err != nil {
			w.Log.ErrorContext(r.Context(), "apps were not told of a sign-out", "request", requestID(rw), "error", err)
		}
	}
}

// showNewPassword is for who signed in with a password that must be changed.
func (w *Web) showNewPassword(rw http.ResponseWriter, r *http.Request) {
	if e, half, ok := w.halfway(rw, r, login.NextPassword); ok {
		w.renderNewPassword(rw, r, http.StatusOK, e, half, "")
	}
}

func (w *Web) renderNewPassword(rw http.ResponseWriter, r *http.Request, status int, e entry, half login.HalfDone, problem string) {
	l := w.speak(r)
	w.ask(rw, r, status, e, askView{
		ID: "new-password-form", Heading: l.T("Choose a new password"), Intro: []string{l.T("The one that you have can't be kept. Other browsers are signed out.")},
		Action: carry(r, "/login/password", "h", r.URL.Query().Get("h")), Form: w.askToken(rw, r, "new-password"),
		Field: "password", Value: viewUser(half.User).Username, New: true, Button: l.T("Set the password"), Problem: problem,
	})
}

func (w *Web) postNewPassword(rw http.ResponseWriter, r *http.Request) {
	e, form, ok := w.readAsk(rw, r, "new-password")
	if !ok {
		return
	}
	_, half, ok := w.halfway(rw, r, login.NextPassword)
	if !ok {
		return
	}
	evidence, err := w.Login.SetExpired(r.Context(), half, form.Get("password"), w.visitor(r))
	var invalid *login.Invalid
	switch {
	case err == nil:
		w.enter(rw, r, e, evidence)
	case errors.As(err, &invalid):
		w.renderNewPassword(rw, r, http.StatusUnprocessableEntity, e, half, w.speak(r).T(invalid.Why, invalid.Args...))
	case errors.Is(err, login.ErrStale):
		w.redirect(rw, r, carry(r, "/login"))
	default:
		w.fail(rw, r, err)
	}
}

// showLock is what "This wasn't me" opens.
func (w *Web) showLock(rw http.ResponseWriter, r *http.Request) {
	user, err := w.Login.OpenLock(r.Context(), r.URL.Query().Get("t"))
	l := w.speak(r)
	switch {
	case errors.Is(err, login.ErrStale):
		w.deadLink(rw, r, "/forgot")
	case err != nil:
		w.fail(rw, r, err)
	default:
		w.ask(rw, r, http.StatusOK, entry{}, askView{
			ID: "lock-form", Heading: l.T("Lock your account?"),
			Intro: []string{
				l.T("Somebody else may be in the account {0}. Locking it signs out every browser and takes every app's access away.", viewUser(user).Label()),
				l.T("Nobody can sign in until you choose a new password by a link that we send to this address."),
			},
			Action: r.URL.RequestURI(), Form: w.askToken(rw, r, "lock"), Button: l.T("Lock the account"),
		})
	}
}

func (w *Web) postLock(rw http.ResponseWriter, r *http.Request) {
	if _, _, ok := w.readAsk(rw, r, "lock"); !ok {
		return
	}
	user, err := w.Login.OpenLock(r.Context(), r.URL.Query().Get("t"))
	var sessions []login.Record
	if err == nil {
		sessions, err = w.Store.Sessions(r.Context(), user.Subject, w.Now())
	}
	if err == nil {
		err = w.Login.Lock(r.Context(), r.URL.Query().Get("t"), w.visitor(r))
	}
	l := w.speak(r)
	switch {
	case errors.Is(err, login.ErrStale):
		w.deadLink(rw, r, "/forgot")
	case err != nil:
		w.fail(rw, r, err)
	default:
		w.tellApps(rw, r, sessions, "")
		w.ask(rw, r, http.StatusOK, entry{}, askView{
			Heading: l.T("Your account is locked"), Intro: []string{l.T("Take it back with a new password.")},
			Links: []linkView{{"forgot", "/forgot", l.T("Send a link to choose a new password")}},
		})
	}
}

// showVerify is what the link to confirm an address opens.
func (w *Web) showVerify(rw http.ResponseWriter, r *http.Request) {
	p, err := w.Login.OpenVerify(r.Context(), r.URL.Query().Get("t"))
	l := w.speak(r)
	switch {
	case errors.Is(err, login.ErrStale):
		w.deadLink(rw, r, "/account/email")
	case err != nil:
		w.fail(rw, r, err)
	default:
		w.ask(rw, r, http.StatusOK, entry{}, askView{
			ID: "verify-form", Heading: l.T("Confirm your address"), Intro: []string{l.T("{0} becomes the address of the account {1}.", p.Email, p.User.Username)},
			Action: r.URL.RequestURI(), Form: w.askToken(rw, r, "verify"), Button: l.T("Confirm this address"),
		})
	}
}

func (w *Web) postVerify(rw http.ResponseWriter, r *http.Request) {
	if _, _, ok := w.readAsk(rw, r, "verify"); !ok {
		return
	}
	p, err := w.Login.OpenVerify(r.Context(), r.URL.Query().Get("t"))
	if err == nil {
		err = w.Login.Verify(r.Context(), p, w.visitor(r))
	}
	l := w.speak(r)
	var invalid *login.Invalid
	switch {
	case errors.Is(err, login.ErrStale), errors.Is(err, oauth.ErrNotFound):
		w.deadLink(rw, r, "/account/email")
	case errors.As(err, &invalid):
		w.ask(rw, r, http.StatusConflict, entry{}, askView{Heading: l.T("Confirm your address"), Problem: l.T(invalid.Why, invalid.Args...), Links: []linkView{{"account", "/account", l.T("Your account")}}})
	case err != nil:
		w.fail(rw, r, err)
	default:
		w.ask(rw, r, http.StatusOK, entry{}, askView{Heading: l.T("Your address is confirmed"), Links: []linkView{{"account", "/account", l.T("Your account")}}})
	}
}
