package upstream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/valetkey/valetkey/test/upstreams"
)

// read decodes YAML as the configuration's connectors are.
func read(t *testing.T, text string) (Config, error) {
	t.Helper()
	all := map[string]Config{}
	if err := yaml.UnmarshalWithOptions([]byte(text), &all, yaml.Strict()); err != nil {
		return Config{}, err
	}
	for name, c := range all {
		c.Name = name
		return c, c.Check()
	}
	return Config{}, errors.New("no connector")
}

const (
	wholeOIDC = `
corp:
  kind: keycloak
  title: Corp
  order: 2
  issuer: https://id.corp.example/realms/corp
  client_id: valetkey
  client_secret: "0123"
  scopes: [openid, email]
  domains: corp.example
  acr: ["urn:corp:high"]
  auto_create: false
  groups_claim: groups
  groups: {staff: employees}
  claims: {family_name: sn}
  trust_email: true
  trust_acr: true
  allowed_domains: [corp.example]
  prompt: select_account
  login_hint: false
  userinfo: false
  allow_private: true`
	wholeLDAP = `
ad:
  kind: active_directory
  url: [ldaps://dc1.corp.example, ldaps://dc2.corp.example:3269]
  bind_dn: cn=reader,dc=corp,dc=example
  bind_password: secret
  base: dc=corp,dc=example
  group_base: ou=Groups,dc=corp,dc=example
  group_depth: 3`
)

