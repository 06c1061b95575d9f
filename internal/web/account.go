package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

func (w *Web) accountMap() []route {
	return slices.Concat([]route{
		{"GET /account", w.signedIn(w.showAccount)},
		{"GET /account/profile", w.signedIn(w.showProfile)},
		{"POST /account/profile", w.posted("profile", w.postProfile)},
		{"POST /account/picture", w.signedIn(w.postPicture)},
		{"POST /account/picture/remove", w.posted("picture-remove", w.removePicture)},
		{"GET /pictures/{id}", w.servePicture},
		{"GET /account/email", w.signedIn(w.showAddress)},
		{"POST /account/email", w.posted("email", w.postAddress)},
		{"GET /account/email/code", w.signedIn(w.showAddressCode)},
		{"POST /account/email/code", w.posted("email-code", w.postAddressCode)},
		{"GET /account/sessions", w.signedIn(w.showSessions)},
		{"POST /account/sessions/end", w.posted("session-end", w.endSession)},
		{"POST /account/sessions/end-others", w.posted("sessions-end", w.endOtherSessions)},
		{"GET /account/apps", w.signedIn(w.showConnections)},
		{"POST /account/apps/withdraw", w.posted("withdraw", w.withdraw)},
		{"POST /account/apps/narrow", w.posted("narrow", w.narrow)},
		{"GET /account/activity", w.signedIn(w.showHistory)},
		{"GET /account/activity/not-me", w.signedIn(w.showNotMe)},
		{"POST /account/activity/not-me", w.posted("not-me", w.postNotMe)},
		{"GET /account/data", w.signedIn(w.showData)},
		{"POST /account/data", w.posted("data", w.postData)},
		{"GET /account/delete", w.signedIn(w.showFarewell)},
		{"POST /account/delete", w.posted("account-delete", w.postFarewell)},
	}, w.safetyMap())
}

// safetyMap lists the pages on which people change how they prove themselves.
func (w *Web) safetyMap() []route {
	return []route{
		{"GET /account/security", w.signedIn(w.showSafety)},
		{"GET /account/password", w.signedIn(w.showPassword)},
		{"POST /account/password", w.posted("password", w.postPassword)},
		{"POST /account/password/remove", w.posted("password-remove", w.removePassword)},
		{"GET /account/passkeys/new", w.signedIn(w.showNewPasskey)},
		{"POST /account/passkeys/new", w.posted("passkey", w.postNewPasskey)},
		{"POST /account/passkeys/rename", w.posted("passkey-rename", w.renamePasskey)},
		{"POST /account/passkeys/remove", w.posted("passkey-remove", w.removePasskey)},
		{"GET /account/totp/new", w.signedIn(w.showNewTOTP)},
		{"POST /account/totp/new", w.posted("totp", w.postNewTOTP)},
		{"POST /account/totp/remove", w.posted("totp-remove", w.removeTOTP)},
		{"POST /account/recovery", w.posted("recovery", w.makeRecovery)},
		{"GET /account/two-step", w.signedIn(w.showTwoStepOff)},
		{"POST /account/two-step", w.posted("two-step", w.switchTwoStep)},
		{"POST /account/browsers/forget", w.posted("browsers", w.forgetBrowsers)},
		{"GET /account/link/{id}", w.signedIn(w.showLinking)},
		{"POST /account/link/{id}", w.posted("link-to", w.postLinking)},
		{"POST /account/unlink", w.posted("unlink", w.unlink)},
	}
}

// pageOfForm is the page on which the form of a path stands that answers no GET.
func pageOfForm(path string) string {
	switch {
	case strings.HasPrefix(path, "/account/picture"):
		return "/account/profile"
	case strings.HasPrefix(path, "/account/sessions"):
		return "/account/sessions"
	case strings.HasPrefix(path, "/account/apps"):
		return "/account/apps"
	}
	return "/account/security"
}

