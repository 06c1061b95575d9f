package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
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

// showWelcomed tells who has just made an account that a letter is on its way.
// It leads on where the sign-up did, with or without the code.
func (w *Web) showWelcomed(rw http.ResponseWriter, r *http.Request) {
	if v, e, ok := w.welcomed(rw, r); ok {
		w.renderWelcomed(v, http.StatusOK, e, "")
	}
}

// welcomed leads on whoever waits for no letter.
func (w *Web) welcomed(rw http.ResponseWriter, r *http.Request) (*visit, entry, bool) {
	e, ok := w.entry(rw, r)
	if !ok {
		return nil, e, false
	}
	rec, err := w.record(r)
	if err == nil && rec.ID == "" {
		err = oauth.ErrNotFound
	}
	v := &visit{rw: rw, r: r, rec: rec, l: w.speak(r)}
	if err == nil {
		v.user, err = w.Login.User(r.Context(), rec.Subject)
	}
	if err == nil {
		if _, waits := w.letter(v); waits {
			return v, e, true
		}
		err = oauth.ErrNotFound
	}
	if !errors.Is(err, oauth.ErrNotFound) {
		w.fail(rw, r, err)
		return nil, e, false
	}
	w.redirect(rw, r, carry(r, "/login"))
	return nil, e, false
}

func (w *Web) renderWelcomed(v *visit, status int, e entry, problem string) {
	letter, _ := w.letter(v)
	w.ask(v.rw, v.r, status, e, askView{
		ID: "otp-form", Heading: v.l.T("Check your mail"), Intro: []string{v.l.T("Your account is made. A letter is on its way to {0}. Type its code here to confirm the address, or open its link.", letter.To)},
		Action: v.r.URL.RequestURI(), Form: w.askToken(v.rw, v.r, "signup-letter"), Field: "code", Button: v.l.T("Confirm this address"), Problem: problem,
		Links: []linkView{{"later", carry(v.r, "/login"), v.l.T("Confirm it later")}},
	})
}

func (w *Web) postWelcomed(rw http.ResponseWriter, r *http.Request) {
	_, form, ok := w.readAsk(rw, r, "signup-letter")
	if !ok {
		return
	}
	v, e, ok := w.welcomed(rw, r)
	if !ok {
		return
	}
	letter, _ := w.letter(v)
	err := w.confirm(v, letter, form.Get("otp"))
	var invalid *login.Invalid
	switch {
	case errors.Is(err, login.ErrWrong):
		w.renderWelcomed(v, http.StatusUnprocessableEntity, e, v.l.T("This code isn't right, or it has expired. After five tries you need a new one."))
	case errors.As(err, &invalid):
		w.renderWelcomed(v, http.StatusConflict, e, v.l.T(invalid.Why, invalid.Args...))
	case err == nil, errors.Is(err, login.ErrStale), errors.Is(err, oauth.ErrNotFound):
		w.forgetLetter(rw)
		w.redirect(rw, r, carry(r, "/login"))
	default:
		w.fail(rw, r, err)
	}
}
