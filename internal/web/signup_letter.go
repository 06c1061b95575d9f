package web

import (
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/internal/login"
)

// letterLife is as long as the browser remembers a letter; its code is judged
// by what the server knows.
const letterLife = 30 * 60

// maxLetter is longer than the cookie of any letter to any address.
const maxLetter = 2048

// setLetter has the browser remember the letter of a sign-up that asks for no
// proof, so that its pages can say that it is on its way and take its code.
func (w *Web) setLetter(rw http.ResponseWriter, r *http.Request, made login.SignedUp) {
	w.rememberLetter(rw, made.Letter, w.sealAddress(r, made.Evidence.Subject(), made.Email))
}

// letter is the one that this browser waits for, about an address that the
// person's account hasn't proven.
func (w *Web) letter(v *visit) (addressView, bool) {
	for _, c := range v.r.CookiesNamed(w.cookieName("letter")) {
		q, err := url.ParseQuery(c.Value)
		if err != nil || len(c.Value) > maxLetter {
			continue
		}
		if view, ok := w.awaited(v, q.Get); ok && (view.To != v.user.Email || !v.user.EmailVerified) {
			return view, true
		}
	}
	return addressView{}, false
}
