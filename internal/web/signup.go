package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/oauth"
)

type signupView struct {
	App      *appView
	Setup    bool
	Action   string
	Form     string
	Login    string
	Proven   bool // the address is asked for
	Username string
	Email    string
	Name     string
	Problem  string
	Errors   map[string]string // by field
}

func (w *Web) showSignup(rw http.ResponseWriter, r *http.Request) {
	email, ok := w.maySignUp(rw, r)
	if !ok {
		return
	}
	if e, ok := w.entry(rw, r); ok {
		w.renderSignup(rw, r, http.StatusOK, e, signupView{Email: email})
	}
}

// maySignUp says whether an account may be made here: by anybody, or by an
// invitation, whose address it answers.
func (w *Web) maySignUp(rw http.ResponseWriter, r *http.Request) (email string, ok bool) {
	token := r.URL.Query().Get("t")
	if token == "" {
		if !w.Signup || w.Login.Policy.Invite {
			w.NotFound(rw, r)
			return "", false
		}
		return "", true
	}
	email, err := w.Login.Invitation(r.Context(), token)
	switch {
	case errors.Is(err, login.ErrStale):
		l := w.speak(r)
		w.showError(rw, r, http.StatusGone, errorView{
			What: l.T("This invitation no longer works"), Why: l.T("It was used, or its time is over."), Do: l.T("Ask whoever invited you for a new one."),
			Code: "expired", Back: "/login", BackText: l.T("Sign in"),
		})
		return "", false
	case err != nil:
		w.fail(rw, r, err)
		return "", false
	}
	return email, true
}

func (w *Web) renderSignup(rw http.ResponseWriter, r *http.Request, status int, e entry, v signupView) {
	v.App, v.Action, v.Login = viewRequest(e.waiting), carry(r, "/signup", "t", invitation(r)), carry(r, "/login", "switch", "1")
	v.Form = w.formToken(rw, r, oauth.Session{}, "signup", r.URL.Query().Get("i"))
	v.Proven = invitation(r) == "" && (w.Login.Policy.Verify || len(w.Login.Policy.Domains) > 0)
	how := as{status: status}
	l := w.speak(r)
	title := l.T("Create an account")
	if e.app {
		how.formAction, title = formClient(e.Request.RedirectURI), l.T("Create an account to continue to {0}", e.Client.Name)
	}
	w.render(rw, r, how, "signup", page{Title: title, D: v})
}

// invitation is the token that a sign-up page was opened with; that of another
// page's link is none.
func invitation(r *http.Request) string {
	if r.URL.Path != "/signup" {
		return ""
	}
	return r.URL.Query().Get("t")
}

func (w *Web) postSignup(rw http.ResponseWriter, r *http.Request) {
	if _, ok := w.maySignUp(rw, r); !ok {
		return
	}
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	e, ok := w.entry(rw, r)
	if !ok {
		return
	}
	if w.checkForm(r, form.Get("form"), oauth.Session{}, "signup", r.URL.Query().Get("i")) != nil {
		w.forbidden(rw, r)
		return
	}
	made, err := w.Login.SignUp(r.Context(), newUser(form), login.Asked{
		Invitation: r.URL.Query().Get("t"), Browser: w.browser(r), Locale: w.speak(r).Tag, To: carry(r, "/login"),
	}, w.visitor(r))
	if err != nil {
		v, status, ok := signupRefused(rw, w.speak(r), form, err)
		if !ok {
			w.fail(rw, r, err)
			return
		}
		w.renderSignup(rw, r, status, e, v)
		return
	}
	if made.Await != "" {
		w.redirect(rw, r, carry(r, "/signup/confirm", "m", made.Await))
		return
	}
	if made.Letter != "" {
		w.setLetter(rw, r, made)
	}
	w.enter(rw, r, e, made.Evidence)
}

func newUser(form url.Values) login.NewUser {
	return login.NewUser{Username: form.Get("username"), Email: form.Get("email"), Name: form.Get("name"), Password: form.Get("password")}
}

// signupRefused says at each field what would be right; false for an error
// that no field can mend.
func signupRefused(rw http.ResponseWriter, l *locale.Locale, form url.Values, err error) (signupView, int, bool) {
	v := signupView{
		Username: cut(form.Get("username"), 256), Email: cut(form.Get("email"), 256), Name: cut(form.Get("name"), 256),
		Errors: map[string]string{},
	}
	status := http.StatusUnprocessableEntity
	var invalid *login.Invalid
	var slow *login.SlowDown
	switch {
	case errors.As(err, &invalid):
		v.Errors[invalid.Field] = l.T(invalid.Why, invalid.Args...)
	case errors.Is(err, login.ErrTaken):
		v.Errors["username"] = l.T("That username is taken.")
	case errors.As(err, &slow):
		status = http.StatusTooManyRequests
		rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		v.Problem = l.T("There were too many tries. Try again in {0}.", l.Wait(slow.RetryAfter))
	case errors.Is(err, mail.ErrOff):
		status, v.Problem = http.StatusServiceUnavailable, l.T("This server can't send mail. Ask its operator.")
	case errors.Is(err, login.ErrStale):
		status, v.Problem = http.StatusGone, l.T("This invitation no longer works")
	default:
		return v, 0, false
	}
	return v, status, true
}

// showSetup is the page of the one-time link for the first administrator. It is
// shown for a link that holds only: nobody types a password for nothing.
func (w *Web) showSetup(rw http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if err := w.Login.OpenSetup(r.Context(), token); err != nil {
		w.deadSetup(rw, r, err)
		return
	}
	w.renderSetup(rw, r, http.StatusOK, token, signupView{})
}

