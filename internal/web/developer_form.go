package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// appForm is the form of an app as it was filled in.
type appForm struct {
	Name, Description, Homepage, Audience, Type, Policy, Terms string
	Callbacks, SignedOut                                       string // one address a line
	Scopes                                                     []string
	Device                                                     bool // it has no callback address: people enter a code elsewhere

	Offered []scopeChoice
	Errors  map[string]string
	Edit    bool
	Action  string
	Submit  string
	Token   string

	logo       []byte // a PNG of ours
	removeLogo bool
	HasLogo    bool
	logoStatus int // why the upload was refused

	OfferDevice bool   // to say that it needs no callback address
	Pairwise    string // the host for which people have subjects of their own
}

type scopeChoice struct {
	oauth.Scope

	Ticked bool
	Fixed  bool // given by the operator; the developer can only drop it
}

// status is what an answer with the form shown again has.
func (f appForm) status() int {
	switch {
	case len(f.Errors) == 0:
		return http.StatusOK
	case f.logoStatus != 0:
		return f.logoStatus
	}
	return http.StatusUnprocessableEntity
}

// First is the first field of the form that is wrong.
func (f appForm) First() string {
	return firstWrong([]string{"name", "description", "homepage", "type", "callbacks", "signed_out", "scope", "logo", "policy", "terms"}, f.Errors)
}

// formOf fills the form from a registered app.
func formOf(c *oauth.Client) appForm {
	scopes := strings.Fields(c.Scope)
	return appForm{
		Name: c.Name, Description: c.Description, Homepage: c.HomepageURI, Audience: c.Audience, Type: string(c.Type),
		Policy: c.PolicyURI, Terms: c.TermsURI, Callbacks: strings.Join(c.RedirectURIs, "\n"),
		SignedOut: strings.Join(c.PostLogoutRedirectURIs, "\n"), Scopes: scopes, HasLogo: c.LogoID != "", Edit: true,
	}
}

// pairwiseHost is the host that the app's subjects hang off, "" when nothing
// hangs off its callback addresses.
func pairwiseHost(c *oauth.Client) string {
	if c.SubjectType != "pairwise" || c.SectorURI != "" || len(c.RedirectURIs) == 0 {
		return ""
	}
	return hostname(c.RedirectURIs[0])
}

// formFields are the fields of a form by the names of the metadata that they
// become, so that a rule's refusal stands beside the right field.
var formFields = map[string]string{
	"client_name": "name", "description": "description", "client_uri": "homepage", "policy_uri": "policy", "tos_uri": "terms",
	"redirect_uris": "callbacks", "post_logout_redirect_uris": "signed_out", "scope": "scope", "client_type": "type", "logo_uri": "logo",
	"frontchannel_logout_uri": "callbacks", "sector_identifier_uri": "callbacks", // what hangs off them stands on the security page
}

// judgeApp makes a client of a form, by the rules that every client passes.
// The client is nil when the form is to be shown again with its errors.
func (w *Web) judgeApp(v *visit, form appForm, old *oauth.Client) (*oauth.Client, appForm, error) {
	catalog, err := w.Store.Catalog(v.r.Context())
	if err != nil {
		return nil, form, err
	}
	var m oauth.Metadata
	id := secret.NewID()
	if old != nil {
		m, id, form.HasLogo = old.Metadata, old.ID, old.LogoID != ""
	}
	form.into(&m)
	if !mayRegister(form.Scopes, catalog, old) {
		form.fault("scope", v.l.T("One of these permissions can't be had here. Ask the operator for it."))
	}
	if form.Type == "" {
		form.fault("type", v.l.T("Choose what kind of program it is."))
	}
	if len(form.Errors) > 0 {
		return nil, form, nil
	}
	client, bad := oauth.NewClient(id, m, w.Issuer)
	if bad == nil {
		bad = w.judgeSector(v, client, old)
	}
	switch {
	case bad == nil:
	case bad.Code == oauth.CodeServerError || bad.Code == oauth.CodeTemporarilyUnavailable:
		return nil, form, bad
	default:
		form.OfferDevice = old == nil && m.Type == oauth.TypeNative && len(m.RedirectURIs) == 0
		form.fault(formFields[bad.Parameter], w.inAddressWords(v.l, m, bad))
		return nil, form, nil
	}
	if old != nil {
		client.CopyStanding(old)
		client.Verified = old.Verified && sameFace(client, old) && form.logo == nil && !form.removeLogo
	}
	return client, form, nil
}