func TestConfig(t *testing.T) {
	c, err := read(t, wholeOIDC)
	if err != nil || c.ClientSecret.reveal() != "0123" || c.Domains[0] != "corp.example" || *c.AutoCreate || c.Title != "Corp" || on(c.LoginHint, true) {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := read(t, wholeLDAP); err != nil || len(c.URL) != 2 || c.resolved().Subject != "objectGUID" || c.directoryName() != "ldap:dc=corp,dc=example" {
		t.Errorf("%+v, %v", c, err)
	}
	for name, tt := range map[string]struct{ text, field, why string }{
		"unknown key":        {"c: {kind: google, client_id: i, client_secret: s, clientid: x}", "", "clientid"},
		"number":             {"c: {kind: google, client_id: i, client_secret: 123}", "", "quotes"},
		"unknown kind":       {"c: {kind: gogle}", "kind", "google"},
		"no kind":            {"c: {title: x}", "kind", "google"},
		"name":               {"C D: {kind: google}", "name", "small letters"},
		"no id":              {"c: {kind: google, client_secret: s}", "client_id", "missing"},
		"acr of nothing":     {"c: {kind: google, client_id: i, client_secret: s, acr_values: {'2': ''}}", "acr_values", "empty"},
		"acr of a directory": {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, acr_values: {'2': x}}", "acr_values", "means nothing"},
		"no secret":          {"c: {kind: google, client_id: i}", "client_secret", "missing"},
		"two secrets":        {"c: {kind: google, client_id: i, client_secret: s, client_secret_file: f}", "client_secret_file", "exclude"},
		"no PKCE, public":    {"c: {kind: oidc, issuer: https://x.example, client_id: i, pkce: false}", "pkce", "anybody's"},
		"no issuer":          {"c: {kind: oidc, client_id: i}", "issuer", "missing"},
		"issuer in clear":    {"c: {kind: oidc, client_id: i, issuer: http://x.example}", "issuer", "https"},
		"issuer with query":  {"c: {kind: oidc, client_id: i, issuer: https://x.example/?a}", "issuer", "https"},
		"metadata's URL":     {"c: {kind: oidc, client_id: i, issuer: https://x.example/.well-known/openid-configuration}", "issuer", "before"},
		"tenant elsewhere":   {"c: {kind: oidc, client_id: i, issuer: https://x.example, tenant: x}", "tenant", "means nothing"},
		"template":           {"c: {kind: oidc, client_id: i, issuer: 'https://x.example/{tenantid}'}", "issuer", "microsoft"},
		"no tenant":          {"c: {kind: microsoft, client_id: i, client_secret: s}", "tenant", "GUID"},
		"tenant's domain":    {"c: {kind: microsoft, client_id: i, client_secret: s, tenant: contoso.com}", "tenant", "GUID"},
		"base for OIDC":      {"c: {kind: oidc, client_id: i, issuer: https://x.example, base: dc=x}", "base", "means nothing"},
		"claims, not ours":   {"c: {kind: oidc, client_id: i, issuer: https://x.example, claims: {sn: family_name}}", "claims", "sn"},
		"claims, sub":        {"c: {kind: oidc, client_id: i, issuer: https://x.example, claims: {sub: x}}", "claims", "sub"},
		"domains":            {"c: {kind: oidc, client_id: i, issuer: https://x.example, domains: Corp.example}", "domains", "small"},
		"domain with @":      {"c: {kind: oidc, client_id: i, issuer: https://x.example, domains: '@corp.example'}", "domains", "small"},
		"allowed, untrusted": {
			"c: {kind: oidc, client_id: i, issuer: https://x.example, allowed_domains: corp.example}", "allowed_domains", "trust_email",
		},
		"moved preset":     {"c: {kind: github, client_id: i, client_secret: s, profile_url: https://ghe.example/user}", "issuer", "for ever"},
		"no LDAP url":      {"c: {kind: ldap, base: dc=x}", "url", "ldaps://"},
		"web url":          {"c: {kind: ldap, base: dc=x, url: https://x.example}", "url", "ldaps://"},
		"url with user":    {"c: {kind: ldap, base: dc=x, url: 'ldap://u:p@x.example'}", "url", "ldaps://"},
		"in clear":         {"c: {kind: ldap, base: dc=x, url: ldap://x.example, start_tls: false}", "start_tls", "in clear"},
		"no base":          {"c: {kind: ldap, url: ldaps://x.example}", "base", "distinguished"},
		"broken base":      {"c: {kind: ldap, url: ldaps://x.example, base: x}", "base", "distinguished"},
		"no password":      {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, bind_dn: cn=r}", "bind_password", "anonymous"},
		"no bind_dn":       {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, bind_password: p}", "bind_dn", "missing"},
		"two ways":         {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, bind_dn: cn=r, bind_password: p, user_dn: 'uid={username}'}", "user_dn", "exclude"},
		"filter, no hole":  {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, user_filter: (uid=x)}", "user_filter", "{username}"},
		"filter, bad hole": {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, user_filter: '(uid={user})'}", "user_filter", "{user}"},
		"filter, as name":  {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, user_filter: '(&(a=b)({username}=x))'}", "user_filter", "before the ="},
		"filter, broken":   {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, user_filter: '(uid={username}'}", "user_filter", "RFC 4515"},
		"name, as type":    {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, user_dn: '{username}=x,dc=y'}", "user_dn", "before the ="},
		"UPN":              {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, user_dn: '{username}@x.example'}", "user_dn", "before the ="},
		"attribute":        {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, subject: 'a)(b'}", "subject", "attribute"},
		"claims, broken":   {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, claims: {name: 'a b'}}", "claims", "attributes"},
		"too deep":         {"c: {kind: ldap, url: ldaps://x.example, base: dc=x, group_depth: 11}", "group_depth", "10"},
	} {
		_, err := read(t, tt.text)
		var wrong *FieldError
		switch {
		case err == nil, tt.field != "" && !errors.As(err, &wrong), !strings.Contains(err.Error(), tt.why):
			t.Errorf("%s: %v", name, err)
		case wrong != nil && wrong.Field != tt.field:
			t.Errorf("%s: %s is blamed", name, wrong.Field)
		}
	}
}

func TestNew(t *testing.T) {
	base := Config{Name: "a", Kind: "oidc", Issuer: "https://id.example", ClientID: "c", ClientSecret: "s"}
	named := func(c Config, name string, change func(*Config)) Config { c.Name = name; change(&c); return c }
	github := Config{Name: "gh", Kind: "github", ClientID: "c", ClientSecret: "s"}
	ldap := Config{Name: "l", Kind: "ldap", URL: List{"ldaps://a.example"}, Base: "dc=x"}
	for name, tt := range map[string]struct {
		configs []Config
		field   string
	}{
		"one provider, two settings": {[]Config{base, named(base, "b", func(c *Config) { c.ClientID = "d" })}, ""},
		"name twice":                 {[]Config{base, base}, "name"},
		"ourselves":                  {[]Config{named(base, "b", func(c *Config) { c.Issuer = "https://auth.example" })}, "issuer"},
		"another GitHub, same name": {[]Config{github, named(github, "b", func(c *Config) {
			c.Issuer, c.ProfileURL = "https://github.com/login/oauth", "https://ghe.example/user"
		})}, "issuer"},
		"OAuth as OIDC's": {[]Config{base, named(github, "b", func(c *Config) { c.Issuer = base.Issuer })}, "issuer"},
		"two directories": {[]Config{ldap, named(ldap, "b", func(c *Config) { c.URL = List{"ldaps://b.example"} })}, "issuer"},
		"other subject":   {[]Config{ldap, named(ldap, "b", func(c *Config) { c.Subject = "uid" })}, "issuer"},
		"one directory":   {[]Config{ldap, named(ldap, "b", func(c *Config) { c.UserFilter = "(mail={username})" })}, ""},
		"no file":         {[]Config{named(base, "b", func(c *Config) { c.ClientSecret, c.SecretFile = "", "/nonexistent" })}, "client_secret_file"},
		"no authority":    {[]Config{named(base, "b", func(c *Config) { c.CAFile = "/nonexistent" })}, "ca_file"},
	} {
		_, err := New(tt.configs, Environment{Issuer: "https://auth.example", Now: time.Now})
		var wrong *FieldError
		if errors.As(err, &wrong) != (tt.field != "") || wrong != nil && wrong.Field != tt.field || err != nil && !strings.HasPrefix(err.Error(), "connectors: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(nil, Environment{}); err == nil {
		t.Error("no clock")
	}
}

func TestSecretFile(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(upstreams.ClientSecret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connect(t, with(oidcConfig(p), func(c *Config) { c.ClientSecret, c.SecretFile = "", file }))
	expect(t, "from a file", outcome(signIn(t, c, p, "alice")), "ok")
	for content, want := range map[string]string{"": "empty", "\n": "empty", strings.Repeat("x", maxSecretFile+1): "can't be read"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecret("", "client_secret_file", file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.9q: %v", content, err)
		}
	}
}

// Case 270: a connector that was switched off isn't there, and what it began
// ends nowhere. Case 269: one subject at two issuers is two people.
func TestCase269And270(t *testing.T) {
	one, two := upstreams.OIDC(t, upstreams.Options{}), upstreams.OIDC(t, upstreams.Options{})
	a := with(oidcConfig(one), func(c *Config) { c.Name, c.Order = "a", 2 })
	b := with(oidcConfig(two), func(c *Config) { c.Name, c.Order = "b", 1 })
	r := registry(t, Environment{}, a, b)
	if len(r.List()) != 2 || r.List()[0].Name != "b" || !r.List()[0].Redirects() {
		t.Errorf("%+v", r.List())
	}
	ca, _ := r.Find("a")
	cb, _ := r.Find("b")
	x, err1 := signIn(t, ca, one, "alice")
	y, err2 := signIn(t, cb, two, "alice")
	if err := errors.Join(err1, err2); err != nil || x.Subject != y.Subject || x.Issuer == y.Issuer {
		t.Errorf("%+v %+v %v", x, y, err)
	}
	r = registry(t, Environment{}, with(a, func(c *Config) { c.Enabled = &no }), b)
	if _, ok := r.Find("a"); ok || len(r.List()) != 1 {
		t.Error("a is there though it is off")
	}
	if _, err := cb.Password(t.Context(), "a", "b"); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}
