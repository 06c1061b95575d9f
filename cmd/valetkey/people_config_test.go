package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey"
)

func readPeople(t *testing.T, text string) (seed, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "valetkey.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var s seed
	_, err := readConfig(path, nil, &s)
	return s, err
}

// TestAuthenticatorsInConfiguration: entries lie over the chain that a server has
// by itself.
func TestAuthenticatorsInConfiguration(t *testing.T) {
	s, err := readPeople(t, `
authenticators:
  - {name: password, enabled: false}
  - {name: email, order: 5}
  - {name: totp, enabled: false}
groups:
  staff: {factors: 2, admin: true}
`)
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string, factor int) bool {
		return slices.ContainsFunc(s.Chain, func(a valetkey.Authenticator) bool { return a.Name == name && a.Factor == factor })
	}
	if has("password", 1) || !has("email", 1) || has("totp", 2) || !has("passkey", 1) || !has("passkey", 2) {
		t.Errorf("%+v", s.Chain)
	}
	if g := s.groups()["staff"]; g.Factors != 2 || !g.Admin {
		t.Errorf("%+v", g)
	}
}

// TestPeopleMistakes: each is told with its line and what would be right.
func TestPeopleMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"authenticators:\n  - {name: fingerprint}\n":                                           "isn't known",
		"authenticators:\n  - {name: password, factor: 2}\n":                                   "can't be factor 2",
		"authenticators:\n  - {enabled: true}\n":                                               "name is missing",
		"authenticators:\n  - {name: password, template: own.html}\n":                          "title is missing",
		"authenticators:\n  - {name: password, colour: red}\n":                                 "colour",
		"connectors:\n  corp:\n    kind: oidc\n    issuer: not an address\n    client_id: x\n": ":4:",
		"connectors:\n  corp: {kind: carrier-pigeon}\n":                                        "kind",
		"connectors: [1]\n":                                                "connectors",
		"branding:\n  accent: '#ffff00'\n":                                 "contrast",
		"branding:\n  logo: nowhere.png\n":                                 "nowhere.png",
		"branding:\n  links: [{text: Help, url: 'javascript:alert(1)'}]\n": "https",
		"groups:\n  staff: {power: much}\n":                                "power",
	} {
		_, err := readPeople(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "valetkey.yaml:") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestPeopleStart: what would fail the first person who comes by stops the start:
// one line, exit code 2. FILE stands for the file's path.
func TestPeopleStart(t *testing.T) {
	const post = "smtp: smtp://localhost:1025?tls=none\nsmtp-from: noreply@auth.example\n"
	const web = "clients:\n  - id: web\n    redirect_uris: [https://app.example/cb]\n"
	const partner = "connectors:\n  partner: {kind: oidc, issuer: 'https://idp.example', client_id: x, client_secret: y"
	for _, c := range []struct{ name, file, want string }{
		{"an app's way that isn't", web + "    authenticators: [password, fingerprint]\n", `FILE:4: clients: web: authenticators: "fingerprint" isn't known`},
		{"an app's way that is named below", web + "    authenticators: [partner]\n" + partner + "}\n", ""},
		{"a connector that isn't there", web + "    authenticators: [password, partners]\n" + partner + "}\n", `FILE:4: clients: web: authenticators: "partners" isn't known`},
		{"two factors of one", web + "    required_factors: 2\n    authenticators: [password]\n", "FILE:4: clients: web: required_factors: nobody can reach two factors"},
		{"two factors, one of them switched off", "authenticators:\n  - {name: totp, enabled: false}\n" + web + "    required_factors: 2\n    authenticators: [password, totp]\n", "FILE:6: clients: web: required_factors:"},
		{"two factors by totp", web + "    required_factors: 2\n    authenticators: [password, totp]\n", ""},
		{"two factors by a passkey", web + "    required_factors: 2\n    authenticators: [passkey]\n", ""},
		{"two factors elsewhere, not believed", web + "    required_factors: 2\n    authenticators: [partner]\n" + partner + "}\n", "FILE:4: clients: web: required_factors:"},
		{"two factors elsewhere", web + "    required_factors: 2\n    authenticators: [partner]\n" + partner + ", trust_acr: true}\n", ""},

		{"a page that isn't there", "branding: {templates: pages}\nauthenticators:\n  - {name: totp}\n  - {name: password, title: Staff, template: staffs.html}\n", `FILE:4: authenticators: password: template staffs.html isn't in the folder of branding's templates`},
		{"a page without its folder", "authenticators:\n  - {name: password, title: Staff, template: staff.html}\n", `FILE:2: authenticators: password: template staff.html isn't there; branding's templates names the folder`},
		{"a page with a fault", "branding:\n  name: X\n  templates: broken\n", "FILE:3: branding: templates: "},
		{"a page that shows what isn't there", "branding: {templates: odd}\nauthenticators: [{name: password, title: Staff, template: staff.html}]\n", "FILE:2: authenticators: password: "},
		{"no folder of pages", "branding:\n  templates: nowhere\n", "FILE:2: branding: templates: "},
		{"a page", "branding: {templates: pages}\nauthenticators: [{name: password, title: Staff, template: staff.html}]\n", ""},

		{"codes by mail without mail", "authenticators:\n  - {name: password}\n  - name: email\n", "FILE:3: authenticators: email needs smtp"},
		{"codes by mail", "authenticators: [{name: email}]\n" + post, ""},

		{"an address for a domain", post + "signup: true\nsignup-domains: [example.com, '@example.org']\n", `FILE:4: signup-domains: "@example.org" is not a domain`},
		{"two domains in one", post + "signup: true\nsignup-domains: [example.com example.org]\n", `FILE:4: signup-domains: "example.com example.org" is not a domain`},
		{"a domain with a star", post + "signup: true\nsignup-domains: ['*.example.com']\n", `FILE:4: signup-domains: "*.example.com" is not a domain`},
		{"domains of nobody", post + "signup-domains: [example.com]\n", "FILE:3: signup-domains and signup-verify narrow signup"},
		{"proof of nobody", post + "signup-verify: true\n", "FILE:3: signup-domains and signup-verify narrow signup"},
		{"domains of the invited", post + "signup: true\nsignup-invite: true\nsignup-domains: [example.com]\n", "FILE:5: signup-domains and signup-verify mean nothing beside signup-invite"},
		{"invitations alone", "signup-invite: true\n", "FILE:1: signup-invite narrows signup"},
		{"domains", post + "signup: true\nsignup-domains: [example.com, Example.org]\n", ""},

		{"a password for no server", "\nsmtp-password-file: x\n", "FILE:2: smtp-password-file and smtp-ca-file need smtp"},
		{"authorities of no server", "\nsmtp-ca-file: x\n", "FILE:2: smtp-password-file and smtp-ca-file need smtp"},
		{"a bad sender", "smtp: smtp://localhost:1025?tls=none\nsmtp-from: nobody at all\n", "FILE:2: smtp-from: "},
		{"a user without password", "smtp-from: noreply@auth.example\nsmtp: smtp://me@mail.example:587\n", "FILE:2: smtp: username and password come together"},
		{"clear text over a network", "smtp-from: noreply@auth.example\nsmtp: smtp://mail.example?tls=none\n", "FILE:2: smtp: without TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.file)
			writePages(t, filepath.Dir(path))
			got := command(t, "", "user", "list", "--data-dir", t.TempDir(), "--config", path)
			want := strings.Replace(c.want, "FILE", path, 1)
			switch {
			case c.want == "" && got.code != exitOK:
				t.Errorf("%+v", got)
			case c.want != "" && (got.code != exitUsage || !strings.Contains(got.err, want) || strings.Count(got.err, "\n") != 1):
				t.Errorf("exit %d, %q\nwant 2, one line with %q", got.code, got.err, want)
			}
		})
	}
}

