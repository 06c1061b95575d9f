//go:build unix

package upstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/directory"
	"github.com/valetkey/valetkey/test/upstreams"
)

// steps writes the outcome of Test on a line, and the last step in full.
func steps(t *testing.T, c *Connector) (line, last string) {
	t.Helper()
	for _, s := range c.Test(t.Context()) {
		mark := "-"
		if s.OK {
			mark = "+"
		}
		line += mark + s.Step + " "
		last = fmt.Sprintf("%s | %s | %s", s.Tried, s.Found, s.Do)
		if (s.Do == "") != s.OK || strings.Contains(last, upstreams.ClientSecret) || strings.Contains(last, directory.BindPassword) || s.Tried == "" || s.Found == "" {
			t.Errorf("%+v", s)
		}
	}
	return strings.TrimSpace(line), last
}

func TestCheckOIDC(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{TLS: true})
	discovery := "/.well-known/openid-configuration"
	for name, tt := range map[string]struct {
		wrong  upstreams.Wrong
		change func(*Config)
		line   string
		last   string
	}{
		"right":        {upstreams.Wrong{}, func(*Config) {}, "+discovery +endpoints +keys +client", "it knows us"},
		"wrong secret": {upstreams.Wrong{}, func(c *Config) { c.ClientSecret = "wrong" }, "+discovery +endpoints +keys -client", "client_id and client_secret"},
		"no authority": {upstreams.Wrong{}, func(c *Config) { c.CAFile = "" }, "-discovery", "ca_file"},
		"nobody":       {upstreams.Wrong{}, func(c *Config) { c.Issuer = "https://127.0.0.1:1" }, "-discovery", "look at host and port"},
		"no name":      {upstreams.Wrong{}, func(c *Config) { c.Issuer = "https://nobody.invalid" }, "-discovery", "DNS"},
		"private":      {upstreams.Wrong{}, func(c *Config) { c.Issuer = "https://10.0.0.1" }, "-discovery", "allow_private"},
		"no document":  {upstreams.Wrong{Status: map[string]int{discovery: 404}}, func(*Config) {}, "-discovery", "in a browser"},
		"other issuer": {upstreams.Wrong{Metadata: map[string]any{"issuer": "https://id.example"}}, func(*Config) {}, "-discovery", "set issuer: https://id.example"},
		"no keys":      {upstreams.Wrong{Status: map[string]int{"/jwks": 500}}, func(*Config) {}, "+discovery +endpoints -keys +client", "it knows us"},
		"token down":   {upstreams.Wrong{Status: map[string]int{"/token": 503}}, func(*Config) {}, "+discovery +endpoints +keys -client", "another time"},
		"token gone":   {upstreams.Wrong{Status: map[string]int{"/token": 404}}, func(*Config) {}, "+discovery +endpoints +keys -client", "address"},
	} {
		p.Misbehave(tt.wrong)
		line, last := steps(t, connect(t, with(oidcConfig(p), tt.change)))
		if line != tt.line || !strings.Contains(last, tt.last) {
			t.Errorf("%s: %s\n%s", name, line, last)
		}
	}
	p.Misbehave(upstreams.Wrong{Silent: discovery})
	if line, last := steps(t, impatient(t, 100*time.Millisecond, oidcConfig(p))); line != "-discovery" || !strings.Contains(last, "firewalls") {
		t.Errorf("silent: %s\n%s", line, last)
	}
}

func TestCheckOAuth2(t *testing.T) {
	github, x := upstreams.GitHub(t, upstreams.Options{}), upstreams.X(t, upstreams.Options{})
	if line, last := steps(t, connect(t, githubConfig(github))); line != "+authorize_url +profile_url +client" || !strings.Contains(last, "it knows us") {
		t.Errorf("%s\n%s", line, last)
	}
	c := with(githubConfig(github), func(c *Config) { c.ClientSecret, c.ProfileURL = "wrong", github.URL+"/nothing" })
	if line, _ := steps(t, connect(t, c)); line != "+authorize_url -profile_url -client" {
		t.Error(line)
	}
	c = Config{
		Name: "x", Kind: "x", ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret, Issuer: x.URL,
		AuthorizeURL: x.URL + "/i/oauth2/authorize", TokenURL: x.URL + "/2/oauth2/token", ProfileURL: x.URL + "/2/users/me",
	}
	if line, last := steps(t, connect(t, c)); line != "+authorize_url +profile_url +client" || !strings.Contains(last, "neither a yes nor a no") {
		t.Errorf("%s\n%s", line, last)
	}
}

func TestCheckLDAP(t *testing.T) {
	d := directory.Start(t)
	for name, tt := range map[string]struct {
		change func(*Config)
		line   string
		last   string
	}{
		"right":         {func(c *Config) { c.URL = List{d.URL, d.SecureURL} }, "+connect +connect +bind +base +search", "nobody found"},
		"one is down":   {func(c *Config) { c.URL = List{"ldaps://127.0.0.1:1", d.SecureURL} }, "-connect +connect +bind +base +search", "nobody found"},
		"all are down":  {func(c *Config) { c.URL = List{"ldaps://127.0.0.1:1"} }, "-connect", "host and port"},
		"no authority":  {func(c *Config) { c.CAFile = "" }, "-connect", "TLS"},
		"private":       {func(c *Config) { c.URL = List{"ldaps://10.0.0.1"} }, "-connect", "allow_private"},
		"no rights":     {func(c *Config) { c.BindPassword = "wrong" }, "+connect -bind", "bind_dn and bind_password"},
		"no base":       {func(c *Config) { c.Base = "dc=nowhere" }, "+connect +bind -base", "look at base"},
		"anonymous":     {func(c *Config) { c.BindDN, c.BindPassword = "", "" }, "+connect -base", "look at base"},
		"everybody":     {func(c *Config) { c.UserFilter = "(|(objectClass=group)(uid={username}))" }, "+connect +bind +base -search", "user_filter"},
		"as themselves": {func(c *Config) { c.BindDN, c.BindPassword, c.UserDN = "", "", "uid={username}" }, "+connect", "StartTLS"},
	} {
		line, last := steps(t, connect(t, with(ldapConfig(d, "ldap"), tt.change)))
		if line != tt.line || !strings.Contains(last, tt.last) {
			t.Errorf("%s: %s\n%s", name, line, last)
		}
	}
}
