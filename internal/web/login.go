package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

type loginView struct {
	App      *appView
	Action   string
	Form     string
	Username string
	Focus    string // the field to start in
	Again    bool   // somebody is signed in and proves it once more
	Why      string // what a page of ours wants that for, "" for an app's request
	Back     string // path, where that page is
	Problem  string
	Signup   string // path, "" when it is off
	Forgot   string // path, "" when there is no mail
	Sections []section
	Asked    login.Challenge // for a passkey
	AskedTo  string          // where its answer goes
}

// section is one way in on the sign-in page.
type section struct {
	Kind    string // password, passkey or link
	ID      string
	Title   string // of a link
	Path    string
	Or      bool // another stands before it
	Routes  bool // an address of some domain leads elsewhere, without a password
	Webauth bool // the field of the name offers passkeys too
}

func (w *Web) showLogin(rw http.ResponseWriter, r *http.Request) {
	e, ok := w.entry(rw, r)
	if !ok {
		return
	}
	session, err := w.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if r.URL.Query().Get("switch") == "" && !w.needsLogin(rw, r, e, session) {
		return
	}
	if to := w.elsewhere(r, e, session); to != "" {
		w.redirect(rw, r, to)
		return
	}
	w.renderLogin(rw, r, http.StatusOK, e, loginView{Username: w.guessUsername(r, e, session)})
}

// needsLogin sends on whoever has nothing to do here, and says whether the
// form is to be shown.
func (w *Web) needsLogin(rw http.ResponseWriter, r *http.Request, e entry, session oauth.Session) bool {
	switch {
	case !e.app && session.ID != "" && r.URL.Query().Get("again") == "":
		w.redirect(rw, r, e.to)
		return false
	case !e.app:
		return true
	case w.Signup && slices.Contains(e.Request.Prompt, "create") && session.ID == "":
		w.redirect(rw, r, carry(r, "/signup"))
		return false
	}
	return w.resume(rw, r, e.waiting, oauth.Standing{Session: session, Selected: true}, oauth.StepLogin)
}

// guessUsername fills in what the app hinted, or who is to sign in again.
func (w *Web) guessUsername(r *http.Request, e entry, session oauth.Session) string {
	if e.app && e.Request.LoginHint != "" {
		return cut(e.Request.LoginHint, 256)
	}
	if session.ID == "" || r.URL.Query().Get("switch") != "" {
		return ""
	}
	user, err := w.Login.User(r.Context(), session.Subject)
	if err != nil {
		return "" // a convenience only
	}
	return user.Username
}

func (w *Web) renderLogin(rw http.ResponseWriter, r *http.Request, status int, e entry, v loginView) {
	v.App, v.Action, v.Focus = viewRequest(e.waiting), carry(r, "/login"), "username"
	v.Form = w.formToken(rw, r, oauth.Session{}, "login", r.URL.Query().Get("i"))
	if v.Username != "" {
		v.Focus = "password"
	}
	if w.Login.Post.Enabled() && w.Login.External == nil {
		v.Forgot = carry(r, "/forgot")
	}
	err := w.sections(r, e, &v)
	if err == nil {
		err = w.proving(r, e, &v)
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if w.Signup && !w.Login.Policy.Invite && v.Why == "" {
		v.Signup = carry(r, "/signup")
	}
	how := as{status: status, formAction: w.formAway()}
	l := w.speak(r)
	title := l.T("Sign in")
	switch {
	case e.app:
		how.formAction, title = formClient(e.Request.RedirectURI), l.T("Sign in to continue to {0}", e.Client.Name)
	case v.Why != "":
		title = l.T("Confirm that it is you")
	}
	w.render(rw, r, how, "login", page{Title: title, D: v})
}

// postLogin judges a username and password. The form is bound to the browser
// and not to its session: with two tabs, one may have signed in meanwhile.
func (w *Web) postLogin(rw http.ResponseWriter, r *http.Request) {
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
	if utf8.RuneCountInString(form.Get("password")) > maxPassword {
		w.renderLogin(rw, r, http.StatusBadRequest, e, loginView{Username: cut(form.Get("username"), 256), Problem: w.speak(r).T(wrongWords)})
		return
	}
	if c := w.homeOf(e, form.Get("username")); c != nil {
		w.redirect(rw, r, carry(r, "/login/with/"+c.Name, "login_hint", cut(form.Get("username"), 256)))
		return
	}
	if !w.Login.Offers(login.WayPassword, 1, waysOf(e)) {
		w.loginRefused(rw, r, e, form.Get("username"), login.ErrWrong)
		return
	}
	evidence, err := w.Login.ByPassword(r.Context(), login.Attempt{
		Username: form.Get("username"), Password: form.Get("password"),
		Address: w.Address(r), Device: w.device(r),
	})
	if err != nil {
		w.loginRefused(rw, r, e, form.Get("username"), err)
		return
	}
	w.enter(rw, r, e, evidence)
}

// wrongWords are the same for every reason, so that they tell nobody which
// names exist.
var wrongWords = locale.Key("The username or the password is wrong.")

// maxPassword is in characters; nothing longer can be a password of anybody's.
const maxPassword = 128

// loginRefused shows the form again and says why.
func (w *Web) loginRefused(rw http.ResponseWriter, r *http.Request, e entry, username string, err error) {
	v := loginView{Username: cut(username, 256)}
	status, l := http.StatusUnauthorized, w.speak(r)
	var slow *login.SlowDown
	switch {
	case errors.As(err, &slow):
		status = http.StatusTooManyRequests
		rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		v.Problem = l.T("There were too many tries. Try again in {0}.", l.Wait(slow.RetryAfter))
	case errors.Is(err, secret.ErrBusy):
		status = http.StatusServiceUnavailable
		rw.Header().Set("Retry-After", "5")
		v.Problem = l.T("Many people are signing in just now. Try again in a few seconds.")
	case errors.Is(err, login.ErrStale):
		v.Problem = l.T("That took too long. Sign in again.")
	case errors.Is(err, login.ErrWrong):
		v.Problem = l.T(wrongWords)
	default:
		w.fail(rw, r, err)
		return
	}
	w.renderLogin(rw, r, status, e, v)
}

func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}