// writePages makes folders of templates: one that is right, one that can't be read,
// one whose page shows what no page has.
func writePages(t *testing.T, folder string) {
	t.Helper()
	for path, text := range map[string]string{
		"pages/staff.html":  `{{template "card-top" .}}{{with .D}}<form action="{{.Action}}"><input name="form" value="{{.Form}}"></form>{{end}}{{template "card-end" .}}`,
		"broken/staff.html": `{{with .D}}`,
		"odd/staff.html":    `{{.D.Colour}}`,
	} {
		file := filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClientWays: what an operator registers is judged as the file is; what a change
// doesn't touch isn't, so that an app can be switched off whatever it says.
func TestClientWays(t *testing.T) {
	dir := t.TempDir()
	with := func(args ...string) result { return command(t, "", append(args, "--data-dir", dir)...) }
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "client.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	create := func(id, rest string) result {
		return with("client", "create", "--id", id, "--metadata", file(`{"client_name": "App", "redirect_uris": ["https://app.example/cb"], `+rest+`}`))
	}
	if got := create("a", `"authenticators": ["fingerprint"]`); got.code != exitFail || !strings.Contains(got.err, `"fingerprint" isn't known`) {
		t.Errorf("%+v", got)
	}
	if got := create("b", `"required_factors": 2, "authenticators": ["password"]`); got.code != exitFail || !strings.Contains(got.err, "nobody can reach two factors") {
		t.Errorf("%+v", got)
	}
	config := write(t, "connectors:\n  partner: {kind: oidc, issuer: 'https://idp.example', client_id: x, client_secret: y}\n")
	ok := with("client", "create", "--id", "c", "--config", config, "--metadata", file(`{"client_name": "App", "redirect_uris": ["https://app.example/cb"], "authenticators": ["partner"]}`))
	if ok.code != exitOK {
		t.Fatalf("%+v", ok)
	}
	if got := with("client", "update", "c", "--disabled"); got.code != exitOK {
		t.Errorf("a connector is gone: %+v", got)
	}
	if got := with("client", "update", "c", "--metadata", file(`{"authenticators": ["partner", "password"]}`)); got.code != exitFail {
		t.Errorf("%+v", got)
	}
}

// TestFilesBesideTheFile: a path of the file is from the file's folder, wherever the
// server is started.
func TestFilesBesideTheFile(t *testing.T) {
	path := write(t, `
connectors:
  corp: {kind: oidc, issuer: 'https://idp.example', client_id: x, client_secret_file: corp-secret, ca_file: corp.pem}
  staff: {kind: ldap, url: 'ldaps://ldap.example', base: 'dc=example,dc=com', bind_dn: 'cn=x,dc=example,dc=com', bind_password_file: /etc/staff}
`)
	s := parsed(t, "--config", path)
	want := []string{filepath.Join(filepath.Dir(path), "corp-secret"), filepath.Join(filepath.Dir(path), "corp.pem"), "/etc/staff"}
	corp, staff := s.seed.Connectors[0], s.seed.Connectors[1]
	if got := []string{corp.SecretFile, corp.CAFile, staff.BindPasswordFile}; !slices.Equal(got, want) || staff.CAFile != "" {
		t.Errorf("%q", got)
	}
}

// TestScopeGroups: the command line says what the file's groups say.
func TestScopeGroups(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"scope create reports:read --title Reports --group staff --group auditors", exitOK, "Declared reports:read"},
		{"scope list", exitOK, "staff, auditors"},
		{"scope update reports:read --group boss", exitOK, "Changed reports:read"},
		{"scope list --json", exitOK, `"boss"`},
		{"scope list --json", exitOK, `"title": "Reports"`},
		{"scope update reports:read --for-everybody --title Figures --optional", exitOK, "Changed reports:read"},
		{"scope list --json", exitOK, `"groups": []`},
		{"scope list --json", exitOK, `"title": "Figures"`},
		{"scope update reports:read --for-everybody --group boss", exitUsage, "for-everybody"},
		{"scope update reports:write --title X", exitFail, "reports:write"},
		{"scope update openid --title X", exitFail, "openid"},
	} {
		got := command(t, "", append(strings.Fields(c.args), "--data-dir", dir)...)
		if got.code != c.code || !strings.Contains(got.out+got.err, c.want) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}

// TestInvitationSaysWhoSendsIt: an operator who thinks that a letter is on its way
// would wait for it.
func TestInvitationSaysWhoSendsIt(t *testing.T) {
	mailed := write(t, "smtp: smtp://localhost:1?tls=none\nsmtp-from: noreply@auth.example\n")
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"no mail", "hand the link over yourself", []string{"--email", "zoe@example.com"}},
		{"mail", "A letter to zoe@example.com is queued", []string{"--email", "zoe@example.com", "--config", mailed}},
		{"nobody named", "/signup?", nil},
		{"as JSON", `"queued": false`, []string{"--email", "zoe@example.com", "--json"}},
		{"as JSON, with mail", `"queued": true`, []string{"--email", "zoe@example.com", "--json", "--config", mailed}},
	} {
		got := command(t, "", append([]string{"user", "invite", "--data-dir", t.TempDir()}, c.args...)...)
		if got.code != exitOK || !strings.Contains(got.out, c.want) || c.args == nil && strings.Contains(got.out, "letter") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
