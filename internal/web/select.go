package web

import (
	"net/http"

	"github.com/valetkey/valetkey/oauth"
)

type selectView struct {
	App    *appView
	Action string
	Form   string
	Who    whoView
}

// showSelect asks which account to go on with: OpenID Connect Core §3.1.2.1,
// prompt=select_account.
func (w *Web) showSelect(rw http.ResponseWriter, r *http.Request) {
	in, ok := w.interaction(rw, r)
	if !ok {
		return
	}
	session, err := w.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if !w.resume(rw, r, in, oauth.Standing{Session: session}, oauth.StepSelect) {
		return
	}
	who, err := w.who(r, session.Subject)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.render(rw, r, as{formAction: formClient(in.Request.RedirectURI)}, "select", page{
		Title: w.speak(r).T("Choose an account for {0}", in.Client.Name),
		D: selectView{
			App: viewRequest(in), Action: pathWith("/select", "i", in.Envelope), Who: who,
			Form: w.formToken(rw, r, session, "select", in.Envelope),
		},
	})
}

func (w *Web) postSelect(rw http.ResponseWriter, r *http.Request) {
	form, bad := readForm(rw, r)
	if bad != nil {
		w.invalidForm(rw, r, bad)
		return
	}
	in, ok := w.interaction(rw, r)
	if !ok {
		return
	}
	session, err := w.Session(r)
	switch {
	case err != nil:
		w.fail(rw, r, err)
	case w.checkForm(r, form.Get("form"), session, "select", in.Envelope) != nil:
		w.forbidden(rw, r)
	case form.Get("decision") == "continue":
		w.resume(rw, r, in, oauth.Standing{Session: session, Selected: true}, "")
	default:
		w.redirect(rw, r, carry(r, "/login", "switch", "1"))
	}
}
