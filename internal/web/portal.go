package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// whoView is a person as pages name them.
type whoView struct{ Name, Username, Email string }

// Label is what a person recognises first.
func (v whoView) Label() string {
	if v.Email != "" {
		return v.Email
	}
	return v.Username
}

func viewUser(u login.User) whoView {
	return whoView{Name: u.Name, Username: u.Username, Email: u.Email}
}

func (w *Web) who(r *http.Request, subject string) (whoView, error) {
	u, err := w.Login.User(r.Context(), subject)
	return viewUser(u), err
}

// visit is a signed-in person's request to a page of the frame.
type visit struct {
	rw   http.ResponseWriter
	r    *http.Request
	rec  login.Record
	user login.User
	l    *locale.Locale
	form url.Values // of a POST whose token held
}

// signedIn opens a page to whoever is signed in; others sign in first.
func (w *Web) signedIn(show func(*visit)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if v, ok := w.visit(rw, r); ok {
			show(v)
		}
	}
}

func (w *Web) visit(rw http.ResponseWriter, r *http.Request) (*visit, bool) {
	rec, err := w.record(r)
	if err != nil {
		w.fail(rw, r, err)
		return nil, false
	}
	if rec.ID == "" {
		w.toLogin(rw, r)
		return nil, false
	}
	user, err := w.Login.User(r.Context(), rec.Subject)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		w.toLogin(rw, r)
		return nil, false
	case err != nil:
		w.fail(rw, r, err)
		return nil, false
	}
	if rec.Demand == oauth.TwoFactors && rec.ACR != oauth.TwoFactors { // the operator has come to ask for two since
		at := "/account"
		if r.Method == http.MethodGet {
			at = r.URL.RequestURI()
		}
		w.redirect(rw, r, pathWith("/factor", "to", w.forms.Seal([]byte(at), formBind(w.Browser(rw, r), "to"))))
		return nil, false
	}
	return &visit{rw: rw, r: r, rec: rec, user: user, l: w.speak(r)}, true
}

// toLogin remembers, sealed, the page that a GET asked for.
func (w *Web) toLogin(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.redirect(rw, r, "/login")
		return
	}
	to := w.forms.Seal([]byte(r.URL.EscapedPath()), formBind(w.Browser(rw, r), "to"))
	w.redirect(rw, r, pathWith("/login", "to", to))
}

// toLoginAgain has somebody who is signed in prove it once more, and come back to
// a page of ours.
func (w *Web) toLoginAgain(rw http.ResponseWriter, r *http.Request, at string) {
	to := w.forms.Seal([]byte(at), formBind(w.Browser(rw, r), "to"))
	w.redirect(rw, r, "/login?"+url.Values{"to": {to}, "again": {"1"}}.Encode())
}

// posted is signedIn for a form: its token must name this session, the
// purpose, and the thing in the path that the form was about.
func (w *Web) posted(purpose string, act func(*visit), repeatable ...string) http.HandlerFunc {
	return w.signedIn(func(v *visit) {
		form, bad := readForm(v.rw, v.r, repeatable...)
		if bad != nil {
			w.invalidForm(v.rw, v.r, bad)
			return
		}
		v.form = form
		if w.checkForm(v.r, form.Get("form"), v.rec.Session, purpose, v.r.PathValue("id")) != nil {
			w.forbidden(v.rw, v.r)
			return
		}
		act(v)
	})
}

// token is for a form that posted will judge.
func (w *Web) token(v *visit, purpose string) string {
	return w.tokenFor(v, purpose, v.r.PathValue("id"))
}

func (w *Web) tokenFor(v *visit, purpose, id string) string {
	return w.formToken(v.rw, v.r, v.rec.Session, purpose, id)
}

// show renders a page of the frame.
func (w *Web) show(v *visit, how as, name string, p page) {
	p.Who = viewUser(v.user).Label()
	p.Out = w.formToken(v.rw, v.r, v.rec.Session, "logout")
	if how.formAction == "" {
		how.formAction = formSelf
	}
	w.render(v.rw, v.r, how, name, p)
}

// sentence makes a rule's words fit to stand on a page.
func sentence(s string) string {
	if word, _, _ := strings.Cut(s, " "); s == "" || strings.Contains(word, "_") { // a parameter keeps its name
		return closed(s)
	}
	first, n := utf8.DecodeRuneInString(s)
	return closed(string(unicode.ToUpper(first)) + s[n:])
}

// closed ends a sentence.
func closed(s string) string {
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}
