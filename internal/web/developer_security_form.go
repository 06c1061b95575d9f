package web

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// securityForm is the form of the security page as it was filled in.
type securityForm struct {
	Profile, Method   string
	TLSKind, TLSName  string
	JWKS, JWKSURI     string
	DPoP, Certificate bool
	Pushed, Signed    bool
	RequestURIs       string // one address a line
	Grants            []string
	Subject, Sector   string
	Backchannel       string
	Frontchannel      string
	Initiate          string
	Algs              map[string]string // by field
	Errors            map[string]string
	Reopened          bool // shown again with what was wrong
}

// ownGrants are the grant types that a developer may give an app. The others
// act without a person and are an operator's to give: RFC 9700 §4.15.
var ownGrants = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken, oauth.GrantDeviceCode}

// algFields are the fields of algorithms and the metadata that they become.
var algFields = []struct {
	field, metadata string
	at              func(*oauth.Metadata) *string
}{
	{"alg_id_token", "id_token_signed_response_alg", func(m *oauth.Metadata) *string { return &m.IDTokenAlg }},
	{"alg_userinfo", "userinfo_signed_response_alg", func(m *oauth.Metadata) *string { return &m.UserInfoAlg }},
	{"alg_introspection", "introspection_signed_response_alg", func(m *oauth.Metadata) *string { return &m.IntrospectionAlg }},
	{"alg_response", "authorization_signed_response_alg", func(m *oauth.Metadata) *string { return &m.ResponseAlg }},
	{"alg_request", "request_object_signing_alg", func(m *oauth.Metadata) *string { return &m.RequestAlg }},
	{"alg_auth", "token_endpoint_auth_signing_alg", func(m *oauth.Metadata) *string { return &m.AuthAlg }},
}

// tlsNames are the names of a certificate that an app may register, one of
// them: RFC 8705 §2.1.2.
var tlsNames = []struct {
	kind, words string
	at          func(*oauth.Metadata) *string
}{
	{"dn", locale.Key("Subject|of a certificate"), func(m *oauth.Metadata) *string { return &m.TLSDN }},
	{"dns", locale.Key("DNS name"), func(m *oauth.Metadata) *string { return &m.TLSDNS }},
	{"uri", locale.Key("URI"), func(m *oauth.Metadata) *string { return &m.TLSURI }},
	{"ip", locale.Key("IP address"), func(m *oauth.Metadata) *string { return &m.TLSIP }},
	{"email", locale.Key("Email address"), func(m *oauth.Metadata) *string { return &m.TLSEmail }},
}

// securityOf fills the form from a registered app.
func securityOf(c *oauth.Client) securityForm {
	m := c.Metadata
	form := securityForm{
		Profile: string(c.Profile), Method: c.AuthMethod, TLSKind: "dn", JWKS: indented(c.JWKS), JWKSURI: c.JWKSURI,
		DPoP: c.BoundDPoP, Certificate: c.BoundCertificate, Pushed: c.RequirePushed, Signed: c.RequireSignedRequest,
		RequestURIs: strings.Join(c.RequestURIs, "\n"), Grants: c.GrantTypes, Subject: c.SubjectType, Sector: c.SectorURI,
		Backchannel: c.BackchannelURI, Frontchannel: c.FrontchannelURI, Initiate: c.InitiateLoginURI, Algs: map[string]string{},
	}
	for _, f := range algFields {
		form.Algs[f.field] = *f.at(&m)
	}
	for _, n := range tlsNames {
		if name := *n.at(&m); name != "" {
			form.TLSKind, form.TLSName = n.kind, name
		}
	}
	return form
}

// readSecurity takes the form from a POST.
func readSecurity(fields url.Values) securityForm {
	get := func(name string) string { return strings.TrimSpace(fields.Get(name)) }
	form := securityForm{
		Profile: get("profile"), Method: get("method"), TLSKind: get("tls_kind"), TLSName: get("tls_name"),
		JWKS: get("jwks"), JWKSURI: get("jwks_uri"), DPoP: get("dpop") != "", Certificate: get("certificate") != "",
		Pushed: get("pushed") != "", Signed: get("signed") != "", RequestURIs: get("request_uris"), Grants: fields["grant"],
		Subject: get("subject"), Sector: get("sector"), Backchannel: get("backchannel"), Frontchannel: get("frontchannel"),
		Initiate: get("initiate"), Algs: map[string]string{}, Reopened: true,
	}
	for _, f := range algFields {
		form.Algs[f.field] = get(f.field)
	}
	return form
}