type accountView struct {
	User      whoView
	Picture   string // path
	Elsewhere bool   // an embedder's user base keeps the profile
	Verified  bool   // the address
	Facts     []fact
	Admin     bool
	Since     time.Time
	Sessions  int
	Apps      int
}

// fact is a line of what is known of somebody.
type fact struct{ Label, Value string }

func (w *Web) showAccount(v *visit) {
	sessions, err1 := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	apps, err2 := w.Store.Connections(v.r.Context(), v.user.Subject)
	claims, err3 := w.Login.Claims(v.r.Context(), v.user.Subject)
	if err := errors.Join(err1, err2, err3); err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	who, verified := viewUser(v.user), v.user.EmailVerified
	if w.Login.Elsewhere(v.user) {
		who.Name, _ = claims["name"].(string)
		who.Email, _ = claims["email"].(string)
		verified = claims["email_verified"] == true
	}
	w.show(v, as{}, "account", page{Title: v.l.T("Your account"), Section: "account", Done: w.takeDone(v), D: accountView{
		User: who, Picture: v.user.PicturePath(), Elsewhere: w.Login.Elsewhere(v.user), Verified: verified, Facts: profileFacts(v.l, claims),
		Admin: w.Login.Administers(v.user), Since: v.user.CreatedAt, Sessions: len(sessions), Apps: len(apps),
	}})
}

// proveAgain has somebody who is signed in prove it once more and come back to a
// page of ours, where they may press its button again.
func (w *Web) proveAgain(v *visit, back string) {
	to := w.forms.Seal([]byte(back), formBind(w.Browser(v.rw, v.r), "to"))
	w.redirect(v.rw, v.r, "/login?"+url.Values{"to": {to}, "again": {"1"}}.Encode())
}

// actor is the person of a visit who has proved it just now. It answers the
// request itself and returns false when that was too long ago.
func (w *Web) actor(v *visit, back string) (login.Actor, bool) {
	a, err := w.Login.Fresh(v.r.Context(), v.rec, w.visitor(v.r))
	switch {
	case errors.Is(err, login.ErrStale):
		w.proveAgain(v, back)
		return a, false
	case err != nil:
		w.fail(v.rw, v.r, err)
		return a, false
	}
	return a, true
}

// ending makes a change that may end sessions, and tells the apps of those that
// it ended.
func (w *Web) ending(v *visit, change func() error) error {
	before, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	if err == nil {
		err = change()
	}
	if err != nil {
		return err
	}
	left, err := w.Store.Sessions(v.r.Context(), v.user.Subject, w.Now())
	if err != nil {
		w.Log.ErrorContext(v.r.Context(), "apps were not told of a sign-out", "request", requestID(v.rw), "error", err)
		return nil
	}
	w.tellApps(v.rw, v.r, slices.DeleteFunc(before, func(s login.Record) bool {
		return slices.ContainsFunc(left, func(l login.Record) bool { return l.ID == s.ID })
	}), v.rec.ID)
	return nil
}

// refused puts into words why a change can't be made; false for a fault.
func (w *Web) refused(v *visit, err error) (problem string, status int, ok bool) {
	var invalid *login.Invalid
	switch {
	case errors.As(err, &invalid):
		return v.l.T(invalid.Why, invalid.Args...), http.StatusUnprocessableEntity, true
	case errors.Is(err, login.ErrLastWay):
		return v.l.T("It is your only way in, so it stays. Set a password, add a passkey or link another account first, then remove it."), http.StatusConflict, true
	case errors.Is(err, login.ErrStale):
		return v.l.T("That took too long. Try once more."), http.StatusUnprocessableEntity, true
	case errors.Is(err, oauth.ErrReplayed), errors.Is(err, oauth.ErrEnded):
		return v.l.T("Something else was changed at the same moment. Look, and try once more."), http.StatusConflict, true
	}
	return "", 0, false
}