// deadSetup says why a link makes no administrator, and what leads on.
func (w *Web) deadSetup(rw http.ResponseWriter, r *http.Request, err error) {
	l := w.speak(r)
	switch {
	case errors.Is(err, oauth.ErrConflict):
		w.showError(rw, r, http.StatusNotFound, errorView{
			What: l.T("This server is set up already"), Why: l.T("It has an administrator, so its set-up link no longer works."), Do: l.T("Sign in instead."),
			Code: "not_found", Back: "/login", BackText: l.T("Sign in"),
		})
	case errors.Is(err, oauth.ErrNotFound), errors.Is(err, oauth.ErrEnded), errors.Is(err, oauth.ErrReplayed):
		w.showError(rw, r, http.StatusNotFound, errorView{
			What: l.T("This link no longer works"), Why: l.T("It is incomplete, or the server was started again since it was printed."),
			Do: l.T("Use the link that the server printed last. It prints a new one at its next start."), Code: "not_found",
		})
	default:
		w.fail(rw, r, err)
	}
}

func (w *Web) renderSetup(rw http.ResponseWriter, r *http.Request, status int, token string, v signupView) {
	v.Setup, v.Action = true, pathWith("/setup", "token", token)
	v.Form = w.formToken(rw, r, oauth.Session{}, "setup", token)
	w.render(rw, r, as{status: status}, "signup", page{Title: w.speak(r).T("Set up {0}", w.Name), D: v})
}

func (w *Web) postSetup(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	token := r.URL.Query().Get("token")
	if w.checkForm(r, form.Get("form"), oauth.Session{}, "setup", token) != nil {
		w.forbidden(rw, r)
		return
	}
	evidence, err := w.Login.Setup(r.Context(), token, newUser(form), w.Address(r))
	l := w.speak(r)
	switch v, status, fixable := signupRefused(rw, l, form, err); {
	case err == nil:
		w.enter(rw, r, entry{to: "/account"}, evidence)
	case fixable:
		w.renderSetup(rw, r, status, token, v)
	default:
		w.deadSetup(rw, r, err)
	}
}

// showSignupConfirm waits for the code of an account whose address is to be
// proven first; its link opens a page with a button.
func (w *Web) showSignupConfirm(rw http.ResponseWriter, r *http.Request) {
	e, ok := w.entry(rw, r)
	if !ok {
		return
	}
	w.renderSignupConfirm(rw, r, http.StatusOK, e, "")
}

func (w *Web) renderSignupConfirm(rw http.ResponseWriter, r *http.Request, status int, e entry, problem string) {
	l, q := w.speak(r), r.URL.Query()
	v := askView{ID: "otp-form", Action: r.URL.RequestURI(), Form: w.askToken(rw, r, "signup-confirm"), Problem: problem}
	if token := q.Get("t"); token != "" {
		at, err := w.Login.OpenSignUp(r.Context(), token, w.browser(r))
		if err != nil {
			w.deadLink(rw, r, "/signup")
			return
		}
		if !at.Here {
			w.ask(rw, r, http.StatusOK, entry{}, askView{Heading: l.T("Go back to where you began"), Intro: []string{
				l.T("You asked for this letter in another browser, or on another device. Type its code there, or open the link there."),
				l.T("If you didn't ask for it, close this page: no account is made by it."),
			}})
			return
		}
		v.Heading, v.Intro, v.Button = l.T("Confirm your address"), []string{l.T("Your account is made for {0}.", at.Email)}, l.T("Create account")
	} else {
		if w.Login.Awaits(login.LinkSignUp, q.Get("m"), w.browser(r)) != nil {
			w.redirect(rw, r, carry(r, "/signup"))
			return
		}
		v.Heading, v.Field, v.Button = l.T("Check your mail"), "code", l.T("Create account")
		v.Intro = []string{l.T("A letter with a code is on its way. Type the code here, or open the link in it.")}
		v.Links = []linkView{{"again", carry(r, "/signup"), l.T("Start again")}}
	}
	w.ask(rw, r, status, e, v)
}

func (w *Web) postSignupConfirm(rw http.ResponseWriter, r *http.Request) {
	e, form, ok := w.readAsk(rw, r, "signup-confirm")
	if !ok {
		return
	}
	q := r.URL.Query()
	page := r
	if token := q.Get("t"); token != "" {
		at, err := w.Login.OpenSignUp(r.Context(), token, w.browser(r))
		if err != nil {
			w.deadLink(rw, r, "/signup")
			return
		}
		if page, e, ok = w.askedFrom(rw, r, at.To); !ok {
			return
		}
	}
	evidence, err := w.Login.ConfirmSignUp(r.Context(), q.Get("m"), form.Get("otp"), q.Get("t"), w.browser(r))
	l := w.speak(r)
	var invalid *login.Invalid
	switch {
	case err == nil:
		w.enter(rw, page, e, evidence)
	case errors.Is(err, login.ErrWrong):
		w.renderSignupConfirm(rw, r, http.StatusUnauthorized, e, l.T("This code isn't right, or it has expired. After five tries you need a new one."))
	case errors.As(err, &invalid):
		w.renderSignup(rw, r, http.StatusConflict, e, signupView{Errors: map[string]string{invalid.Field: l.T(invalid.Why, invalid.Args...)}})
	case errors.Is(err, login.ErrStale):
		w.deadLink(rw, r, "/signup")
	default:
		w.fail(rw, r, err)
	}
}
