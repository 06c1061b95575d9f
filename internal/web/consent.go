package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/oauth"
)

type consentView struct {
	App      *appView
	Action   string
	Form     string
	Who      whoView
	Switch   string // path of "not you?"
	Required []oauth.Scope
	Optional []oauth.Scope
	Granted  []oauth.Scope
	Host     string // where the browser goes
	Changed  bool   // something was different from what the person had seen
	Device   *oauth.DeviceView
}

// asked is what one consent page shows, read afresh for every request.
type asked struct {
	waiting

	session oauth.Session
	view    oauth.ConsentView
}

func (w *Web) showConsent(rw http.ResponseWriter, r *http.Request) {
	a, ok := w.asked(rw, r)
	if !ok {
		return
	}
	w.askConsent(rw, r, a, false)
}

// askConsent shows the page if consent still is what is needed, else follows
// the rules.
func (w *Web) askConsent(rw http.ResponseWriter, r *http.Request, a asked, changed bool) {
	st := oauth.Standing{Session: a.session, Selected: true}
	if w.resume(rw, r, a.waiting, st, oauth.StepConsent) {
		w.renderConsent(rw, r, a, changed)
	}
}

// asked reads the interaction, the session and what is being asked for.
func (w *Web) asked(rw http.ResponseWriter, r *http.Request) (asked, bool) {
	in, ok := w.interaction(rw, r)
	if !ok {
		return asked{}, false
	}
	session, err := w.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return asked{}, false
	}
	a := asked{waiting: in, session: session}
	if session.ID == "" {
		return a, true // the rules will ask for a sign-in
	}
	if a.view, err = w.OAuth.Describe(r.Context(), in.Interaction, session); err != nil {
		w.fail(rw, r, err)
		return asked{}, false
	}
	return a, true
}

// shown is what the form's token names: whose consent, to what, for which
// request.
func (a asked) shown() []string {
	shown := []string{a.Envelope, a.session.Subject, a.view.RedirectHost}
	if a.view.Device != nil {
		shown = append(shown, a.view.Device.UserCode, a.view.Device.Address)
	}
	for _, s := range a.view.Scopes {
		optional := "!"
		if s.Optional {
			optional = "?"
		}
		shown = append(shown, s.Name+optional+s.Title)
	}
	return shown
}

func (w *Web) renderConsent(rw http.ResponseWriter, r *http.Request, a asked, changed bool) {
	who, err := w.who(r, a.session.Subject)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	v := consentView{
		App: viewRequest(a.waiting), Who: who, Host: a.view.RedirectHost, Granted: a.view.Granted, Changed: changed, Device: a.view.Device,
		Action: pathWith("/consent", "i", a.Envelope), Switch: carry(r, "/login", "switch", "1"),
		Form: w.formToken(rw, r, a.session, "consent", a.shown()...),
	}
	l := w.speak(r)
	v.Granted = scopesIn(l, v.Granted)
	for _, s := range scopesIn(l, a.view.Scopes) {
		if s.Optional {
			v.Optional = append(v.Optional, s)
		} else {
			v.Required = append(v.Required, s)
		}
	}
	how := as{formAction: formClient(a.Request.RedirectURI)}
	if changed {
		how.status = http.StatusForbidden
	}
	w.render(rw, r, how, "consent", page{Title: l.T("Allow {0}?", a.Client.Name), D: v})
}

func (w *Web) postConsent(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r, "scope")
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	a, ok := w.asked(rw, r)
	if !ok {
		return
	}
	err := w.checkForm(r, form.Get("form"), a.session, "consent", a.shown()...)
	switch {
	case err == nil, errors.Is(err, errStale) && form.Get("decision") == "deny":
		w.decide(rw, r, a, form) // a no is a no, whatever has changed since it was asked
	case errors.Is(err, errStale):
		w.askConsent(rw, r, a, true)
	default:
		w.forbidden(rw, r)
	}
}

// decide records the answer. Anything but a clear yes is a no.
func (w *Web) decide(rw http.ResponseWriter, r *http.Request, a asked, form url.Values) {
	st := oauth.Standing{Session: a.session, Selected: true}
	if form.Get("decision") == "allow" {
		st.Agreed = agreed(a.view, form["scope"])
		w.resume(rw, r, a.waiting, st, "")
		return
	}
	reply, err := w.OAuth.Deny(r.Context(), a.Interaction, st)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.Reply(rw, r, reply)
}

// agreed is what was agreed before, all that can't be unticked, and what was
// ticked of the rest. A scope that wasn't shown can't be among them.
func agreed(view oauth.ConsentView, ticked []string) []string {
	names := []string{}
	for _, s := range view.Granted {
		names = append(names, s.Name)
	}
	for _, s := range view.Scopes {
		if !s.Optional || contains(ticked, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}
