package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/oauth"
)

// askView is a card with one field and one button, and words around it: most
// ways back and ways in by mail are that.
type askView struct {
	App     *appView
	ID      string // of the form
	Heading string
	Intro   []string
	Action  string
	Form    string
	Field   string // username, code, password or "" for a button alone
	Value   string
	Button  string
	Problem string
	Hidden  string // sealed, goes back with the form
	Links   []linkView
	Note    string
	New     bool // the password is a new one
}

type linkView struct{ ID, Path, Text string }

// ask shows such a card.
func (w *Web) ask(rw http.ResponseWriter, r *http.Request, status int, e entry, v askView) {
	how := as{status: status}
	if e.app {
		v.App, how.formAction = viewRequest(e.waiting), formClient(e.Request.RedirectURI)
	}
	w.render(rw, r, how, "ask", page{Title: v.Heading, D: v})
}

// readAsk reads the form of a card of a purpose. It answers the request itself
// and returns false when it is none.
func (w *Web) readAsk(rw http.ResponseWriter, r *http.Request, purpose string) (entry, url.Values, bool) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return entry{}, nil, false
	}
	e, ok := w.entry(rw, r)
	if !ok {
		return e, nil, false
	}
	if w.checkForm(r, form.Get("form"), oauth.Session{}, purpose, r.URL.Query().Get("i")) != nil {
		w.forbidden(rw, r)
		return e, nil, false
	}
	return e, form, true
}

func (w *Web) askToken(rw http.ResponseWriter, r *http.Request, purpose string) string {
	return w.formToken(rw, r, oauth.Session{}, purpose, r.URL.Query().Get("i"))
}

// showEmail asks where a code may be sent.
func (w *Web) showEmail(rw http.ResponseWriter, r *http.Request) {
	if e, ok := w.emailEntry(rw, r); ok {
		w.renderEmail(rw, r, http.StatusOK, e, r.URL.Query().Get("login_hint"), "")
	}
}

func (w *Web) emailEntry(rw http.ResponseWriter, r *http.Request) (entry, bool) {
	e, ok := w.entry(rw, r)
	return e, ok && w.mails(rw, r, e)
}

// mails says whether people sign in by mail here; else it answers that there is
// no such page.
func (w *Web) mails(rw http.ResponseWriter, r *http.Request, e entry) bool {
	if w.Login.Post.Enabled() && w.Login.Offers(login.WayEmail, 1, waysOf(e)) {
		return true
	}
	w.NotFound(rw, r)
	return false
}

func (w *Web) renderEmail(rw http.ResponseWriter, r *http.Request, status int, e entry, name, problem string) {
	l := w.speak(r)
	w.ask(rw, r, status, e, askView{
		ID: "email-form", Heading: l.T("Sign in by email"), Intro: []string{l.T("We send a code to the address of your account, if you have confirmed it.")},
		Action: carry(r, "/login/email"), Form: w.askToken(rw, r, "email"), Field: "username", Value: cut(name, 256), Button: l.T("Send a code"),
		Problem: problem, Links: []linkView{{"back", carry(r, "/login", "stay", "1"), l.T("Sign in another way")}},
	})
}

func (w *Web) postEmail(rw http.ResponseWriter, r *http.Request) {
	e, form, ok := w.readAsk(rw, r, "email")
	if !ok || !w.mails(rw, r, e) {
		return
	}
	app, l := "", w.speak(r)
	if e.app {
		app = e.Client.Name
	}
	sealed, err := w.Login.MailCode(r.Context(), form.Get("username"), app, carry(r, "/login"), w.browser(r), l.Tag, w.visitor(r))
	switch problem, status, ok := w.mailRefused(rw, r, err); {
	case err == nil:
		w.redirect(rw, r, carry(r, "/login/email/code", "m", sealed))
	case ok:
		w.renderEmail(rw, r, status, e, form.Get("username"), problem)
	default:
		w.fail(rw, r, err)
	}
}

// mailRefused puts into words why no letter went out; false for a fault.
func (w *Web) mailRefused(rw http.ResponseWriter, r *http.Request, err error) (problem string, status int, ok bool) {
	l := w.speak(r)
	var slow *login.SlowDown
	var invalid *login.Invalid
	switch {
	case errors.As(err, &slow):
		rw.Header().Set("Retry-After", seconds(slow.RetryAfter))
		return l.T("Too many letters were asked for. Try again in {0}.", l.Wait(slow.RetryAfter)), http.StatusTooManyRequests, true
	case errors.As(err, &invalid):
		return l.T(invalid.Why, invalid.Args...), http.StatusUnprocessableEntity, true
	case errors.Is(err, mail.ErrOff):
		return l.T("This server can't send mail. Ask its operator."), http.StatusServiceUnavailable, true
	}
	return "", 0, false
}

