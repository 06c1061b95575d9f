package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// enrolView sets up a second factor in the middle of a sign-in that needs one.
type enrolView struct {
	App     *appView
	Action  string
	Form    string
	TOTP    *totpView
	Making  *login.Challenge
	NotNow  bool
	Who     string
	Back    string
	Problem string
}

// totpView shows an authenticator app what it needs.
type totpView struct {
	Key, QR, Sealed, Problem, Name string
}

// viewTOTP seals what the QR code says into its address, for this browser alone.
func (w *Web) viewTOTP(r *http.Request, t login.TOTPEnrolment, problem string) *totpView {
	code := w.forms.Seal([]byte(t.URI), formBind(w.browser(r), "totp-qr"))
	return &totpView{Key: inFours(t.Key), QR: pathWith("/totp/qr", "s", code), Sealed: t.Sealed, Problem: problem}
}

// serveTOTPQR draws the code of an authenticator app that is being set up.
func (w *Web) serveTOTPQR(rw http.ResponseWriter, r *http.Request) {
	text, err := w.forms.Open(r.URL.Query().Get("s"), formBind(w.browser(r), "totp-qr"))
	if err != nil {
		w.NotFound(rw, r)
		return
	}
	w.serveQR(rw, r, string(text))
}

// inFours is a key as people read it aloud.
func inFours(key string) string {
	out := ""
	for i := 0; i < len(key); i += 4 {
		if i > 0 {
			out += " "
		}
		out += key[i:min(i+4, len(key))]
	}
	return out
}

// showEnrol is for who must have a second factor here, and has none yet: it is
// set up now, and no sign-in ends before a closed door.
func (w *Web) showEnrol(rw http.ResponseWriter, r *http.Request) {
	e, half, ok := w.halfway(rw, r, login.NextEnrol)
	if !ok || !w.stillEnrol(rw, r, e, half) {
		return
	}
	w.renderEnrol(rw, r, http.StatusOK, e, half, "", "")
}

// stillEnrol: who has a session must have proved it just now to add to it.
func (w *Web) stillEnrol(rw http.ResponseWriter, r *http.Request, e entry, half login.HalfDone) bool {
	if r.URL.Query().Get("h") != "" {
		return true
	}
	has, err := w.Login.SecondFactors(r.Context(), half.User.Subject, waysOf(e))
	switch {
	case err != nil:
		w.fail(rw, r, err)
		return false
	case has.Passkey || has.TOTP:
		w.redirect(rw, r, carry(r, "/factor"))
		return false
	case !w.isFresh(rw, r):
		return false
	}
	return w.stillFactor(rw, r, e)
}

// isFresh sends to a new sign-in whoever proved themselves too long ago, and
// back here.
func (w *Web) isFresh(rw http.ResponseWriter, r *http.Request) bool {
	rec, err := w.record(r)
	if err == nil {
		_, err = w.Login.Fresh(r.Context(), rec, w.visitor(r))
	}
	switch {
	case errors.Is(err, login.ErrStale), errors.Is(err, oauth.ErrNotFound):
		w.toLoginAgain(rw, r, r.URL.RequestURI())
		return false
	case err != nil:
		w.fail(rw, r, err)
		return false
	}
	return true
}

