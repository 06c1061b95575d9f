package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/oauth"
)

// waiting is an interaction that a page is about, with its envelope as it
// stands in the URL.
type waiting struct {
	*oauth.Interaction

	Envelope string
	Client   *oauth.Client
}

// interaction opens the envelope in the URL. It answers the request itself and
// returns false when there is none that can go on.
func (w *Web) interaction(rw http.ResponseWriter, r *http.Request) (waiting, bool) {
	envelope := r.URL.Query().Get("i")
	in, err := w.OAuth.OpenInteraction(r.Context(), envelope, w.browser(r))
	heard(r, in)
	if err != nil {
		w.interactionError(rw, r, envelope, in, err)
		return waiting{}, false
	}
	client, err := w.OAuth.InteractionClient(r.Context(), in)
	if err != nil {
		w.fail(rw, r, err)
		return waiting{}, false
	}
	return waiting{Interaction: in, Envelope: envelope, Client: client}, true
}

// interactionError offers the way back to the app from an expired page, and from
// one that was opened in a browser that doesn't know it (any more).
func (w *Web) interactionError(rw http.ResponseWriter, r *http.Request, envelope string, in *oauth.Interaction, err error) {
	e, l := asError(err), w.speak(r)
	view := explain(l, e)
	view.Code, view.Detail = e.Code, inDetail(l, e)
	if in == nil || !errors.Is(err, oauth.ErrEnded) {
		start, client := w.OAuth.StartOfClient(r.Context(), envelope)
		if e.Parameter != "i" || start == "" {
			w.fail(rw, r, err)
			return
		}
		view.Back, view.BackText = pathWith("/back", "i", envelope), l.T("Back to {0}", client.Name)
	} else if back, client := w.OAuth.BackToClient(r.Context(), in); back != "" {
		view.Back, view.BackText = pathWith("/back", "i", envelope), l.T("Back to {0}", client.Name)
	}
	w.showError(rw, r, statusOf(e), view)
}

// back leads from a page that can't go on to the app it came from. It is a
// page of its own so that no template has to trust an address.
func (w *Web) back(rw http.ResponseWriter, r *http.Request) {
	envelope := r.URL.Query().Get("i")
	in, err := w.OAuth.OpenInteraction(r.Context(), envelope, w.browser(r))
	var to string
	switch {
	case in == nil && asError(err).Parameter == "i":
		if to, _ = w.OAuth.StartOfClient(r.Context(), envelope); to == "" {
			w.fail(rw, r, err)
			return
		}
	case in == nil, err != nil && !errors.Is(err, oauth.ErrEnded):
		w.fail(rw, r, err)
		return
	default:
		to, _ = w.OAuth.BackToClient(r.Context(), in)
	}
	if to == "" {
		w.NotFound(rw, r)
		return
	}
	w.redirect(rw, r, to)
}

// resume goes on with an interaction and follows the answer, unless it asks
// for the very page that the browser is on: then it returns true.
func (w *Web) resume(rw http.ResponseWriter, r *http.Request, in waiting, st oauth.Standing, here string) bool {
	reply, err := w.OAuth.Resume(r.Context(), in.Interaction, st)
	if err != nil {
		w.fail(rw, r, err)
		return false
	}
	if ask, ok := reply.(*oauth.Ask); ok && ask.Step == here {
		return true
	}
	w.Reply(rw, r, reply)
	return false
}

// appView is an app as the sign-in pages show it.
type appView struct {
	Name, Logo, Homepage, Policy, Terms string
	Verified                            bool
	Description                         string
	Published                           string // the host of its metadata document, when its id is an address
	Goes                                string // the host that it is sent back to, when that is another
	Local                               bool   // that is the person's own machine
}

// viewApp leaves out whatever is no address that a person may follow.
func viewApp(c *oauth.Client) *appView {
	if c == nil {
		return nil
	}
	published := ""
	if c.Source == oauth.SourceDocument {
		published = hostname(c.ID)
	}
	return &appView{
		Published: published,
		Name:      c.Name, Logo: logoPath(c), Homepage: oauth.SafeLink(c.HomepageURI),
		Policy: oauth.SafeLink(c.PolicyURI), Terms: oauth.SafeLink(c.TermsURI),
		Verified: c.Verified || c.FirstParty, Description: c.Description,
	}
}

// viewRequest is viewApp with where its answer goes. Whoever publishes a
// document need not own the address that stands in it.
func viewRequest(in waiting) *appView {
	v := viewApp(in.Client)
	if v == nil || v.Published == "" {
		return v
	}
	to, host := destination(in.Request.RedirectURI)
	if to != v.Published {
		v.Goes, v.Local = to, oauth.IsLoopbackHost(host)
	}
	return v
}

// destination is what a person recognises of a redirect URI, and its host.
func destination(uri string) (shown, host string) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return "", ""
	case u.Host != "":
		return u.Host, u.Hostname()
	}
	return u.Scheme, ""
}

func logoPath(c *oauth.Client) string {
	if c.LogoID == "" {
		return ""
	}
	return "/logos/" + c.LogoID
}
