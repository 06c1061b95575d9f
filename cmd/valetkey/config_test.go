package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/oauth"
)

// result is what one command line did.
type result struct {
	code     int
	out, err string
}

// command runs a command line in this process, with a data folder of its own.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	loaded.args, loaded.path, loaded.entries = nil, "", nil // a process runs one command line
	var out, failed bytes.Buffer
	code := run(context.Background(), args, console{strings.NewReader(stdin), &out, &failed})
	return result{code, out.String(), failed.String()}
}

// write makes a configuration file that only its owner reads.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "valetkey.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBadConfiguration: CONTRACT §1: an unknown key, a bad value or an
// unreadable file stops the start with one line that names file, line, key and
// what would be right. FILE stands for the file's path.
func TestBadConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, file string
		env        string // NAME=value
		args       string
		want       string
		code       int
	}{
		{"unknown key", "listen: 127.0.0.1:0\nlisten-on: x\n", "", "", `FILE:2: unknown key "listen-on"`, exitUsage},
		{"unknown key with suggestion", "\nlisen: x\n", "", "", `FILE:2: unknown key "lisen"; did you mean "listen"?`, exitUsage},
		{"unknown nested key", "tls:\n  cert: a\n  kye: b\n", "", "", `FILE:3: unknown key "tls-kye"; did you mean "tls-key"?`, exitUsage},
		{"not a setting", "help: true\n", "", "", `FILE:1: unknown key "help"`, exitUsage},
		{"no mapping", "- a\n- b\n", "", "", "FILE:1: expected lines of KEY: VALUE", exitUsage},
		{"no YAML", "a: [\n", "", "", "FILE", exitUsage},
		{"the same key twice", "throttle: on\nthrottle: off\n", "", "", "FILE", exitUsage},
		{"unknown key of a section", "users:\n  - username: ada\n    pasword: secret words\n", "", "", "FILE:1: users:", exitUsage},

		{"bad word in the file", "\nthrottle: maybe\n", "", "", `FILE:2: throttle: "maybe" is not one of on, off`, exitUsage},
		{"bad word in the environment", "", "VALETKEY_THROTTLE=maybe", "", `VALETKEY_THROTTLE: throttle: "maybe" is not one of on, off`, exitUsage},
		{"bad word in a flag", "", "", "--throttle=maybe", `--throttle: throttle: "maybe" is not one of on, off`, exitUsage},
		{"a flag wins over a good file", "throttle: on\n", "", "--throttle=maybe", `--throttle: throttle: "maybe"`, exitUsage},
		{"a flag wins over a good variable", "", "VALETKEY_THROTTLE=on", "--throttle=maybe", `--throttle: throttle: "maybe"`, exitUsage},
		{"a variable wins over a good file", "throttle: on\n", "VALETKEY_THROTTLE=maybe", "", `VALETKEY_THROTTLE: throttle: "maybe"`, exitUsage},

		{"bad boolean in the file", "brand: x\nsignup: perhaps\n", "", "", "FILE:2", exitUsage},
		{"bad boolean in the environment", "", "VALETKEY_SIGNUP=perhaps", "", "VALETKEY_SIGNUP", exitUsage},
		{"bad boolean in a flag", "", "", "--signup=perhaps", "--signup", exitUsage},
		{"bad database", "database: mysql://x\n", "", "", "FILE:1: database: write sqlite:PATH or postgres://", exitUsage},
		{"bad address", "listen: 8080\n", "", "", `FILE:1: listen: "8080" is not HOST:PORT`, exitUsage},
		{"bad level", "log:\n  level: loud\n", "", "", `FILE:2: log-level: "loud" is not one of debug, info, warn, error`, exitUsage},
		{"bad network", "trusted-proxies: [10.0.0.0/8, elsewhere]\n", "", "", `FILE:1: trusted-proxies: "elsewhere" is not a network`, exitUsage},
		{"half a certificate", "tls-cert: a.pem\n", "", "", "FILE:1: tls-cert and tls-key belong together", exitUsage},
		{"bad issuer in the file", "brand: x\nissuer: http://auth.example.com\n", "", "", "FILE:2: issuer", exitUsage},
		{"bad issuer in the environment", "", "VALETKEY_ISSUER=https://auth.example.com/", "", "VALETKEY_ISSUER: issuer", exitUsage},
		{"bad issuer in a flag", "", "", "--issuer=auth.example.com", "--issuer: issuer", exitUsage},
		{"unknown flag", "", "", "--lisen=x", "--lisen", exitUsage},

		{"bad registration", "registration: everybody\n", "", "", `FILE:1: registration: "everybody" is not one of closed, token, open`, exitUsage},
		{"bad profile", "\nregistration-profile: loose\n", "", "", `FILE:2: registration-profile: "loose" is not one of compatible, oauth21, fapi2`, exitUsage},
		{"bad switch", "client-id:\n  documents: perhaps\n", "", "", `FILE:2: client-id-documents: "perhaps" is not one of on, off`, exitUsage},
		{"bad host", "client-id:\n  hosts: [app.example, 'https://b.example']\n", "", "", `FILE:2: client-id-hosts: "https://b.example" is not a host such as app.example`, exitUsage},
		{"bad host pattern", "", "VALETKEY_CLIENT_ID_HOSTS=a*.example", "", `VALETKEY_CLIENT_ID_HOSTS: client-id-hosts: "a*.example" is not a host`, exitUsage},
		{"bad nonce", "", "", "--dpop-nonce=maybe", `--dpop-nonce: dpop-nonce: "maybe" is not one of on, off`, exitUsage},
		{"no fetch file", "fetch:\n  ca-file: missing.pem\n", "", "", "FILE:2: fetch-ca-file: open missing.pem", exitUsage},
		{"no certificate in the file", "tls: {cert: a, key: b}\nmtls:\n  listen: 127.0.0.1:0\n  ca-file: config_test.go\n", "", "", "FILE:4: mtls-ca-file: config_test.go has no certificate in PEM", exitUsage},
		{"mTLS without TLS", "mtls-listen: 127.0.0.1:8443\n", "", "", "FILE:1: mtls-listen needs tls-cert and tls-key", exitUsage},
		{"bad mTLS address", "", "VALETKEY_MTLS_LISTEN=8443", "", `VALETKEY_MTLS_LISTEN: mtls-listen: "8443" is not HOST:PORT`, exitUsage},
		{"one address for both", "listen: 127.0.0.1:1\nmtls-listen: 127.0.0.1:1\ntls: {cert: a, key: b}\n", "", "", "FILE:2: mtls-listen needs an address of its own", exitUsage},
		{"mTLS by http", "", "", "--mtls-url=http://auth.example", `--mtls-url: mtls-url: "http://auth.example" is not an https address`, exitUsage},
		{"mTLS below a path", "", "", "--mtls-url=https://auth.example/", `--mtls-url: mtls-url: "https://auth.example/" is not an https address without path`, exitUsage},
		{"mTLS nowhere", "mtls-url: https://auth.example:8443\n", "", "", "FILE:1: mtls-url needs mtls-listen, or mtls-header", exitUsage},
		{"authorities of nobody", "mtls-ca-file: ca.pem\n", "", "", "FILE:1: mtls-ca-file needs mtls-listen, or mtls-header", exitUsage},
		{"a header that anybody may send", "brand: x\nmtls-header: Client-Cert\n", "", "", "FILE:2: mtls-header needs trusted-proxies", exitUsage},
		{"bad header", "trusted-proxies: 127.0.0.1\nmtls-header: 'Client Cert'\n", "", "", `FILE:2: mtls-header: "Client Cert" is not the name of a header`, exitUsage},

		{"clients are no list", "clients: {id: web}\n", "", "", "FILE:1: clients:", exitUsage},
		{"unknown key of a client", "clients:\n  - id: web\n    redirect_url: x\n", "", "", `FILE:3: clients: unknown key "redirect_url"; did you mean "redirect_uris"?`, exitUsage},
		{"bad list of a client", "clients:\n  - {id: a}\n  - id: web\n    secret: secret words\n    redirect_uris: https://app.example/cb\n", "", "", "FILE:5: clients: redirect_uris takes a list", exitUsage},
		{"bad boolean of a client", "clients:\n  - id: web\n    dpop_bound_access_tokens: 7\n", "", "", "FILE:3: clients: dpop_bound_access_tokens takes true or false", exitUsage},
		{"number for text", "clients:\n  - id: 7\n", "", "", "FILE:2: clients: id takes text; put it into quotes", exitUsage},
		{"one name twice", "clients:\n  - id: web\n    client_id: web\n", "", "", `clients: "client_id" and "id" are one; write it once`, exitUsage},
		{"keys as text", "clients:\n  - id: web\n    jwks: '{}'\n", "", "", "FILE:3: clients: jwks takes a JWK Set", exitUsage},
		{"unknown key of a policy", "clients:\n  - id: web\n    token_exchange:\n      client: [a]\n", "", "", `FILE:4: clients: unknown key "client"`, exitUsage},

		{"issuers are no list", "trusted-issuers: https://a.example\n", "", "", "FILE:1: trusted-issuers:", exitUsage},
		{"unknown key of an issuer", "trusted-issuers:\n  - issuer: https://a.example\n    jwks_url: x\n", "", "", `FILE:3: trusted-issuers: unknown key "jwks_url"; did you mean "jwks_uri"?`, exitUsage},
		{"an issuer without name", "trusted-issuers:\n  - jwks_uri: https://a.example/jwks\n", "", "", "FILE:2: trusted-issuers: issuer is missing", exitUsage},
		{"an issuer without keys", "trusted_issuers:\n  - issuer: https://a.example\n    clients: [web]\n", "", "", "FILE:2: trusted-issuers: jwks_uri or jwks is missing", exitUsage},
		{"an issuer with two sets of keys", "trusted-issuers:\n  - issuer: https://a.example\n    clients: [web]\n    jwks_uri: https://a.example/jwks\n    jwks: {keys: []}\n", "", "", "FILE:5: trusted-issuers: jwks_uri and jwks exclude each other", exitUsage},
		{"an issuer's keys by http", "trusted-issuers:\n  - issuer: https://a.example\n    clients: [web]\n    jwks_uri: http://a.example/jwks\n", "", "", `FILE:4: trusted-issuers: jwks_uri: "http://a.example/jwks" must use https`, exitUsage},
		{"an issuer for nobody", "trusted-issuers:\n  - issuer: https://a.example\n    jwks_uri: https://a.example/jwks\n", "", "", "FILE:2: trusted-issuers: clients is missing", exitUsage},
		{"bad match", "trusted-issuers:\n  - issuer: https://a.example\n    clients: [web]\n    jwks_uri: https://a.example/jwks\n    match: phone\n", "", "", `FILE:5: trusted-issuers: match: "phone" is not one of subject, username, email`, exitUsage},
		{"one issuer twice", "trusted-issuers:\n  - &a\n    issuer: https://a.example\n    clients: [web]\n    jwks_uri: https://a.example/jwks\n  - *a\n", "", "", `trusted-issuers: issuer "https://a.example" is named twice`, exitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"user", "list", "--data-dir", t.TempDir()}
			want := c.want
			if c.file != "" {
				path := write(t, c.file)
				args = append(args, "--config", path)
				want = strings.Replace(want, "FILE", path, 1)
			}
			if name, value, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(name, value)
			}
			if c.args != "" {
				args = append(args, c.args)
			}
			got := command(t, "", args...)
			line := strings.TrimSuffix(got.err, "\n")
			if got.code != c.code || !strings.HasPrefix(line, "valetkey: ") || !strings.Contains(line, want) || strings.Contains(line, "\n") || got.out != "" {
				t.Errorf("exit %d, %q %q\nwant %d, one line with %q", got.code, got.err, got.out, c.code, want)
			}
			if strings.Contains(line, "secret words") {
				t.Errorf("a secret is shown: %s", line)
			}
		})
	}
}

