package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// postPasskey judges the answer of a passkey to the sign-in page.
func (w *Web) postPasskey(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	e, ok := w.entry(rw, r)
	if !ok {
		return
	}
	if w.checkForm(r, form.Get("form"), oauth.Session{}, "login", r.URL.Query().Get("i")) != nil {
		w.forbidden(rw, r)
		return
	}
	if !w.Login.Offers(login.WayPasskey, 1, waysOf(e)) {
		w.loginRefused(rw, r, e, "", login.ErrWrong)
		return
	}
	evidence, err := w.Login.ByPasskey(r.Context(), form.Get("asked"), form.Get("answer"), w.browser(r), w.visitor(r))
	if errors.Is(err, login.ErrWrong) {
		w.renderLogin(rw, r, http.StatusUnauthorized, e, loginView{Problem: w.speak(r).T("This passkey isn't known here, or it couldn't be checked. Try again, or sign in another way.")})
		return
	}
	if err != nil {
		w.loginRefused(rw, r, e, "", err)
		return
	}
	w.enter(rw, r, e, evidence)
}