// showEmailCode waits for the code, which may be read on another device.
func (w *Web) showEmailCode(rw http.ResponseWriter, r *http.Request) {
	e, ok := w.emailEntry(rw, r)
	if !ok {
		return
	}
	if w.Login.Awaits(login.LinkSignIn, r.URL.Query().Get("m"), w.browser(r)) != nil {
		w.redirect(rw, r, carry(r, "/login/email"))
		return
	}
	w.renderEmailCode(rw, r, http.StatusOK, e, "")
}

func (w *Web) renderEmailCode(rw http.ResponseWriter, r *http.Request, status int, e entry, problem string) {
	l := w.speak(r)
	w.ask(rw, r, status, e, askView{
		ID: "otp-form", Heading: l.T("Check your mail"),
		Intro:  []string{l.T("If there is an account with a confirmed address, a letter is on its way. Type its code here, or open its link in this browser.")},
		Action: carry(r, "/login/email/code", "m", r.URL.Query().Get("m")), Form: w.askToken(rw, r, "email-code"), Field: "code", Button: l.T("Continue"), Problem: problem,
		Links: []linkView{{"again", carry(r, "/login/email"), l.T("Send another code")}, {"back", carry(r, "/login", "stay", "1"), l.T("Sign in another way")}},
	})
}

func (w *Web) postEmailCode(rw http.ResponseWriter, r *http.Request) {
	e, form, ok := w.readAsk(rw, r, "email-code")
	if !ok || !w.mails(rw, r, e) {
		return
	}
	evidence, err := w.Login.ByMailCode(r.Context(), r.URL.Query().Get("m"), form.Get("otp"), w.browser(r))
	switch {
	case err == nil:
		w.enter(rw, r, e, evidence)
	case errors.Is(err, login.ErrWrong):
		w.renderEmailCode(rw, r, http.StatusUnauthorized, e, w.speak(r).T("This code isn't right, or it has expired. After five tries you need a new one."))
	case errors.Is(err, login.ErrStale):
		w.redirect(rw, r, carry(r, "/login/email"))
	default:
		w.fail(rw, r, err)
	}
}

// showEmailLink is what the link in a letter opens: a page with a button, since
// whatever scans mail opens links too.
func (w *Web) showEmailLink(rw http.ResponseWriter, r *http.Request) {
	m, err := w.Login.OpenMailLink(r.Context(), r.URL.Query().Get("t"), w.browser(r))
	l := w.speak(r)
	switch {
	case errors.Is(err, login.ErrStale):
		w.deadLink(rw, r, "/login/email")
	case err != nil:
		w.fail(rw, r, err)
	case !m.Here:
		w.ask(rw, r, http.StatusOK, entry{}, askView{
			Heading: l.T("Go back to where you began"),
			Intro:   []string{l.T("You asked for this letter in another browser, or on another device. Type its code there, or open the link there."), l.T("If you didn't ask for it, close this page: nobody is signed in by it.")},
		})
	default:
		_, e, ok := w.askedFrom(rw, r, m.To)
		if !ok {
			return
		}
		w.ask(rw, r, http.StatusOK, e, askView{ // its POST may end at the app, which form-action has to let through
			ID: "email-link-form", Heading: l.T("Sign in as {0}", viewUser(m.User).Label()), Action: r.URL.RequestURI(), Form: w.askToken(rw, r, "email-link"), Button: l.T("Sign in"),
		})
	}
}

// askedFrom is the sign-in page that a letter was asked for from, as a request,
// and where it leads.
func (w *Web) askedFrom(rw http.ResponseWriter, r *http.Request, asked string) (*http.Request, entry, bool) {
	to, err := url.Parse(asked)
	if err != nil || !isLocal(asked) {
		to = &url.URL{Path: "/login"}
	}
	page := r.Clone(r.Context())
	page.URL = to
	e, ok := w.entry(rw, page)
	return page, e, ok
}

func (w *Web) postEmailLink(rw http.ResponseWriter, r *http.Request) {
	if _, _, ok := w.readAsk(rw, r, "email-link"); !ok {
		return
	}
	m, err := w.Login.OpenMailLink(r.Context(), r.URL.Query().Get("t"), w.browser(r))
	var evidence login.Evidence
	if err == nil {
		evidence, err = w.Login.ByMailLink(r.Context(), m)
	}
	switch {
	case errors.Is(err, login.ErrStale):
		w.deadLink(rw, r, "/login/email")
		return
	case err != nil:
		w.fail(rw, r, err)
		return
	}
	if page, e, ok := w.askedFrom(rw, r, m.To); ok {
		w.enter(rw, page, e, evidence)
	}
}

// deadLink says that a link works no more, and where to get another.
func (w *Web) deadLink(rw http.ResponseWriter, r *http.Request, again string) {
	l := w.speak(r)
	w.showError(rw, r, http.StatusGone, errorView{
		What: l.T("This link no longer works"), Why: l.T("It was used, a newer one was sent, its time is over, or your account has changed since."),
		Do: l.T("Ask for a new one."), Code: "expired", Back: again, BackText: l.T("Ask for a new one"),
	})
}
