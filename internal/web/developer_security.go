package web

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/valetkey/valetkey/oauth"
)

// securityPage is a page of its own, so that an app that needs none of it is
// registered and changed without seeing it.
type securityPage struct {
	App      *appView
	ClientID string
	Type     string
	Token    string
	Form     *securityForm
	Now      string // the subject type that it has

	Profiles, Methods []choice
	Grants            []choice
	Given             []choice // what only an operator gives
	Ways              string   // the grants in a few words
	Algorithms        []algorithm
	Offered           []string // names of algorithms
	TLSKinds          []choice
	Certificates      bool // a client's certificate can reach us
}

func (w *Web) showSecurity(v *visit, c *oauth.Client) {
	w.renderSecurity(v, c, http.StatusOK, securityOf(c))
}

func (w *Web) renderSecurity(v *visit, c *oauth.Client, status int, form securityForm) {
	document, err := w.OAuth.Metadata(v.r.Context())
	if err != nil {
		w.fail(v.rw, v.r, err)
		return
	}
	first := form.First()
	w.show(v, as{status: status}, "developer_security", page{Title: v.l.T("Security of {0}", c.Name), Section: "apps", D: securityPage{
		App: viewApp(c), ClientID: c.ID, Type: string(c.Type), Token: w.token(v, "security"), Form: &form, Now: c.SubjectType,
		Profiles: withFocus(profileChoices(v.l, form.Profile, c), first == "profile"),
		Methods:  withFocus(methodChoices(v.l, w.offeredMethods(c), form.Method, c), first == "method"),
		Grants:   withFocus(grantChoices(v.l, form.Grants, c), first == "grant"), Given: givenGrants(v.l, c), Ways: waysInWords(v.l, c), TLSKinds: tlsChoices(v.l, form.TLSKind),
		Algorithms: algorithmsOf(v.l, &form), Offered: document.IDTokenAlgs, Certificates: w.takesCertificates() || c.BoundCertificate,
	}})
}

// offeredMethods are those that an app of this kind can use here, and the one
// that it uses. A public client's none is for programs that hide nothing.
func (w *Web) offeredMethods(c *oauth.Client) []string {
	var names []string
	for _, m := range w.OAuth.Methods {
		public := m.Name == oauth.AuthNone
		switch {
		case m.Name == c.AuthMethod:
		case m.Offered != nil && !m.Offered(w.OAuth),
			public && c.Type != oauth.TypeNative && c.Type != oauth.TypeSPA,
			!public && c.Type == oauth.TypeSPA:
			continue
		}
		names = append(names, m.Name)
	}
	return names
}

func (w *Web) takesCertificates() bool { return w.OAuth.MTLSURL != "" || w.OAuth.CertificateHeader }

// postSecurity saves the page. A method of another kind, and other subjects,
// make another client of the app for whoever holds its tokens: they end.
func (w *Web) postSecurity(v *visit, c *oauth.Client) {
	form := readSecurity(v.form)
	changed, err := w.judgeSecurity(v, &form, c)
	switch {
	case err != nil:
		w.fail(v.rw, v.r, err)
		return
	case changed == nil:
		w.renderSecurity(v, c, http.StatusUnprocessableEntity, form)
		return
	}
	text, err := w.saveSecurity(v, c, changed)
	switch {
	case err != nil:
		w.fail(v.rw, v.r, err)
	case text != "":
		w.showSecret(v, changed, text, secretGiven)
	default:
		w.redirect(v.rw, v.r, appPath(c.ID)+"?saved=1")
	}
}

// saveSecurity writes the changed app, with a secret when its method has come
// to need one, in one transaction. It returns the secret.
func (w *Web) saveSecurity(v *visit, old, changed *oauth.Client) (string, error) {
	ends := oauth.MustEnd(old, changed)
	switch {
	case !changed.UsesSecret() && !old.UsesSecret(),
		changed.UsesSecret() && old.UsesSecret() && (changed.AuthMethod != oauth.AuthSecretJWT || old.SecretKey != ""):
		return "", w.Store.UpdateClient(v.r.Context(), changed, ends)
	}
	text, err := w.OAuth.GiveSecret(changed) // none when it needs none: the old one opens nothing any more
	if err != nil {
		return "", err
	}
	return text, w.Store.ReplaceClient(v.r.Context(), changed, true, ends)
}

// judgeSecurity makes a client of the form, by the rules that every client
// passes. It is nil when the form is to be shown again with its errors.
func (w *Web) judgeSecurity(v *visit, form *securityForm, old *oauth.Client) (*oauth.Client, error) {
	switch {
	case form.Profile == "":
		form.fault("profile", v.l.T("Choose the rules that the app follows."))
	case !slices.Contains(w.offeredMethods(old), form.Method):
		form.fault("method", v.l.T("Choose one of these."))
	case privateKey.MatchString(form.JWKS):
		form.JWKS = "" // it isn't sent over the net once more
		form.fault("jwks", v.l.T(privateWords))
	case form.JWKS != "" && !json.Valid([]byte(form.JWKS)):
		form.fault("jwks", v.l.T("This is no JSON. A key set looks like {\"keys\": [ … ]}."))
	}
	m := old.Metadata
	form.into(&m, old)
	if len(m.GrantTypes) == 0 {
		form.fault("grant", v.l.T("Choose at least one."))
	}
	if len(form.Errors) > 0 {
		return nil, nil
	}
	client, bad := oauth.NewClient(old.ID, m, w.Issuer)
	if bad == nil {
		bad = w.judgeSector(v, client, old)
	}
	switch {
	case bad == nil:
		client.CopyStanding(old)
		return client, nil
	case bad.Code == oauth.CodeServerError || bad.Code == oauth.CodeTemporarilyUnavailable:
		return nil, bad
	}
	form.refused(v.l, bad)
	return nil, nil
}

// judgeSector has the sector's document read when it, or what it must list,
// has changed.
func (w *Web) judgeSector(v *visit, client, old *oauth.Client) *oauth.Error {
	if old != nil && client.SectorURI == old.SectorURI && slices.Equal(client.RedirectURIs, old.RedirectURIs) {
		return nil
	}
	if err := w.OAuth.CheckSector(v.r.Context(), client); err != nil {
		return oauth.AsError(err)
	}
	return nil
}
