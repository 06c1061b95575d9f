package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// pageOf is the page that asks a step; an embedder's own has the step's name.
var pageOf = map[string]string{oauth.StepSelect: "select", oauth.StepLogin: "login", oauth.StepFactor: "factor", oauth.StepConsent: "consent"}

// Reply sends the browser where the rules say.
func (w *Web) Reply(rw http.ResponseWriter, r *http.Request, reply oauth.Reply) {
	switch reply := reply.(type) {
	case *oauth.Ask:
		w.askStep(rw, r, reply)
	case *oauth.Response:
		w.respond(rw, r, reply)
	case *oauth.DeviceDone:
		w.deviceDone(rw, r, reply)
	}
}

func (w *Web) askStep(rw http.ResponseWriter, r *http.Request, ask *oauth.Ask) {
	if w.answered(rw, r, ask) {
		return
	}
	sealed, err := w.OAuth.SealInteraction(ask.Interaction, w.Browser(rw, r))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	name := pageOf[ask.Step]
	if name == "" {
		name = ask.Step
	}
	w.redirect(rw, r, pathWith("/"+url.PathEscape(name), "i", sealed))
}

// respond gives the client its answer. A private scheme can't take a POST, so
// its answer is always a redirect.
func (w *Web) respond(rw http.ResponseWriter, r *http.Request, resp *oauth.Response) {
	if resp.Mode == "form_post" && strings.HasPrefix(resp.RedirectURI, "http") {
		w.render(rw, r, as{formAction: formClient(resp.RedirectURI), secret: true}, "form_post", page{
			Title: w.speak(r).T("Continue to {0}", resp.Client.Name), D: resp,
		})
		return
	}
	w.redirect(rw, r, resp.Location())
}

// pathWith is a path of ours with one parameter, left out when empty.
func pathWith(path, name, value string) string {
	if value == "" {
		return path
	}
	return path + "?" + url.Values{name: {value}}.Encode()
}
