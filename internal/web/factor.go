package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// factorView is the page that asks for a second factor.
type factorView struct {
	App     *appView
	Action  string
	Form    string
	Has     login.Has
	Kind    string // which of them is asked for
	Other   map[string]string
	Asked   login.Challenge
	Trust   bool // the person may have this browser trusted
	Problem string
	Who     string
	Back    string // sign in as somebody else
	NotNow  bool   // the app takes no for an answer
}

// showFactor asks for a second factor, in a sign-in or for a session that has
// one: RFC 9470.
func (w *Web) showFactor(rw http.ResponseWriter, r *http.Request) {
	e, half, ok := w.halfway(rw, r, login.NextFactor)
	if !ok || !w.stillFactor(rw, r, e) {
		return
	}
	w.renderFactor(rw, r, http.StatusOK, e, half, factorView{Kind: r.URL.Query().Get("by")})
}

// stillFactor sends on a browser whose session has two factors already, or has
// none to add to.
func (w *Web) stillFactor(rw http.ResponseWriter, r *http.Request, e entry) bool {
	if r.URL.Query().Get("h") != "" {
		return true
	}
	session, err := w.Session(r)
	switch {
	case err != nil:
		w.fail(rw, r, err)
		return false
	case e.app:
		return w.resume(rw, r, e.waiting, oauth.Standing{Session: session, Selected: true}, oauth.StepFactor)
	case session.ACR == oauth.TwoFactors:
		w.redirect(rw, r, e.to)
		return false
	}
	return true
}

func (w *Web) renderFactor(rw http.ResponseWriter, r *http.Request, status int, e entry, half login.HalfDone, v factorView) {
	has, err := w.Login.SecondFactors(r.Context(), half.User.Subject, waysOf(e))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if !has.Passkey && !has.TOTP {
		w.redirect(rw, r, carry(r, "/enrol", "h", r.URL.Query().Get("h")))
		return
	}
	ordered := w.Login.Ordered(has)
	v.Has, v.Kind, v.Other = has, kindOf(ordered, v.Kind), map[string]string{}
	for _, kind := range ordered {
		if kind != v.Kind {
			v.Other[kind] = carry(r, "/factor", "h", r.URL.Query().Get("h"), "by", kind)
		}
	}
	if v.Kind == login.WayPasskey {
		if v.Asked, err = w.Login.AskFactor(r.Context(), half.User, w.browser(r)); err != nil {
			w.fail(rw, r, err)
			return
		}
	}
	v.App, v.Action = viewRequest(e.waiting), carry(r, "/factor", "h", r.URL.Query().Get("h"), "by", v.Kind)
	v.Form = w.formToken(rw, r, oauth.Session{}, "factor", half.User.Subject)
	v.Trust = half.User.TwoStep && r.URL.Query().Get("h") != "" && r.URL.Query().Get("again") == ""
	v.Who, v.Back = viewUser(half.User).Label(), carry(r, "/login", "switch", "1")
	how := as{status: status}
	if e.app {
		how.formAction = formClient(e.Request.RedirectURI)
	}
	w.render(rw, r, how, "factor", page{Title: w.speak(r).T("Confirm that it is you"), D: v})
}

// kindOf is the factor to ask for: the one that was chosen, else the first. There
// is one, or the page wouldn't be shown.
func kindOf(ordered []string, chosen string) string {
	if slices.Contains(ordered, chosen) {
		return chosen
	}
	return ordered[0]
}

func (w *Web) postFactor(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	e, half, ok := w.halfway(rw, r, login.NextFactor)
	if !ok {
		return
	}
	if w.checkForm(r, form.Get("form"), oauth.Session{}, "factor", half.User.Subject) != nil {
		w.forbidden(rw, r)
		return
	}
	kind := r.URL.Query().Get("by")
	proof, err := w.Login.Second(r.Context(), half, login.Try{
		Kind: kind, Code: form.Get("otp"), Asked: form.Get("asked"), Answer: form.Get("answer"), Bind: w.browser(r),
		Trust: form.Get("trust") == "yes" && r.URL.Query().Get("h") != "", Ways: waysOf(e), From: w.visitor(r),
	})
	if err == nil && proof.Next() == login.NextPassword {
		var verdict login.Verdict
		if verdict, err = w.Login.Continue(r.Context(), proof, w.browser(r)); err == nil {
			w.redirect(rw, r, carry(r, "/login/password", "h", verdict.Half))
			return
		}
	}
	if err == nil {
		w.signIn(rw, r, e, proof)
		return
	}
	w.factorRefused(rw, r, e, half, kind, err)
}

func (w *Web) factorRefused(rw http.ResponseWriter, r *http.Request, e entry, half login.HalfDone, kind string, err error) {
	v, status, l := factorView{Kind: kind}, http.StatusUnauthorized, w.speak(r)
	var slow *login.SlowDown
	switch {
	case errors.As(err, &slow):
		status = http.StatusTooManyRequests
		rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		v.Problem = l.T("There were too many tries. Try again in {0}.", l.Wait(slow.RetryAfter))
	case errors.Is(err, secret.ErrBusy):
		status = http.StatusServiceUnavailable
		v.Problem = l.T("Many people are signing in just now. Try again in a few seconds.")
	case errors.Is(err, login.ErrWrong) && kind == login.WayPasskey:
		v.Problem = l.T("This passkey couldn't be checked. Try again, or use another way.")
	case errors.Is(err, login.ErrWrong), errors.Is(err, oauth.ErrReplayed):
		v.Problem = l.T("This code isn't right, or it was used before.")
	case errors.Is(err, login.ErrStale):
		v.Problem = l.T("That took too long. Try once more.")
	default:
		w.fail(rw, r, err)
		return
	}
	w.renderFactor(rw, r, status, e, half, v)
}
