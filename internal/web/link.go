package web

import (
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// showLink asks whether an account of another provider is to be a way in to this
// one. Who isn't signed in signs in first: that is the proof that both accounts
// are one person's, and an address never is.
func (w *Web) showLink(rw http.ResponseWriter, r *http.Request) {
	e, offer, ok := w.offer(rw, r)
	if !ok {
		return
	}
	rec, err := w.record(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	l, title := w.speak(r), w.titleOf(offer.Connector)
	if rec.ID == "" {
		w.ask(rw, r, http.StatusOK, e, askView{
			Heading: l.T("Do you have an account here?"),
			Intro: []string{
				l.T("{0} says that you are {1}. No account here is linked to that yet.", title, offer.Label),
				l.T("If you have one, sign in to it as you did before. Then you can link the two and come in either way."),
			},
			Links: w.linkLinks(rw, r),
		})
		return
	}
	who, err := w.who(r, rec.Subject)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.ask(rw, r, http.StatusOK, e, askView{
		ID: "link-form", Heading: l.T("Link your account at {0}?", title),
		Intro:  []string{l.T("Then {0} at {1} can sign in to the account {2}.", offer.Label, title, who.Label())},
		Action: r.URL.RequestURI(), Form: w.formToken(rw, r, rec.Session, "link", r.URL.Query().Get("o")), Button: l.T("Link the accounts"),
		Links: []linkView{{"back", w.onward(e), l.T("Don't link")}},
	})
}

// linkLinks lead to the sign-in that comes back here, and to a new account.
func (w *Web) linkLinks(rw http.ResponseWriter, r *http.Request) []linkView {
	l := w.speak(r)
	to := w.forms.Seal([]byte(r.URL.RequestURI()), formBind(w.Browser(rw, r), "to"))
	links := []linkView{{"sign-in", pathWith("/login", "to", to), l.T("Sign in to your account")}}
	if w.Signup && !w.Login.Policy.Invite {
		links = append(links, linkView{"sign-up", pathWith("/signup", "to", to), l.T("Create an account")})
	}
	return append(links, linkView{"back", carry(r, "/login", "stay", "1"), l.T("Sign in another way")})
}

func (w *Web) offer(rw http.ResponseWriter, r *http.Request) (entry, login.Identity, bool) {
	e, ok := w.entry(rw, r)
	if !ok {
		return e, login.Identity{}, false
	}
	offer, err := w.Login.OpenOffer(r.URL.Query().Get("o"), w.browser(r))
	if err != nil {
		w.cameBackWrong(rw, r)
		return e, offer, false
	}
	return e, offer, true
}

// titleOf is what people know a connector by, or an authenticator of the operator's
// own.
func (w *Web) titleOf(name string) string {
	if w.Others != nil {
		for _, c := range w.Others.List() {
			if c.Name == name {
				return c.Title
			}
		}
	}
	for _, a := range w.Login.Chain {
		if a.Name == name && a.Title != "" {
			return a.Title
		}
	}
	return name
}

// onward is where a sign-in page would lead now.
func (w *Web) onward(e entry) string {
	if e.app {
		return pathWith("/login", "i", e.Envelope)
	}
	return e.to
}

func (w *Web) postLink(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	rec, err := w.record(r)
	switch {
	case err != nil:
		w.fail(rw, r, err)
		return
	case rec.ID == "" || w.checkForm(r, form.Get("form"), rec.Session, "link", r.URL.Query().Get("o")) != nil:
		w.forbidden(rw, r)
		return
	}
	e, offer, ok := w.offer(rw, r)
	if !ok {
		return
	}
	actor, err := w.Login.Fresh(r.Context(), rec, w.visitor(r))
	if errors.Is(err, login.ErrStale) {
		w.toLoginAgain(rw, r, r.URL.RequestURI())
		return
	}
	if err == nil {
		err = w.Login.Link(r.Context(), actor, r.URL.Query().Get("o"), w.browser(r))
	}
	l := w.speak(r)
	switch {
	case errors.Is(err, oauth.ErrConflict):
		w.ask(rw, r, http.StatusConflict, e, askView{
			Heading: l.T("This can't be linked"), Intro: []string{l.T("{0} at {1} is linked to another account here.", offer.Label, w.titleOf(offer.Connector))},
			Links: []linkView{{"back", w.onward(e), l.T("Continue")}},
		})
	case errors.Is(err, login.ErrStale):
		w.cameBackWrong(rw, r)
	case err != nil:
		w.fail(rw, r, err)
	case e.app:
		w.redirect(rw, r, w.onward(e))
	default:
		w.redirect(rw, r, "/account/security")
	}
}
