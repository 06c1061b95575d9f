package web

import (
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
)

// peopleMap lists the pages of signing in, of coming from elsewhere, and of the
// ways back.
func (w *Web) peopleMap() []route {
	return []route{
		{"POST /login/passkey", w.postPasskey},
		{"GET /login/email", w.showEmail},
		{"POST /login/email", w.postEmail},
		{"GET /login/email/code", w.showEmailCode},
		{"POST /login/email/code", w.postEmailCode},
		{"GET /login/email/link", w.showEmailLink},
		{"POST /login/email/link", w.postEmailLink},
		{"GET /login/password", w.showNewPassword},
		{"POST /login/password", w.postNewPassword},
		{"GET /login/own/{name}", w.showOwn},
		{"POST /login/own/{name}", w.postOwn},
		{"GET /login/with/{name}", w.showWith},
		{"POST /login/with/{name}", w.postDirectory},
		{"GET /login/callback/{name}", w.callback},
		{"GET /factor", w.showFactor},
		{"POST /factor", w.postFactor},
		{"GET /enrol", w.showEnrol},
		{"POST /enrol", w.postEnrol},
		{"GET /totp/qr", w.serveTOTPQR},
		{"GET /link", w.showLink},
		{"POST /link", w.postLink},
		{"GET /forgot", w.showForgot},
		{"POST /forgot", w.postForgot},
		{"GET /reset", w.showReset(login.LinkReset)},
		{"POST /reset", w.postReset(login.LinkReset)},
		{"GET /welcome", w.showReset(login.LinkOperator)},
		{"POST /welcome", w.postReset(login.LinkOperator)},
		{"GET /lock", w.showLock},
		{"POST /lock", w.postLock},
		{"GET /verify", w.showVerify},
		{"POST /verify", w.postVerify},
		{"GET /signup/confirm", w.showSignupConfirm},
		{"POST /signup/confirm", w.postSignupConfirm},
		{"GET /mailbox", w.showMailbox},
		{"GET /mailbox/{id}", w.showLetter},
	}
}

// backchannel takes the word of another provider that a sign-in is over: OpenID
// Connect Back-Channel Logout §2.5. A program sends it, so it is no page.
func (w *Web) backchannel(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Cache-Control", "no-store")
	form, bad := readForm(rw, r)
	c := w.connector(entry{}, r.PathValue("name"))
	if bad != nil || c == nil {
		http.Error(rw, "invalid_request", http.StatusBadRequest)
		return
	}
	issuer, subject, sid, id, err := c.LogoutToken(r.Context(), form.Get("logout_token"))
	if err == nil {
		err = w.Login.UseLogoutToken(r.Context(), issuer, id)
	}
	if err != nil {
		w.Log.WarnContext(r.Context(), "a logout token was refused", "connector", c.Name, "error", err)
		http.Error(rw, "invalid_request", http.StatusBadRequest)
		return
	}
	ended, err := w.Login.SignOutUpstream(r.Context(), issuer, subject, sid)
	w.tellApps(rw, r, ended, "")
	if err != nil {
		http.Error(rw, "temporarily_unavailable", http.StatusServiceUnavailable)
		return
	}
	rw.WriteHeader(http.StatusOK)
}
