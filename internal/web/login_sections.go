package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// sections lays out the sign-in page: the authenticators that are switched on,
// here and for this app, in their order.
func (w *Web) sections(r *http.Request, e entry, v *loginView) error {
	for _, a := range w.Login.Offered(1, waysOf(e)) {
		var err error
		switch {
		case a.Template != "" || a.Verify != nil:
			v.add(section{Kind: "link", ID: "way-" + a.Name, Title: a.Title, Path: carry(r, "/login/own/"+a.Name)})
		case a.Name == login.WayPassword:
			v.add(section{Kind: "password", Routes: w.routesHome()})
		case a.Name == login.WayPasskey && w.Login.TakesPasskeys():
			v.AskedTo = carry(r, "/login/passkey")
			v.Asked, err = w.Login.AskPasskey(w.browser(r))
			v.add(section{Kind: "passkey"})
		case a.Name == login.WayEmail && w.Login.Post.Enabled():
			v.add(section{Kind: "link", ID: "way-email", Title: w.speak(r).T("Email me a code"), Path: carry(r, "/login/email")})
		case a.Name == login.WayConnector:
			w.connectorSections(r, e, v)
		}
		if err != nil {
			return err
		}
	}
	for i := range v.Sections {
		v.Sections[i].Webauth = v.AskedTo != ""
	}
	return nil
}

func (v *loginView) add(s section) {
	s.Or = len(v.Sections) > 0 && (s.Kind == "password" || v.Sections[len(v.Sections)-1].Kind == "password")
	v.Sections = append(v.Sections, s)
}

func (w *Web) connectorSections(r *http.Request, e entry, v *loginView) {
	for _, c := range w.connectors(e) {
		v.add(section{Kind: "link", ID: "with-" + c.Name, Title: w.speak(r).T("Continue with {0}", c.Title), Path: carry(r, "/login/with/"+c.Name)})
	}
}

// connectors are the other providers that may be used here.
func (w *Web) connectors(e entry) []*upstream.Connector {
	if w.Others == nil {
		return nil
	}
	ways := waysOf(e)
	return slices.DeleteFunc(slices.Clone(w.Others.List()), func(c *upstream.Connector) bool {
		return ways != nil && !slices.Contains(ways, c.Name) && !slices.Contains(ways, login.WayConnector)
	})
}

// connector is one that may be used here, by its name; nil when it may not, or
// was switched off since.
func (w *Web) connector(e entry, name string) *upstream.Connector {
	if !w.Login.Offers(login.WayConnector, 1, nil) {
		return nil
	}
	for _, c := range w.connectors(e) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// homeOf is the provider to which addresses of a domain belong: home-realm
// discovery. It asks by the domain alone, so that it tells nothing of accounts.
func (w *Web) homeOf(e entry, name string) *upstream.Connector {
	if !strings.Contains(name, "@") {
		return nil
	}
	for _, c := range w.connectors(e) {
		if len(c.Domains) > 0 && login.InDomain(strings.TrimSpace(name), c.Domains) {
			return w.connector(e, c.Name)
		}
	}
	return nil
}

func (w *Web) routesHome() bool {
	return w.Others != nil && slices.ContainsFunc(w.Others.List(), func(c *upstream.Connector) bool { return len(c.Domains) > 0 })
}

// formAway is form-action for a sign-in page that no app asked for: its POST may
// end at the provider to which an address belongs, and browsers hold that against
// the page. A server on this machine may send people to another one here.
func (w *Web) formAway() string {
	switch {
	case !w.routesHome():
		return formSelf
	case w.secure:
		return "'self' https:"
	}
	return "'self' https: http://localhost:* http://127.0.0.1:*"
}

// elsewhere is the page of the provider that a request is for: named by idp_hint
// or by an acr value, by the domain of login_hint, or the only way there is.
// Nobody who comes from a page of ours is sent away again.
func (w *Web) elsewhere(r *http.Request, e entry, session oauth.Session) string {
	q := r.URL.Query()
	if !e.app || q.Get("switch") != "" || q.Get("stay") != "" {
		return ""
	}
	if c := w.connector(e, e.Request.ProviderHint); c != nil {
		return carry(r, "/login/with/"+c.Name)
	}
	for _, c := range w.connectors(e) {
		if slices.ContainsFunc(c.ACR, func(acr string) bool { return slices.Contains(e.Request.ACRValues, acr) }) {
			return carry(r, "/login/with/"+c.Name)
		}
	}
	if c := w.homeOf(e, e.Request.LoginHint); c != nil && session.ID == "" {
		return carry(r, "/login/with/"+c.Name, "login_hint", e.Request.LoginHint)
	}
	return ""
}
