package web

import (
	"bytes"
	"errors"
	"net/http"
	"slices"

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
		w.showCodes(v, "passkeys", login.DidAddPasskey, codes)
	case known:
		w.renderNewPasskey(v, status, problem)
	default:
		w.fail(v.rw, v.r, err)
	}
}

// renamePasskey needs no proof: a name lets nobody in.
func (w *Web) renamePasskey(v *visit) {
	id := login.ParsePasskeyID(v.form.Get("id"))
	err := w.Login.RenamePasskey(v.r.Context(), v.user.Subject, id, v.form.Get("name"))
	if err != nil && !errors.Is(err, oauth.ErrNotFound) {
		w.safetyKept(v, err)
		return
	}
	words := ""
	keys, err := w.Store.Passkeys(v.r.Context(), v.user.Subject)
	if i := slices.IndexFunc(keys, func(k login.Passkey) bool { return bytes.Equal(k.ID, id) }); err == nil && i >= 0 {
		words = v.l.T("The passkey is called “{0}” now", factorName(v.l, keys[i].Name))
	}
	w.did(v, "/account/security", "passkeys", words)
}

func (w *Web) removePasskey(v *visit) {
	a, ok := w.actor(v, "/account/security")
	if !ok {
		return
	}
	id := login.ParsePasskeyID(v.form.Get("id"))
	if len(id) == 0 {
		w.did(v, "/account/security", "passkeys", "")
		return
	}
	w.safetyChanged(v, "passkeys", login.DidRemovePasskey, w.ending(v, func() error { return w.Login.RemovePasskey(v.r.Context(), a, id) }))
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
		w.showCodes(v, "two-step", login.DidAddTOTP, codes)
	case known:
		w.renderNewTOTP(v, status, v.form.Get("sealed"), problem)
	default:
		w.fail(v.rw, v.r, err)
	}
}

func (w *Web) removeTOTP(v *visit) {
	if a, ok := w.actor(v, "/account/security"); ok {
		w.safetyChanged(v, "authenticators", login.DidRemoveTOTP, w.ending(v, func() error { return w.Login.RemoveTOTP(v.r.Context(), a, v.form.Get("id")) }))
	}
}

// showCodes shows recovery codes in the answer itself, for this one time, and
// what was done on the page after them; without any it goes on there.
func (w *Web) showCodes(v *visit, part string, kind login.ActivityKind, codes []string) {
	words := w.happened(v, kind)
	if len(codes) == 0 {
		w.did(v, "/account/security", part, words)
		return
	}
	w.keepDone(v, "/account/security", done{Text: words, Part: part})
	w.show(v, as{secret: true}, "account_codes", page{Title: v.l.T(codesTitle), Section: "security", D: codesView{Codes: codes, Next: "/account/security#" + part}})
}

func (w *Web) makeRecovery(v *visit) {
	a, ok := w.actor(v, "/account/security")
	if !ok {
		return
	}
	codes, err := w.Login.NewRecoveryCodes(v.r.Context(), a)
	if err != nil {
		w.safetyChanged(v, "recovery", login.DidMakeCodes, err)
		return
	}
	w.showCodes(v, "recovery", login.DidMakeCodes, codes)
}

// showTwoStepOff asks before less is asked for.
func (w *Web) showTwoStepOff(v *visit) {
	switch {
	case !v.user.TwoStep || w.Login.Demand(v.user.Groups()) == oauth.TwoFactors:
		w.redirect(v.rw, v.r, "/account/security#two-step")
	case w.fresh(v):
		w.show(v, as{}, "account_two_step", page{
			Title: v.l.T("Switch the second step off?"), Section: "security", D: safetyView{Switch: w.token(v, "two-step"), Password: v.user.Password != ""},
		})
	}
}

func (w *Web) switchTwoStep(v *visit) {
	on, back := v.form.Get("on") == "yes", "/account/security"
	if !on {
		back = "/account/two-step"
	}
	a, ok := w.actor(v, back)
	if !ok {
		return
	}
	var codes []string
	err := w.ending(v, func() (err error) {
		codes, err = w.Login.SwitchTwoStep(v.r.Context(), a, on)
		return err
	})
	if err != nil {
		w.safetyChanged(v, "two-step", login.DidSwitchTwoStep, err)
		return
	}
	w.showCodes(v, "two-step", login.DidSwitchTwoStep, codes)
}

// forgetBrowsers needs no proof: more is asked for after it, not less.
func (w *Web) forgetBrowsers(v *visit) {
	w.safetyChanged(v, "browsers", login.DidForgetBrowsers, w.Login.ForgetBrowsers(v.r.Context(), v.user, w.visitor(v.r)))
}