// into writes the form's fields over metadata; what the form doesn't have
// stays as it was.
func (f appForm) into(m *oauth.Metadata) {
	m.Name, m.Description, m.HomepageURI, m.Audience = f.Name, f.Description, f.Homepage, f.Audience
	m.PolicyURI, m.TermsURI, m.Type = f.Policy, f.Terms, oauth.ClientType(f.Type)
	m.RedirectURIs, m.PostLogoutRedirectURIs = lines(f.Callbacks), lines(f.SignedOut)
	m.Scope = strings.Join(f.Scopes, " ")
	if f.Device && !f.Edit && m.Type == oauth.TypeNative && len(m.RedirectURIs) == 0 {
		m.GrantTypes = []string{oauth.GrantDeviceCode, oauth.GrantRefreshToken}
	}
}

func (f *appForm) fault(field, why string) {
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	if field == "" {
		field = "form"
	}
	if f.Errors[field] == "" {
		f.Errors[field] = why
	}
}

// inFormWords are a rule's words, without the names that only the protocol
// knows.
func inFormWords(l *locale.Locale, e *oauth.Error) string {
	switch e.Description {
	case "client_name is missing":
		return l.T("Give the app a name.")
	case "client_name is longer than 64 characters":
		return l.T("Use at most 64 characters.")
	case "redirect_uris is missing":
		return l.T("Enter at least one callback address.")
	case "frontchannel_logout_uri must be on the scheme, host and port of a redirect URI":
		return l.T("The app's front-channel logout page is on none of these hosts. Change it on the security page first.")
	case "redirect URIs on several hosts need a sector_identifier_uri for pairwise subjects":
		return l.T("People have subjects of their own for this app, so its addresses are on one host, or the security page says which hosts belong together.")
	case "sector_identifier_uri does not list every redirect URI":
		return l.T("The list of hosts that belong together, on the security page, lacks one of these addresses.")
	case "more than 50 redirect URIs":
		return l.T("Enter at most 50 addresses.")
	case "profile fapi2 takes https redirect URIs":
		return l.T("FAPI 2.0 takes addresses that begin with https://.")
	}
	words := strings.NewReplacer(
		"redirect URI", "a callback address", "client_uri", "the address", "policy_uri", "the address", "tos_uri", "the address",
	).Replace(e.Description)
	return foreign(l, words)
}

// inAddressWords is inFormWords with the address that is meant, which may be one
// of many lines. What is no address at all hears that first.
func (w *Web) inAddressWords(l *locale.Locale, m oauth.Metadata, e *oauth.Error) string {
	words := inFormWords(l, e)
	for _, text := range map[string][]string{"redirect_uris": m.RedirectURIs, "post_logout_redirect_uris": m.PostLogoutRedirectURIs}[e.Parameter] {
		if _, bad := oauth.ParseRedirectURI(text, m.Type, w.Issuer); bad == nil || bad.Description != e.Description {
			continue
		}
		u, err := url.Parse(text)
		shown := cut(text, 200)
		if whole := err == nil && u.IsAbs() && m.Type == oauth.TypeNative; !whole && !strings.Contains(text, "://") {
			return l.T("“{0}” isn't an address. Write all of it, such as {1}.", shown, "https://app.example/callback")
		}
		return l.T("“{0}” can't be used. {1}", shown, words)
	}
	return words
}

// mayRegister says whether a developer may register these scopes: those open
// to every app, and those that an operator gave to this one.
func mayRegister(names []string, catalog *oauth.Catalog, old *oauth.Client) bool {
	for _, name := range names {
		scope, declared := catalog.Scopes[name]
		given := old != nil && slices.Contains(strings.Fields(old.Scope), name)
		if !given && (!declared || scope.Restricted) {
			return false
		}
	}
	return true
}

// sameFace says whether people see the same app as before.
func sameFace(a, b *oauth.Client) bool {
	return a.Name == b.Name && a.HomepageURI == b.HomepageURI && a.Description == b.Description
}

// offerScopes lists what may be ticked.
func (w *Web) offerScopes(v *visit, form appForm, c *oauth.Client) (appForm, error) {
	catalog, err := w.Store.Catalog(v.r.Context())
	if err != nil {
		return form, err
	}
	var given []string
	if c != nil {
		given = strings.Fields(c.Scope)
	}
	for name, scope := range catalog.Scopes {
		if scope.Restricted && !slices.Contains(given, name) {
			continue
		}
		form.Offered = append(form.Offered, scopeChoice{Scope: scopeIn(v.l, scope), Ticked: slices.Contains(form.Scopes, name), Fixed: scope.Restricted})
	}
	slices.SortFunc(form.Offered, func(a, b scopeChoice) int {
		if a.Builtin != b.Builtin {
			if a.Builtin {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return form, nil
}

// lines are the non-empty ones of a text area.
func lines(text string) []string {
	var out []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r", "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" && !contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}