func (w *Web) renderEnrol(rw http.ResponseWriter, r *http.Request, status int, e entry, half login.HalfDone, sealed, problem string) {
	l := w.speak(r)
	v := enrolView{
		App: viewRequest(e.waiting), Action: carry(r, "/enrol", "h", r.URL.Query().Get("h")), NotNow: e.app, Problem: problem,
		Form: w.formToken(rw, r, oauth.Session{}, "enrol", half.User.Subject), Who: viewUser(half.User).Label(), Back: carry(r, "/login", "switch", "1"),
	}
	var err error
	if w.Login.Offers(login.WayTOTP, 2, waysOf(e)) {
		why := ""
		if sealed != "" { // it is of the code that was typed
			why, v.Problem = problem, ""
		}
		v.TOTP, err = w.beginTOTP(r, half.User, sealed, why)
	}
	if err == nil && w.Login.TakesPasskeys() && w.Login.Offers(login.WayPasskey, 2, waysOf(e)) {
		var making login.Challenge
		making, err = w.Login.MakePasskey(r.Context(), half.User, w.browser(r))
		v.Making = &making
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	how := as{status: status, secret: true}
	if e.app {
		how.formAction = formClient(e.Request.RedirectURI)
	}
	w.render(rw, r, how, "enrol", page{Title: l.T("Set up a second step"), D: v})
}

// beginTOTP shows the same key again after a code that was mistyped.
func (w *Web) beginTOTP(r *http.Request, user login.User, sealed, problem string) (*totpView, error) {
	if sealed != "" {
		if t, err := w.Login.ReopenTOTP(user, sealed); err == nil {
			return w.viewTOTP(r, t, problem), nil
		}
	}
	t, err := w.Login.NewTOTP(user)
	if err != nil {
		return nil, err
	}
	return w.viewTOTP(r, t, problem), nil
}

func (w *Web) postEnrol(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	e, half, ok := w.halfway(rw, r, login.NextEnrol)
	if !ok {
		return
	}
	if w.checkForm(r, form.Get("form"), oauth.Session{}, "enrol", half.User.Subject) != nil {
		w.forbidden(rw, r)
		return
	}
	if form.Get("decision") == "not-now" && e.app {
		w.unmet(rw, r, e)
		return
	}
	if !w.stillEnrol(rw, r, e, half) {
		return
	}
	var proof login.Proof
	var codes []string
	var err error
	if form.Get("answer") != "" {
		proof, codes, err = w.Login.EnrolPasskey(r.Context(), half, form.Get("asked"), form.Get("answer"), w.browser(r), "", w.visitor(r))
	} else {
		proof, codes, err = w.Login.EnrolTOTP(r.Context(), half, form.Get("sealed"), form.Get("otp"), "", w.visitor(r))
	}
	var invalid *login.Invalid
	switch {
	case errors.As(err, &invalid):
		w.renderEnrol(rw, r, http.StatusUnprocessableEntity, e, half, form.Get("sealed"), w.speak(r).T(invalid.Why, invalid.Args...))
	case errors.Is(err, oauth.ErrConflict):
		w.renderEnrol(rw, r, http.StatusConflict, e, half, "", w.speak(r).T("This passkey belongs to an account already."))
	case errors.Is(err, oauth.ErrEnded), errors.Is(err, oauth.ErrReplayed):
		w.redirect(rw, r, carry(r, "/login"))
	case errors.Is(err, login.ErrStale):
		w.renderEnrol(rw, r, http.StatusUnprocessableEntity, e, half, "", w.speak(r).T("That took too long. Try once more."))
	case err != nil:
		w.fail(rw, r, err)
	default:
		w.signInShowing(rw, r, e, proof, codes)
	}
}

// unmet tells the app that its user reaches less than it wants: OpenID Connect
// Core Error Code unmet_authentication_requirements.
func (w *Web) unmet(rw http.ResponseWriter, r *http.Request, e entry) {
	reply, err := w.OAuth.Unmet(r.Context(), e.Interaction)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.Reply(rw, r, reply)
}

// codesView shows recovery codes, once, and leads on.
type codesView struct {
	Codes []string
	Next  string
	To    string // whom the person goes on to
}

var codesTitle = locale.Key("Your recovery codes")

// signInShowing signs in, and shows recovery codes on the way where there are
// some.
func (w *Web) signInShowing(rw http.ResponseWriter, r *http.Request, e entry, proof login.Proof, codes []string) {
	if len(codes) == 0 {
		w.signIn(rw, r, e, proof)
		return
	}
	if _, ok := w.beginSession(rw, r, e, proof); !ok {
		return
	}
	v := codesView{Codes: codes, Next: e.to}
	how := as{secret: true}
	if e.app {
		v.Next, v.To, how.formAction = pathWith("/login", "i", e.Envelope), e.Client.Name, formClient(e.Request.RedirectURI)
	}
	w.render(rw, r, how, "codes", page{Title: w.speak(r).T(codesTitle), D: v})
}
