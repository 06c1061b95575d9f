package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// newFactorView is the page that adds a passkey or an authenticator app.
type newFactorView struct {
	Form    string
	Name    string
	Problem string
	Making  login.Challenge
	TOTP    *totpView
}

// fresh is actor for a page that is shown: whoever has to prove themselves again
// does so before they make anything.
func (w *Web) fresh(v *visit) bool {
	_, ok := w.actor(v, v.r.URL.Path)
	return ok
}

func (w *Web) showNewPasskey(v *visit) {
	switch {
	case !w.takesPasskeys():
		w.NotFound(v.rw, v.r)
	case w.fresh(v):
		w.renderNewPasskey(v, http.StatusOK, "")
	}
}

func (w *Web) renderNewPasskey(v *visit, status int, problem string) {
	making, err := w.Login.MakePasskey(v.r.Context(), v.user, w.browser(v.r))
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.show(v, as{status: status}, "account_passkey", page{Title: v.l.T("Add a passkey"), Section: "security", D: newFactorView{
		Form: w.token(v, "passkey"), Name: cut(v.form.Get("name"), 100), Problem: problem, Making: making,
	}})
}

func (w *Web) postNewPasskey(v *visit) {
	if !w.takesPasskeys() {
		w.NotFound(v.rw, v.r)
		return
	}
	a, ok := w.actor(v, "/account/passkeys/new")
	if !ok {
		return
	}
	if v.form.Get("answer") == "" {
		w.renderNewPasskey(v, http.StatusUnprocessableEntity, v.l.T("No passkey was made. This page needs JavaScript, and a browser that knows passkeys."))
		return
	}
	var codes []string
	err := w.ending(v, func() (err error) {
		codes, err = w.Login.AddPasskey(v.r.Context(), a, v.form.Get("asked"), v.form.Get("answer"), w.browser(v.r), v.form.Get("name"))
		return err
	})
	if errors.Is(err, oauth.ErrConflict) {
		w.renderNewPasskey(v, http.StatusConflict, v.l.T("This passkey belongs to an account already."))
		return
	}
	problem, status, known := w.refused(v, err)
	switch {
	case err == nil:
		w.showCodes(v, "passkeys", codes)
	case known:
		w.renderNewPasskey(v, status, problem)
	default:
		w.fail(v.rw, v.r, err)
	}
}

// renamePasskey needs no proof: a name lets nobody in.
func (w *Web) renamePasskey(v *visit) {
	err := w.Login.RenamePasskey(v.r.Context(), v.user.Subject, login.ParsePasskeyID(v.form.Get("id")), v.form.Get("name"))
	w.safetyChanged(v, "passkeys", err)
}

func (w *Web) removePasskey(v *visit) {
	a, ok := w.actor(v, "/account/security")
	if !ok {
		return
	}
	id := login.ParsePasskeyID(v.form.Get("id"))
	if len(id) == 0 {
		w.safetyChanged(v, "passkeys", nil)
		return
	}
	w.safetyChanged(v, "passkeys", w.ending(v, func() error { return w.Login.RemovePasskey(v.r.Context(), a, id) }))
}

func (w *Web) showNewTOTP(v *visit) {
	switch {
	case !w.Login.Offers(login.WayTOTP, 2, nil):
		w.NotFound(v.rw, v.r)
	case w.fresh(v):
		w.renderNewTOTP(v, http.StatusOK, "", "")
	}
}

func (w *Web) renderNewTOTP(v *visit, status int, sealed, problem string) {
	t, err := w.beginTOTP(v.r, v.user, sealed, problem)
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	w.show(v, as{status: status, secret: true}, "account_totp", page{Title: v.l.T("Add an authenticator app"), Section: "security", D: newFactorView{
		Form: w.token(v, "totp"), Name: cut(v.form.Get("name"), 100), TOTP: t,
	}})
}

func (w *Web) postNewTOTP(v *visit) {
	if !w.Login.Offers(login.WayTOTP, 2, nil) {
		w.NotFound(v.rw, v.r)
		return
	}
	a, ok := w.actor(v, "/account/totp/new")
	if !ok {
		return
	}
	var codes []string
	err := w.ending(v, func() (err error) {
		codes, err = w.Login.AddTOTP(v.r.Context(), a, v.form.Get("sealed"), v.form.Get("otp"), v.form.Get("name"))
		return err
	})
	problem, status, known := w.refused(v, err)
	switch {
	case err == nil:
		w.showCodes(v, "two-step", codes)
	case known:
		w.renderNewTOTP(v, status, v.form.Get("sealed"), problem)
	default:
		w.fail(v.rw, v.r, err)
	}
}

func (w *Web) removeTOTP(v *visit) {
	if a, ok := w.actor(v, "/account/security"); ok {
		w.safetyChanged(v, "authenticators", w.ending(v, func() error { return w.Login.RemoveTOTP(v.r.Context(), a, v.form.Get("id")) }))
	}
}

// showCodes shows recovery codes in the answer itself, for this one time; without
// any it goes on.
func (w *Web) showCodes(v *visit, part string, codes []string) {
	next := "/account/security#" + part
	if len(codes) == 0 {
		w.redirect(v.rw, v.r, next)
		return
	}
	w.show(v, as{secret: true}, "account_codes", page{Title: v.l.T(codesTitle), Section: "security", D: codesView{Codes: codes, Next: next}})
}

func (w *Web) makeRecovery(v *visit) {
	a, ok := w.actor(v, "/account/security")
	if !ok {
		return
	}
	codes, err := w.Login.NewRecoveryCodes(v.r.Context(), a)
	if err != nil {
		w.safetyChanged(v, "recovery", err)
		return
	}
	w.showCodes(v, "recovery", codes)
}

func (w *Web) switchTwoStep(v *visit) {
	a, ok := w.actor(v, "/account/security")
	if !ok {
		return
	}
	var codes []string
	err := w.ending(v, func() (err error) {
		codes, err = w.Login.SwitchTwoStep(v.r.Context(), a, v.form.Get("on") == "yes")
		return err
	})
	if err != nil {
		w.safetyChanged(v, "two-step", err)
		return
	}
	w.showCodes(v, "two-step", codes)
}

// forgetBrowsers needs no proof: more is asked for after it, not less.
func (w *Web) forgetBrowsers(v *visit) {
	w.safetyChanged(v, "browsers", w.Login.ForgetBrowsers(v.r.Context(), v.user, w.visitor(v.r)))
}