// into writes the form's fields over metadata; what the form doesn't have
// stays as it was.
func (f *securityForm) into(m *oauth.Metadata, old *oauth.Client) {
	m.Profile, m.AuthMethod, m.JWKSURI = oauth.Profile(f.Profile), f.Method, f.JWKSURI
	m.JWKS = compacted(f.JWKS)
	m.BoundDPoP, m.BoundCertificate, m.RequirePushed, m.RequireSignedRequest = f.DPoP, f.Certificate, f.Pushed, f.Signed
	m.RequestURIs, m.SubjectType, m.SectorURI = lines(f.RequestURIs), f.Subject, f.Sector
	m.BackchannelURI, m.FrontchannelURI, m.InitiateLoginURI = f.Backchannel, f.Frontchannel, f.Initiate
	for _, alg := range algFields {
		*alg.at(m) = f.Algs[alg.field]
	}
	if f.Method != oauth.AuthPrivateJWT {
		m.AuthAlg = "" // of a method that the app no longer uses
	}
	for _, n := range tlsNames {
		if *n.at(m) = ""; f.Method == oauth.AuthTLS && n.kind == f.TLSKind {
			*n.at(m) = f.TLSName
		}
	}
	f.intoGrants(m, old)
}

// intoGrants adds what was ticked to what an operator gave. A service has no
// person who could sign in, so it has nothing to tick.
func (f *securityForm) intoGrants(m *oauth.Metadata, old *oauth.Client) {
	if old.Type == oauth.TypeService {
		return
	}
	m.GrantTypes, m.ResponseTypes = nil, nil
	for _, g := range old.GrantTypes {
		if !contains(ownGrants, g) {
			m.GrantTypes = append(m.GrantTypes, g)
		}
	}
	for _, g := range slices.Backward(ownGrants) {
		if contains(f.Grants, g) {
			m.GrantTypes = append([]string{g}, m.GrantTypes...)
		}
	}
	if contains(m.GrantTypes, oauth.GrantAuthorizationCode) {
		m.ResponseTypes = []string{"code"}
	}
}

func (f *securityForm) fault(field, why string) {
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	if f.Errors[field] == "" {
		f.Errors[field] = why
	}
}

// Wrong says whether one of these fields was refused.
func (f *securityForm) Wrong(fields ...string) bool {
	return slices.ContainsFunc(fields, func(name string) bool { return f.Errors[name] != "" })
}

// First is the first field of the page that is wrong.
func (f *securityForm) First() string {
	order := []string{
		"profile", "method", "tls_name", "jwks_uri", "jwks", "request_uris", "grant", "subject", "sector", "backchannel", "frontchannel", "initiate",
	}
	for _, alg := range algFields {
		order = append(order, alg.field)
	}
	return firstWrong(order, f.Errors)
}

// securityFields are the fields of the security page by the names of the
// metadata that they become, where these aren't the same; see algFields too.
var securityFields = map[string]string{
	"token_endpoint_auth_method": "method", "grant_types": "grant", "response_types": "grant", "redirect_uris": "profile",
	"subject_type": "subject", "sector_identifier_uri": "sector", "backchannel_logout_uri": "backchannel",
	"frontchannel_logout_uri": "frontchannel", "initiate_login_uri": "initiate",
	"profile": "profile", "jwks": "jwks", "jwks_uri": "jwks_uri", "request_uris": "request_uris",
}

// refused puts a rule's refusal beside its field.
func (f *securityForm) refused(l *locale.Locale, bad *oauth.Error) {
	field, why := securityFields[bad.Parameter], inSecurityWords(l, bad)
	for _, alg := range algFields {
		switch weak := strings.Contains(bad.Description, "profile fapi2 signs by"); {
		case weak && f.Algs[alg.field] == "RS256": // the rule speaks of all of them
			f.fault(alg.field, why)
		case !weak && alg.metadata == bad.Parameter:
			field = alg.field
		}
	}
	switch {
	case f.Wrong("alg_id_token", "alg_userinfo", "alg_introspection", "alg_response", "alg_request", "alg_auth"):
		return
	case strings.HasPrefix(bad.Parameter, "tls_client_auth_"):
		field = "tls_name"
	case field == "":
		field = "form"
	case bad.Parameter == "redirect_uris" && bad.Description == "redirect_uris is missing":
		field = "grant"
	}
	f.fault(field, why)
}

// compacted is a key set as it is kept. A single key is a set of one.
func compacted(text string) json.RawMessage {
	var out bytes.Buffer
	if text == "" || json.Compact(&out, []byte(text)) != nil {
		return json.RawMessage(text) // the rules say what is wrong with it
	}
	var key struct{ Kty, Keys json.RawMessage }
	if json.Unmarshal(out.Bytes(), &key) == nil && key.Kty != nil && key.Keys == nil {
		return json.RawMessage(`{"keys":[` + out.String() + `]}`)
	}
	return out.Bytes()
}

// privateKey finds what was pasted by mistake: a PEM file, or a key with its
// private members.
var privateKey = regexp.MustCompile(`PRIVATE KEY|"(d|k)"\s*:`)

func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if len(raw) == 0 || json.Indent(&out, raw, "", "  ") != nil {
		return ""
	}
	return out.String()
}