// TestUnreadableConfiguration: CONTRACT §1.
func TestUnreadableConfiguration(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for name, path := range map[string]string{"missing": missing, "a folder": t.TempDir()} {
		got := command(t, "", "user", "list", "--config", path)
		if got.code != exitUsage || !strings.Contains(got.err, path) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	t.Setenv("VALETKEY_CONFIG", missing)
	if got := command(t, "", "user", "list"); got.code != exitUsage || !strings.Contains(got.err, missing) {
		t.Errorf("by variable: %+v", got)
	}
}

// parsed is the settings of a command line, without running it.
func parsed(t *testing.T, args ...string) *Settings {
	t.Helper()
	loaded.args, loaded.path, loaded.entries = nil, "", nil
	var cmds commands
	parser, err := kong.New(&cmds)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"version"}, args...)); err != nil {
		t.Fatal(err)
	}
	return &cmds.Settings
}

// TestPrecedence: CONTRACT §1: each setting is a flag, a variable and a key; a
// flag wins over the variable, the variable over the file, the file over the
// default.
func TestPrecedence(t *testing.T) {
	file := write(t, "brand: from the file\nlisten: 127.0.0.1:1\n")
	for _, c := range []struct {
		name, env string
		args      []string
		want      string
	}{
		{"default", "", nil, "Valet Key"},
		{"file", "", []string{"--config", file}, "from the file"},
		{"variable", "from the variable", nil, "from the variable"},
		{"variable over file", "from the variable", []string{"--config", file}, "from the variable"},
		{"flag over variable", "from the variable", []string{"--brand", "from the flag"}, "from the flag"},
		{"flag over all", "from the variable", []string{"--config", file, "--brand", "from the flag"}, "from the flag"},
		{"flag before the file", "", []string{"--brand", "from the flag", "--config", file}, "from the flag"},
		{"flag over file", "", []string{"--config=" + file, "--brand=from the flag"}, "from the flag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("VALETKEY_BRAND", c.env)
			if c.env == "" {
				_ = os.Unsetenv("VALETKEY_BRAND")
			}
			s := parsed(t, c.args...)
			if s.Brand != c.want {
				t.Errorf("brand is %q, want %q", s.Brand, c.want)
			}
		})
	}
}

