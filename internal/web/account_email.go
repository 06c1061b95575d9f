package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

type addressView struct {
	Form      string
	Address   string // that the account has
	Verified  bool
	Elsewhere bool
	NoMail    bool
	Letter    *addressView // that this browser waits for; nil for none
	Typed     string
	Problem   string

	// Of a letter that is on its way, and of the page that waits for its code.
	Awaits string // sealed: the letter
	To     string // where it went
	Sealed string // the same, for the way back to this page
	Again  string // form token of the button that sends another
}

func (w *Web) showAddress(v *visit) { w.renderAddress(v, http.StatusOK, "", "") }

func (w *Web) renderAddress(v *visit, status int, typed, problem string) {
	view := addressView{
		Form: w.token(v, "email"), Address: v.user.Email, Verified: v.user.EmailVerified, Elsewhere: w.Login.Elsewhere(v.user),
		NoMail: !w.Login.Post.Enabled(), Typed: cut(typed, 256), Problem: problem,
	}
	if letter, waits := w.letter(v); waits && !view.Elsewhere && !view.NoMail {
		view.Letter, letter.Again = &letter, view.Form
	}
	w.show(v, as{status: status}, "account_email", page{Title: v.l.T("Email address"), Section: "email", Done: w.takeDone(v), D: view})
}

// postAddress sends a code to an address. To have the one confirmed that the
// account has needs no proof of who asks; another one does, since letters that
// let somebody back in would go there.
func (w *Web) postAddress(v *visit) {
	email := strings.TrimSpace(v.form.Get("email"))
	switch {
	case w.Login.Elsewhere(v.user):
		w.renderAddress(v, http.StatusForbidden, "", "")
		return
	case email == v.user.Email && v.user.EmailVerified:
		w.renderAddress(v, http.StatusUnprocessableEntity, email, v.l.T("This is your address already, and it is confirmed."))
		return
	}
	sealed, err := "", login.CheckEmail(email)
	if err == nil && email != v.user.Email {
		if _, ok := w.actor(v, "/account/email"); !ok {
			return
		}
	}
	if err == nil {
		sealed, err = w.Login.ProveAddress(v.r.Context(), v.user, email, w.browser(v.r), v.l.Tag, w.visitor(v.r))
	}
	switch problem, status, ok := w.mailRefused(v.rw, v.r, err); {
	case err == nil:
		to := w.sealAddress(v.r, v.user.Subject, email)
		w.rememberLetter(v.rw, sealed, to)
		w.redirect(v.rw, v.r, pathWith("/account/email/code", "m", sealed)+"&a="+to)
	case ok:
		w.renderAddress(v, status, email, problem)
	default:
		w.fail(v.rw, v.r, err)
	}
}

// sealAddress lets the page that waits for a code say where it went.
func (w *Web) sealAddress(r *http.Request, subject, email string) string {
	return w.forms.Seal([]byte(email), formBind(w.browser(r), "email-sent\n"+subject))
}

// awaiting reads what such a page is about: from its address, or from its form.
// Where that is over it leads back to the beginning.
func (w *Web) awaiting(v *visit, get func(string) string) (addressView, bool) {
	view, ok := w.awaited(v, get)
	if !ok {
		w.redirect(v.rw, v.r, "/account/email")
	}
	return view, ok
}

// awaited reads a letter that the person waits for in this browser.
func (w *Web) awaited(v *visit, get func(string) string) (addressView, bool) {
	view := addressView{Form: w.token(v, "email-code"), Awaits: get("m"), Sealed: get("a")}
	to, err := w.forms.Open(view.Sealed, formBind(w.browser(v.r), "email-sent\n"+v.user.Subject))
	view.To = string(to)
	return view, err == nil && w.Login.Awaits(login.LinkVerify, view.Awaits, w.browser(v.r)) == nil
}

// confirm makes the address of a letter the account's, by its code.
func (w *Web) confirm(v *visit, letter addressView, code string) error {
	proven, err := w.Login.VerifyByCode(v.r.Context(), letter.Awaits, code, w.browser(v.r))
	switch {
	case err != nil:
		return err
	case proven.User.Subject != v.user.Subject: // somebody else signed in here meanwhile
		return login.ErrStale
	}
	return w.Login.Verify(v.r.Context(), proven, w.visitor(v.r))
}

func (w *Web) showAddressCode(v *visit) {
	if view, ok := w.awaiting(v, v.r.URL.Query().Get); ok {
		w.renderAddressCode(v, http.StatusOK, view)
	}
}

func (w *Web) renderAddressCode(v *visit, status int, view addressView) {
	view.Again = w.token(v, "email")
	w.show(v, as{status: status}, "account_email_code", page{Title: v.l.T("Check your mail"), Section: "email", D: view})
}

func (w *Web) postAddressCode(v *visit) {
	view, ok := w.awaiting(v, v.form.Get)
	if !ok {
		return
	}
	err := w.confirm(v, view, v.form.Get("otp"))
	var invalid *login.Invalid
	switch {
	case err == nil, errors.Is(err, login.ErrStale), errors.Is(err, oauth.ErrNotFound):
		w.forgetLetter(v.rw)
		words := ""
		if err == nil {
			words = w.happened(v, login.DidChangeEmail, login.DidVerifyEmail)
		}
		w.did(v, "/account/email", "", words)
	case errors.Is(err, login.ErrWrong):
		view.Problem = v.l.T("This code isn't right, or it has expired. After five tries you need a new one.")
		w.renderAddressCode(v, http.StatusUnprocessableEntity, view)
	case errors.As(err, &invalid):
		w.renderAddress(v, http.StatusConflict, "", v.l.T(invalid.Why, invalid.Args...))
	default:
		w.fail(v.rw, v.r, err)
	}
}
