package upstream

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/test/upstreams"
)

func googleConfig(p *upstreams.Provider) Config {
	return Config{Name: "google", Kind: "google", Issuer: p.URL, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret}
}

func TestGoogle(t *testing.T) {
	p := upstreams.Google(t, upstreams.Options{})
	p.Put(upstreams.Person{Username: "carol", Subject: "1003", Email: "carol@corp.example", EmailVerified: true, Claims: map[string]any{"hd": "corp.example"}})
	p.Put(upstreams.Person{Username: "dave", Subject: "1004", Email: "dave@gmail.com"})
	p.Put(upstreams.Person{Username: "mallory", Subject: "1005", Email: "m@gmail.com.evil.example", EmailVerified: true})
	c := connect(t, googleConfig(p))
	// Only what Google vouches for: see the preset.
	for name, want := range map[string]bool{"alice": true, "bob": false, "carol": true, "dave": false, "mallory": false} {
		id, err := signIn(t, c, p, name)
		if err != nil || id.EmailVerified != want || id.Email == "" || id.Issuer != p.URL {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	if len(p.Seen("/v1/userinfo")) == 0 {
		t.Error("those without a name weren't looked up")
	}
	for _, s := range p.Seen("/token") {
		if s.Header.Get("Authorization") != "" || s.Header.Get("Cookie") != "" || s.Form.Get("client_secret") == "" {
			t.Errorf("%v %v", s.Header, s.Form)
		}
	}
}

// The account's organization is what hd says, in the signed token.
func TestGoogleHostedDomain(t *testing.T) {
	p := upstreams.Google(t, upstreams.Options{})
	c := connect(t, with(googleConfig(p), func(c *Config) { c.HostedDomain = List{"corp.example"}; c.UserInfo = &yes }))
	address, err := c.Begin(t.Context(), newRequest())
	if err != nil || !strings.Contains(address, "hd=corp.example") {
		t.Errorf("%s, %v", address, err)
	}
	for hd, want := range map[any]string{"corp.example": "ok", "evil.example": "refused: Accounts of this", "": "refused: ", nil: "refused: ", 1: "refused: "} {
		p.Misbehave(upstreams.Wrong{IDToken: map[string]any{"hd": hd}, UserInfo: map[string]any{"hd": "corp.example"}})
		expect(t, "hd", outcome(signIn(t, c, p, "bob")), want)
	}
	several := connect(t, with(googleConfig(p), func(c *Config) { c.HostedDomain = List{"a.example", "b.example"} }))
	if address, err := several.Begin(t.Context(), newRequest()); err != nil || !strings.Contains(address, "hd=%2A") {
		t.Errorf("%s, %v", address, err)
	}
}

func microsoftConfig(p *upstreams.Provider, tenant string) Config {
	return Config{
		Name: "ms", Kind: "microsoft", Issuer: p.URL + "/{tenantid}/v2.0", Tenant: tenant, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret,
	}
}

func TestMicrosoft(t *testing.T) {
	p := upstreams.Microsoft(t, upstreams.Options{})
	p.Put(upstreams.Person{Username: "other", Subject: "1001", Email: "o@b.example", Claims: map[string]any{"tid": upstreams.OtherTenant, "xms_edov": true}})
	p.Put(upstreams.Person{Username: "home", Subject: "1001", Email: "h@outlook.com", Claims: map[string]any{"tid": upstreams.PersonalTenant}})
	home, elsewhere, private := p.URL+"/"+upstreams.Tenant+"/v2.0", p.URL+"/"+upstreams.OtherTenant+"/v2.0", p.URL+"/"+upstreams.PersonalTenant+"/v2.0"
	for name, tt := range map[string]struct {
		tenant, person, want string
		allowed              List
	}{
		"its own tenant":         {upstreams.Tenant, "alice", home, nil},
		"another's":              {upstreams.Tenant, "other", "different provider", nil},
		"common":                 {"common", "alice", home, nil},
		"common, another":        {"common", "other", elsewhere, nil},
		"common, personal":       {"common", "home", private, nil},
		"organizations":          {"organizations", "other", elsewhere, nil},
		"organizations, private": {"organizations", "home", "Accounts of this organization", nil},
		"some of them":           {"organizations", "other", elsewhere, List{upstreams.OtherTenant}},
		"some, and not this":     {"organizations", "alice", "Accounts of this organization", List{upstreams.OtherTenant}},
		"consumers":              {"consumers", "home", private, nil},
		"consumers, work":        {"consumers", "alice", "different provider", nil},
	} {
		c := connect(t, with(microsoftConfig(p, tt.tenant), func(c *Config) { c.Tenants = tt.allowed }))
		id, err := signIn(t, c, p, tt.person)
		got := outcome(id, err)
		if err == nil {
			got = id.Issuer
		}
		expect(t, name, got, tt.want)
		if err == nil && id.EmailVerified != (tt.person == "other") {
			t.Errorf("%s: verified %v", name, id.EmailVerified)
		}
	}
}

// The issuer is the template with the token's own tid, and nothing like it.
func TestMicrosoftIssuer(t *testing.T) {
	p := upstreams.Microsoft(t, upstreams.Options{})
	c := connect(t, microsoftConfig(p, "common"))
	home := p.URL + "/" + upstreams.Tenant + "/v2.0"
	for name, tt := range map[string]struct {
		wrong upstreams.Wrong
		want  string
	}{
		"no tid":             {upstreams.Wrong{IDToken: map[string]any{"tid": upstreams.Absent}}, "iss is"},
		"other tid":          {upstreams.Wrong{IDToken: map[string]any{"tid": upstreams.OtherTenant}}, "iss is"},
		"tid is no tenant":   {upstreams.Wrong{IDToken: map[string]any{"tid": "x", "iss": p.URL + "/x/v2.0"}}, "iss is"},
		"tid is a path":      {upstreams.Wrong{IDToken: map[string]any{"tid": "../x", "iss": p.URL + "/../x/v2.0"}}, "iss is"},
		"the template":       {upstreams.Wrong{IDToken: map[string]any{"tid": "{tenantid}", "iss": p.URL + "/{tenantid}/v2.0"}}, "iss is"},
		"other host":         {upstreams.Wrong{IDToken: map[string]any{"iss": "https://evil.example/" + upstreams.Tenant + "/v2.0"}}, "iss is"},
		"xms_edov as text":   {upstreams.Wrong{IDToken: map[string]any{"xms_edov": "true"}}, "ok"},
		"email_verified":     {upstreams.Wrong{IDToken: map[string]any{"email_verified": true}}, "ok"},
		"iss of response":    {upstreams.Wrong{Iss: home}, "ok"},
		"iss, other tenant":  {upstreams.Wrong{Iss: p.URL + "/" + upstreams.OtherTenant + "/v2.0"}, "another tenant's"},
		"iss, other issuer":  {upstreams.Wrong{Iss: "https://evil.example/" + upstreams.Tenant + "/v2.0"}, "iss of the response"},
		"iss, the template":  {upstreams.Wrong{Iss: p.URL + "/{tenantid}/v2.0"}, "iss of the response"},
		"iss, tid is a path": {upstreams.Wrong{Iss: p.URL + "/x/y/v2.0"}, "iss of the response"},
	} {
		p.Misbehave(tt.wrong)
		id, err := signIn(t, c, p, "alice")
		expect(t, name, outcome(id, err), tt.want)
		if id.EmailVerified {
			t.Errorf("%s: verified", name)
		}
	}
	p.Misbehave(upstreams.Wrong{Metadata: map[string]any{"issuer": home}})
	expect(t, "metadata of one tenant", outcome(signIn(t, connect(t, microsoftConfig(p, "common")), p, "alice")), "unavailable: ", "not \""+p.URL+"/{tenantid}")
	// A key that is marked as one tenant's signs for no other.
	p.Misbehave(upstreams.Wrong{})
	for mark, want := range map[string]string{
		p.URL + "/{tenantid}/v2.0": "ok", home: "ok", p.URL + "/" + upstreams.PersonalTenant + "/v2.0": "another tenant's",
	} {
		p.MarkKeys(mark)
		expect(t, mark, outcome(signIn(t, connect(t, microsoftConfig(p, "common")), p, "alice")), want)
	}
}

func githubConfig(p *upstreams.Provider) Config {
	return Config{
		Name: "github", Kind: "github", ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret, Issuer: p.URL + "/login/oauth",
		AuthorizeURL: p.URL + "/login/oauth/authorize", TokenURL: p.URL + "/login/oauth/access_token", ProfileURL: p.URL + "/user", EmailsURL: p.URL + "/user/emails",
	}
}

func TestGitHub(t *testing.T) {
	p := upstreams.GitHub(t, upstreams.Options{})
	p.Put(upstreams.Person{Username: "eve", Subject: "9007199254740993", Email: "eve@corp.example"})
	c := connect(t, githubConfig(p))
	id, err := signIn(t, c, p, "alice")
	if err != nil || id.Subject != "1001" || id.Issuer != p.URL+"/login/oauth" || id.Email != "alice@gmail.com" || !id.EmailVerified || id.Username != "alice" ||
		id.Claims["profile"] != "https://github.com/alice" || id.IDToken != "" {
		t.Errorf("%+v, %v", id, err)
	}
	// An id that a float64 would round, and an address that wasn't confirmed.
	if id, err := signIn(t, c, p, "eve"); err != nil || id.Subject != "9007199254740993" || id.EmailVerified {
		t.Errorf("%+v, %v", id, err)
	}
	p.Misbehave(upstreams.Wrong{UserInfo: map[string]any{"email": "boss@corp.example", "email_verified": true}, Status: map[string]int{"/user/emails": 404}})
	if id, err := signIn(t, c, p, "alice"); err != nil || id.Email != "" || id.EmailVerified {
		t.Errorf("a published address: %+v, %v", id, err)
	}
	expect(t, "max_age", outcome(signIn(t, c, p, "alice", func(r *Request, _ *Callback) { r.MaxAge = new(int) })), "refused: This provider can't tell")
	p.Misbehave(upstreams.Wrong{UserInfo: map[string]any{"id": upstreams.Absent}})
	expect(t, "no id", outcome(signIn(t, c, p, "alice")), "refused: ", "no subject")
	p.Misbehave(upstreams.Wrong{Iss: "https://github.com/login/oauth"})
	expect(t, "other iss", outcome(signIn(t, c, p, "alice")), "refused: ", "iss")
	p.Misbehave(upstreams.Wrong{})
	expect(t, "no", outcome(signIn(t, c, p, "")), "denied: ")
	expect(t, "made-up code", outcome(signIn(t, c, p, "alice", func(_ *Request, cb *Callback) {
		if cb != nil {
			cb.Code = "x"
		}
	})), "refused: This sign-in", "bad_verification_code")
	bad := connect(t, with(githubConfig(p), func(c *Config) { c.ClientSecret = "wrong" }))
	expect(t, "wrong secret", outcome(signIn(t, bad, p, "alice")), "unavailable: ", "incorrect_client_credentials")
}

func TestFacebook(t *testing.T) {
	p := upstreams.Facebook(t, upstreams.Options{})
	c := connect(t, Config{
		Name: "fb", Kind: "facebook", ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret, Issuer: p.URL,
		AuthorizeURL: p.URL + "/v23.0/dialog/oauth", TokenURL: p.URL + "/v23.0/oauth/access_token", ProfileURL: p.URL + "/v23.0/me",
	})
	id, err := signIn(t, c, p, "alice")
	if err != nil || id.Subject != "1001" || id.Name != "Alice Example" || id.Claims["family_name"] != "Example" || id.Email != "alice@gmail.com" || id.EmailVerified ||
		id.Claims["picture"] != "https://pictures.example/alice.png" {
		t.Errorf("%+v, %v", id, err)
	}
	expect(t, "no", outcome(signIn(t, c, p, "")), "denied: ")
	p.Misbehave(upstreams.Wrong{Status: map[string]int{"/v23.0/me": 500}})
	expect(t, "down", outcome(signIn(t, c, p, "alice")), "unavailable: "+p.URL+"/v23.0/me: the answer has status 500")
	p.Misbehave(upstreams.Wrong{Silent: "/v23.0/me"})
	c.engine.close()
}

func TestX(t *testing.T) {
	p := upstreams.X(t, upstreams.Options{})
	c := Config{
		Name: "x", Kind: "x", ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret, Issuer: p.URL,
		AuthorizeURL: p.URL + "/i/oauth2/authorize", TokenURL: p.URL + "/2/oauth2/token", ProfileURL: p.URL + "/2/users/me",
	}
	id, err := signIn(t, connect(t, c), p, "alice")
	if err != nil || id.Subject != "1001" || id.Username != "alice" || id.Name != "Alice Example" || id.Email != "" || id.Claims["picture"] == nil {
		t.Errorf("%+v, %v", id, err)
	}
	expect(t, "made-up code", outcome(signIn(t, connect(t, c), p, "alice", func(_ *Request, cb *Callback) {
		if cb != nil {
			cb.Code = "x"
		}
	})), "refused: This sign-in", "invalid_request")
	bad := with(c, func(c *Config) { c.ClientSecret = "wrong" })
	expect(t, "wrong secret", outcome(signIn(t, connect(t, bad), p, "alice")), "unavailable: ", "unauthorized_client")
}

// The presets' addresses are the documented ones.
func TestPresetAddresses(t *testing.T) {
	for kind, want := range map[string]string{
		"google": "https://accounts.google.com/.well-known/openid-configuration", "microsoft": "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
		"github": "https://github.com/login/oauth/authorize?", "facebook": "https://www.facebook.com/v23.0/dialog/oauth?", "x": "https://x.com/i/oauth2/authorize?",
	} {
		c := Config{Name: "c", Kind: kind, ClientID: "id", ClientSecret: "s"}
		if kind == "microsoft" {
			c.Tenant = "common"
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		got := newIssuerRule(c.resolved()).metadata
		if presets[kind].family == familyOAuth2 {
			got, _ = connect(t, c).Begin(t.Context(), newRequest())
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", kind, got)
		}
	}
	rule := newIssuerRule(Config{Kind: "google"}.resolved())
	if !rule.accepts("accounts.google.com", "") || rule.canonical("accounts.google.com") != "https://accounts.google.com" || rule.accepts("https://accounts.google.com/", "") {
		t.Error("Google's issuer")
	}
}

// Case 277: an access token that another app was given is worth nothing here:
// only a code that we redeem ourselves leads to one.
func TestCase277OnlyOurCodes(t *testing.T) {
	p := upstreams.GitHub(t, upstreams.Options{})
	c := connect(t, githubConfig(p))
	stolen := p.AccessToken("alice")
	req := newRequest()
	for name, cb := range map[string]Callback{
		"as the code": {Code: stolen, State: req.State},
		"as nothing":  {State: req.State},
	} {
		got := outcome(c.Finish(t.Context(), req, cb))
		if !strings.HasPrefix(got, "refused: ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if n := len(p.Seen("/user")); n != 0 {
		t.Errorf("the profile was asked for %d times", n)
	}
}

func TestGenericOAuth2(t *testing.T) {
	p := upstreams.GitHub(t, upstreams.Options{})
	c := with(githubConfig(p), func(c *Config) {
		c.Kind, c.EmailsURL, c.Subject, c.TokenAuth, c.Scopes = "oauth2", "", "node_id", "post", List{"read:user"}
		c.Claims = map[string]string{"preferred_username": "login", "email": "mail.0.address", "email_verified": "mail.0.confirmed"}
		c.GroupsClaim, c.TrustEmail = "teams", &yes
	})
	p.Misbehave(upstreams.Wrong{UserInfo: map[string]any{"teams": []any{"a", "b", 3, "a"}, "mail": []any{map[string]any{"address": "a@b.example", "confirmed": true}}}})
	id, err := signIn(t, connect(t, c), p, "alice")
	if err != nil || id.Subject != "U_1001" || id.Username != "alice" || id.Email != "a@b.example" || !id.EmailVerified || strings.Join(id.Groups, " ") != "a b" {
		t.Errorf("%+v, %v", id, err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Issuer = "" }, func(c *Config) { c.TokenURL = "" }, func(c *Config) { c.ProfileURL = "http://idp.example/" }, func(c *Config) { c.TokenAuth = "jwt" },
	} {
		if err := with(c, change).Check(); err == nil {
			t.Error("accepted")
		}
	}
}

// A public client sends its id and no secret, and is bound by PKCE.
func TestPublicClient(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, with(oidcConfig(p), func(c *Config) { c.ClientSecret = "" }))
	_, _ = signIn(t, c, p, "alice")
	seen := p.Seen("/token")
	if len(seen) != 1 || seen[0].Header.Get("Authorization") != "" || seen[0].Form.Get("client_id") != upstreams.ClientID || seen[0].Form.Has("client_secret") ||
		seen[0].Form.Get("code_verifier") == "" {
		t.Errorf("%+v", seen)
	}
	var all []url.Values
	off := connect(t, with(oidcConfig(p), func(c *Config) { c.PKCE = &no }))
	expect(t, "without PKCE", outcome(signIn(t, off, p, "alice")), "ok")
	for _, s := range p.Seen("/token")[1:] {
		all = append(all, s.Form)
	}
	if text, _ := json.Marshal(all); strings.Contains(string(text), "code_verifier") {
		t.Errorf("%s", text)
	}
}