// TestConfigurationFile: nested keys join with "-"; "_" is "-"; lists; and the
// sections of the seed.
func TestConfigurationFile(t *testing.T) {
	s := parsed(t, "--config", write(t, `
listen: "127.0.0.1:9999"
data_dir: /elsewhere
tls:
  cert: a.pem
  key: b.pem
log:
  level: debug
  format: json
signup: true
trusted-proxies: [10.0.0.0/8, 192.0.2.7]
throttle: "off"
scopes:
  orgs:read: {title: See your organizations, optional: true, resource: https://api.example}
resources:
  https://api.example: {name: API, client: api}
users:
  - {username: ada, password: correct horse battery, claims: {given_name: Ada}}
clients:
  - {id: web, name: App, redirect_uris: [https://app.example/cb], first_party: true}
`))
	if s.Listen != "127.0.0.1:9999" || s.DataDir != "/elsewhere" || s.TLSCert != "a.pem" || s.TLSKey != "b.pem" ||
		s.LogLevel != "debug" || s.LogFormat != "json" || !s.Signup || s.Throttle != "off" {
		t.Errorf("%+v", s)
	}
	if proxies, err := s.proxies(); err != nil || len(proxies) != 2 || proxies[1].String() != "192.0.2.7/32" {
		t.Errorf("%v %v", proxies, err)
	}
	if scopes := s.seed.scopes(); len(scopes) != 1 || scopes[0].Name != "orgs:read" || !scopes[0].Optional {
		t.Errorf("%+v", scopes)
	}
	if resources := s.seed.resources(); len(resources) != 1 || resources[0].Client != "api" {
		t.Errorf("%+v", resources)
	}
	if u, c := s.seed.Users, s.seed.Clients; len(u) != 1 || u[0].Claims["given_name"] != "Ada" || len(c) != 1 || !c[0].FirstParty {
		t.Errorf("%+v %+v", u, c)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
	if s := parsed(t, "--config", write(t, "# nothing\n")); s.Listen != "127.0.0.1:8080" {
		t.Errorf("an empty file: %+v", s)
	}
}

// TestOutwardSettings: the settings about what comes from outside, as the
// server takes them.
func TestOutwardSettings(t *testing.T) {
	authority := pemFile(t)
	c, err := parsed(t, "--data-dir", t.TempDir(), "--config", write(t, `
issuer: https://auth.example.com
tls: {cert: a.pem, key: b.pem}
mtls:
  listen: 0.0.0.0:8443
  ca-file: `+authority+`
  header: Client-Cert
trusted-proxies: 127.0.0.1
dpop-nonce: on
registration: token
registration-profile: fapi2
client-id:
  documents: off
  hosts: [app.example, "*.apps.example"]
fetch:
  allow-loopback: true
  ca_file: `+authority+`
trusted-issuers:
  - issuer: https://idp.example
    jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}
    clients: [web]
    scopes: [orgs:read]
    match: email
  - {issuer: other, jwks_uri: https://other.example/jwks, clients: [web, service]}
`)).server(console{err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if c.MTLSURL != "https://auth.example.com:8443" || c.ClientCAs == nil || c.CertificateHeader != "Client-Cert" || !c.DPoPNonce ||
		c.Registration != oauth.RegistrationToken || c.RegistrationProfile != oauth.ProfileFAPI2 || !c.Documents.Off || len(c.Documents.Hosts) != 2 ||
		!c.FetchAllowLoopback || c.FetchRoots == nil {
		t.Errorf("%+v", c)
	}
	want := []oauth.TrustedIssuer{
		{Issuer: "https://idp.example", JWKS: json.RawMessage(`{"keys":[{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), Clients: []string{"web"}, Scopes: []string{"orgs:read"}, Match: "email"},
		{Issuer: "other", JWKSURI: "https://other.example/jwks", Clients: []string{"web", "service"}},
	}
	if diff := cmp.Diff(want, c.TrustedIssuers); diff != "" {
		t.Error(diff)
	}
	// What is left out is the safe choice.
	c, err = parsed(t, "--data-dir", t.TempDir()).server(console{err: io.Discard})
	if err != nil || c.Registration != oauth.RegistrationClosed || c.RegistrationProfile != oauth.ProfileCompatible || c.Documents.Off || c.DPoPNonce ||
		c.MTLSURL != "" || c.ClientCAs != nil || c.CertificateHeader != "" || c.FetchAllowLoopback || c.FetchRoots != nil || c.TrustedIssuers != nil {
		t.Errorf("%+v %v", c, err)
	}
	for listen, want := range map[string]string{"127.0.0.1:443": "https://localhost", ":9443": "https://localhost:9443", "": ""} {
		if got := (&Settings{Issuer: "https://localhost:8080", MTLSListen: listen}).mtlsURL(); got != want {
			t.Errorf("%s: %s", listen, got)
		}
	}
	if got := (&Settings{Issuer: "https://[::1]:8080", MTLSListen: "[::1]:1"}).mtlsURL(); got != "https://[::1]:1" {
		t.Error(got)
	}
}

// TestSeedClients: RFC 7591's names and the short ones.
func TestSeedClients(t *testing.T) {
	s := parsed(t, "--config", write(t, `
clients:
  - {id: web, secret: s, name: App, type: web, auth_method: client_secret_post, token_format: opaque, homepage: https://app.example, owner: ada}
  - client_id: bank
    client_name: Bank
    token_endpoint_auth_method: private_key_jwt
    jwks:
      keys:
        - {kty: EC, crv: P-256, x: a, y: b}
    default_max_age: 60
    profile: fapi2
    token_exchange: {clients: [web], resources: [https://api.example], impersonation: true}
`))
	age := 60
	want := []seedClient{
		{ID: "web", Secret: "s", Owner: "ada", line: 3, Metadata: oauth.Metadata{
			Name: "App", Type: oauth.TypeWeb, AuthMethod: oauth.AuthPost, TokenFormat: oauth.FormatOpaque, HomepageURI: "https://app.example",
		}},
		{ID: "bank", line: 4, Metadata: oauth.Metadata{
			Name: "Bank", AuthMethod: oauth.AuthPrivateJWT, JWKS: json.RawMessage(`{"keys":[{"crv":"P-256","kty":"EC","x":"a","y":"b"}]}`), DefaultMaxAge: &age,
			Profile: oauth.ProfileFAPI2, Reserved: oauth.Reserved{Exchange: &oauth.ExchangePolicy{Clients: []string{"web"}, Resources: []string{"https://api.example"}, Impersonation: true}},
		}},
	}
	if diff := cmp.Diff(want, s.seed.Clients, cmp.AllowUnexported(seedClient{})); diff != "" {
		t.Error(diff)
	}
}

// TestSeedIsJudged: what the rules refuse says where it stands.
func TestSeedIsJudged(t *testing.T) {
	path := write(t, "clients:\n  - {id: a, name: A, redirect_uris: [https://a.example/cb]}\n  - id: b\n    name: B\n    redirect_uris: [http://b.example/cb]\n")
	got := command(t, "", "serve", "--listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--config", path)
	if got.code != exitUsage || !strings.Contains(got.err, path+":3: clients: b: redirect URI must use https") {
		t.Errorf("%+v", got)
	}
}

// TestEverySettingHasItsVariable: CONTRACT §1: key listen, flag --listen,
// variable VALETKEY_LISTEN.
func TestEverySettingHasItsVariable(t *testing.T) {
	var cmds commands
	parser, err := kong.New(&cmds)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if flag.Name != "help" && (len(flag.Envs) != 1 || flag.Envs[0] != variable(flag.Name)) {
			t.Errorf("--%s has the variables %v", flag.Name, flag.Envs)
		}
	}
}

// TestExitCodes: CONTRACT §1: 0 ok, 1 failed, 2 usage; with --json one document
// on standard output and nothing else, errors on standard error.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	at := func(args ...string) []string { return append(args, "--data-dir", dir) }
	for _, c := range []struct {
		name, stdin string
		args        []string
		code        int
		document    bool
	}{
		{"version", "", []string{"version"}, exitOK, false},
		{"help", "", []string{"--help"}, exitOK, false},
		{"no command", "", nil, exitUsage, false},
		{"unknown command", "", []string{"fly"}, exitUsage, false},
		{"missing flag", "", at("user", "create"), exitUsage, false},
		{"missing argument", "", at("user", "show"), exitUsage, false},
		{"empty standard input", "", at("user", "create", "--username", "ada", "--password-stdin"), exitUsage, false},
		{"made", "correct horse battery\n", at("user", "create", "--username", "ada", "--email", "ada@example.com", "--password-stdin", "--json"), exitOK, true},
		{"made twice", "", at("user", "create", "--username", "ADA", "--json"), exitFail, false},
		{"bad password", "short\n", at("user", "create", "--username", "bob", "--password-stdin", "--json"), exitFail, false},
		{"shown", "", at("user", "show", "Ada", "--json"), exitOK, true},
		{"shown by email", "", at("user", "show", "ada@example.com", "--json"), exitOK, true},
		{"nobody", "", at("user", "show", "eve", "--json"), exitFail, false},
		{"listed", "", at("user", "list", "--json"), exitOK, true},
		{"no apps", "", at("client", "list", "--json"), exitOK, true},
		{"client", "", at("client", "create", "--name", "App", "--redirect-uri", "https://app.example/cb", "--json"), exitOK, true},
		{"bad client", "", at("client", "create", "--name", "App", "--redirect-uri", "http://app.example/cb", "--json"), exitFail, false},
		{"unknown kind of client", "", at("client", "create", "--name", "App", "--type", "odd", "--json"), exitUsage, false},
		{"keys", "", at("key", "list", "--json"), exitOK, true},
		{"scope", "", at("scope", "create", "read", "--title", "Read", "--json"), exitOK, true},
		{"scopes", "", at("scope", "list", "--json"), exitOK, true},
		{"registration token", "", at("registration-token", "create", "--uses", "2", "--expires", "1h", "--note", "for CI", "--json"), exitOK, true},
		{"registration tokens", "", at("registration-token", "list", "--json"), exitOK, true},
		{"registration token for nothing", "", at("registration-token", "create", "--uses", "0"), exitUsage, false},
		{"registration token of the past", "", at("registration-token", "create", "--expires", "-1h"), exitUsage, false},
		{"unknown registration token", "", at("registration-token", "delete", "nothing"), exitFail, false},
		{"no such keys", "", at("client", "create", "--name", "App", "--jwks", "missing.json"), exitFail, false},
		{"bad keys", "", at("client", "create", "--name", "App", "--jwks", "config_test.go"), exitFail, false},
		{"nowhere to sign in", "", at("login", "--client-id", "x"), exitUsage, false},
		{"sign in by http", "", at("login", "--issuer", "http://auth.example", "--client-id", "x"), exitUsage, false},
		{"sign in as nobody", "", at("login", "--issuer", "https://auth.example"), exitUsage, false},
		{"sign in where nothing is", "", at("login", "--issuer", "http://127.0.0.1:1", "--client-id", "x"), exitFail, false},
		{"disabled", "", at("user", "disable", "ada", "--json"), exitOK, true},
		{"deleted", "", at("user", "delete", "ada", "--json"), exitOK, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, c.stdin, c.args...)
			if got.code != c.code || (c.code != exitOK) != (got.err != "") {
				t.Fatalf("exit %d, want %d: %q %q", got.code, c.code, got.out, got.err)
			}
			if c.code != exitOK && (got.out != "" || strings.Count(got.err, "\n") != 1 || !strings.HasPrefix(got.err, "valetkey: ")) {
				t.Errorf("an error is one line on standard error: %q %q", got.out, got.err)
			}
			if strings.Contains(got.err+got.out, "correct horse") {
				t.Errorf("the password is shown: %q %q", got.out, got.err)
			}
			if !c.document {
				return
			}
			decoder := json.NewDecoder(strings.NewReader(got.out))
			var document any
			if err := decoder.Decode(&document); err != nil || document == nil {
				t.Fatalf("%v: %q", err, got.out)
			}
			if decoder.More() {
				t.Errorf("more than one document: %q", got.out)
			}
		})
	}
}

// FuzzParseConfig: a file is understood or refused in one line, never a panic,
// and every key says where it stands.
func FuzzParseConfig(f *testing.F) {
	for _, text := range []string{
		"listen: x", "tls:\n  cert: a\n  key: b\n", "a: [1, 2]", "- a", "a: b: c", "\x00", "a: &x b\nc: *x", "? a\n: b", "{}", "users: [{username: ada}]",
		"users: 7", "clients: [{id: a, jwks: {keys: [1]}, token_exchange: {a: b}}]", "clients:\n- &a {id: x}\n- *a", "clients: [7]", "trusted-issuers: [{issuer: a, match: b}]", "scopes:\n  a: {title: b}", "a:\n  - b\n  - {c: d}", "<<: {a: b}", "a: !!binary x", "'a': 1\n\"b\": 2", "a: |\n  text\n", "---\na: b\n---\nc: d\n", "a: *nothing", "users: !tag x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var into seed
		entries, err := parseConfig("file.yaml", content, &into)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "file.yaml") {
				t.Fatalf("the file isn't named: %v", err)
			}
			return
		}
		lines := bytes.Count(content, []byte("\n")) + bytes.Count(content, []byte("\r")) + 1
		for key, e := range entries {
			if e.line < 1 || e.line > lines || strings.Contains(key, "_") {
				t.Fatalf("%q stands on line %d of %d", key, e.line, lines)
			}
			_ = asFlag(e.value)
		}
	})
}

// TestEdits: the distance that suggestions go by.
func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"listen", "listen", 0}, {"lisen", "listen", 1}, {"lsiten", "listen", 2}, {"kitten", "sitting", 3}} {
		if got := edits(c.a, c.b); got != c.want || edits(c.b, c.a) != got {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
