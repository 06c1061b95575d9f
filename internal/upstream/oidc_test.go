package upstream

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/upstreams"
)

func TestOIDC(t *testing.T) {
	for _, tls := range []bool{false, true} {
		p := upstreams.OIDC(t, upstreams.Options{TLS: tls})
		c := connect(t, with(oidcConfig(p), func(c *Config) { c.GroupsClaim = "groups"; c.Groups = map[string]string{"staff": "employees"} }))
		id, err := signIn(t, c, p, "alice")
		if err != nil {
			t.Fatal(outcome(id, err))
		}
		if id.IDToken == "" || !id.AuthTime.IsZero() {
			t.Errorf("%+v", id)
		}
		id.IDToken = ""
		want := Identity{
			Connector: "corp", Issuer: p.URL, Subject: "1001", Username: "alice", Name: "Alice Example", Email: "alice@gmail.com",
			Groups: []string{"employees"}, Session: "session-of-alice",
			Claims: map[string]any{
				"name": "Alice Example", "given_name": "Alice", "family_name": "Example", "preferred_username": "alice",
				"picture": "https://pictures.example/alice.png", "email": "alice@gmail.com", "email_verified": false,
			},
		}
		if !reflect.DeepEqual(id, want) {
			t.Errorf("got  %+v\nwant %+v", id, want)
		}
	}
}

func TestBegin(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, with(oidcConfig(p), func(c *Config) {
		c.Scopes, c.Prompt = List{"email"}, List{"select_account"}
		c.ACRValues = map[string]string{"2": "urn:okta:loa:2fa:any", "urn:bank": "gold silver"}
	}))
	req, age := newRequest(), 60
	req.LoginHint, req.MaxAge, req.UILocales, req.ACRValues = "a@b.example", &age, []string{"de", "en"}, []string{"urn:partner", "2", "urn:bank"}
	read := func(req Request) url.Values {
		address, err := c.Begin(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		base, query, _ := strings.Cut(address, "?")
		if base != p.URL+"/authorize" {
			t.Errorf("authorize at %s", base)
		}
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	q := read(req)
	if len(q["code_challenge"]) != 1 || len(q.Get("code_challenge")) != 43 || strings.Contains(q.Encode(), req.Verifier) {
		t.Errorf("challenge %q", q["code_challenge"])
	}
	q.Del("code_challenge")
	want := url.Values{
		"response_type": {"code"}, "client_id": {upstreams.ClientID}, "redirect_uri": {req.RedirectURI}, "scope": {"openid email"}, "state": {req.State},
		"nonce": {req.Nonce}, "code_challenge_method": {"S256"}, "login_hint": {"a@b.example"}, "prompt": {"select_account"}, "max_age": {"60"},
		"ui_locales": {"de en"}, "acr_values": {"urn:okta:loa:2fa:any gold silver"},
	}
	if !reflect.DeepEqual(q, want) {
		t.Errorf("got  %v\nwant %v", q, want)
	}
	req.ACRValues = []string{"urn:partner"}
	if q := read(req); q.Has("acr_values") {
		t.Errorf("what isn't mapped went out: %q", q["acr_values"])
	}
	req.Prompt = []string{"login", "consent"}
	if q := read(req); q.Get("prompt") != "login consent" {
		t.Errorf("prompt %q", q.Get("prompt"))
	}
	for name, change := range map[string]func(*Request){
		"state": func(r *Request) { r.State = "" }, "nonce": func(r *Request) { r.Nonce = "" }, "redirect_uri": func(r *Request) { r.RedirectURI = "" },
		"verifier": func(r *Request) { r.Verifier = "short" },
	} {
		bad := newRequest()
		change(&bad)
		if address, err := c.Begin(t.Context(), bad); err == nil {
			t.Errorf("without %s: %s", name, address)
		}
	}
}

// Case 266: every way in which an ID token may be another's. Cases 265 and 268
// as far as tokens go. Case 328: 59 s are a clock's, 61 s are not.
func TestCase266IDToken(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, oidcConfig(p))
	now := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	claim := func(name string, v any) upstreams.Wrong { return upstreams.Wrong{IDToken: map[string]any{name: v}} }
	for name, tt := range map[string]struct {
		wrong upstreams.Wrong
		want  string
	}{
		"right":                   {upstreams.Wrong{}, "ok"},
		"other aud":               {claim("aud", "another-app"), "audience"},
		"empty aud":               {claim("aud", []string{}), "refused: "},
		"aud a number":            {claim("aud", 1), "refused: "},
		"several aud, no azp":     {claim("aud", []string{upstreams.ClientID, "another-app"}), "no azp"},
		"several aud, our azp":    {upstreams.Wrong{IDToken: map[string]any{"aud": []string{"another-app", upstreams.ClientID}, "azp": upstreams.ClientID}}, "ok"},
		"several aud, other azp":  {upstreams.Wrong{IDToken: map[string]any{"aud": []string{upstreams.ClientID, "another-app"}, "azp": "another-app"}}, "azp isn't"},
		"one aud, other azp":      {claim("azp", "another-app"), "azp isn't"},
		"one aud in a list":       {claim("aud", []string{upstreams.ClientID}), "ok"},
		"other iss":               {claim("iss", "https://evil.example"), "different provider"},
		"iss with a slash":        {claim("iss", p.URL+"/"), "different provider"},
		"no iss":                  {claim("iss", upstreams.Absent), "different provider"},
		"exp past, 59 s":          {claim("exp", now(-58*time.Second)), "ok"},
		"exp past, 61 s":          {claim("exp", now(-61*time.Second)), "expired"},
		"no exp":                  {claim("exp", upstreams.Absent), "expired"},
		"iat ahead, 59 s":         {claim("iat", now(59*time.Second)), "ok"},
		"iat ahead, 61 s":         {claim("iat", now(62*time.Second)), "iat"},
		"iat ahead, 10 min":       {claim("iat", now(10*time.Minute)), "iat"},
		"no iat":                  {claim("iat", upstreams.Absent), "iat"},
		"nbf ahead, 2 min":        {claim("nbf", now(2*time.Minute)), "nbf"},
		"alg none":                {upstreams.Wrong{Alg: "none"}, "refused: "},
		"alg HS256":               {upstreams.Wrong{Alg: "HS256"}, "refused: "},
		"alg RS384":               {upstreams.Wrong{Alg: "RS384"}, "refused: "},
		"alg ES256":               {upstreams.Wrong{Alg: "ES256"}, "ok"},
		"alg PS256":               {upstreams.Wrong{Alg: "PS256"}, "ok"},
		"alg EdDSA":               {upstreams.Wrong{Alg: "EdDSA"}, "ok"},
		"another key":             {upstreams.Wrong{OtherKey: true}, "signature"},
		"a logout token":          {upstreams.Wrong{Typ: "logout+jwt"}, "typ"},
		"an access token":         {upstreams.Wrong{Typ: "at+jwt"}, "typ"},
		"no ID token":             {upstreams.Wrong{NoToken: true}, "no ID token"},
		"no nonce":                {claim("nonce", upstreams.Absent), "nonce"},
		"other nonce":             {claim("nonce", "another"), "nonce"},
		"nonce a number":          {claim("nonce", 1), "refused: "},
		"at_hash of another":      {claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"},
		"empty at_hash":           {claim("at_hash", ""), "at_hash"},
		"no at_hash":              {claim("at_hash", upstreams.Absent), "ok"},
		"empty sub":               {claim("sub", ""), "subject"},
		"no sub":                  {claim("sub", upstreams.Absent), "subject"},
		"sub a number":            {claim("sub", 1001), "refused: "},
		"sub null":                {claim("sub", nil), "subject"},
		"sub a list":              {claim("sub", []string{"1001"}), "refused: "},
		"sub of 255":              {claim("sub", strings.Repeat("s", 255)), "ok"},
		"sub of 256":              {claim("sub", strings.Repeat("s", 256)), "255"},
		"sub with a NUL":          {claim("sub", "10\x0001"), "control"},
		"sub with a line break":   {claim("sub", "1001\n"), "control"},
		"SUB beside it":           {claim("SUB", "1002"), "ok"},
		"SUB instead":             {upstreams.Wrong{IDToken: map[string]any{"sub": upstreams.Absent, "SUB": "1002"}}, "subject"},
		"sub and long s":          {claim("\u017fub", "1002"), "ok"},
		"another's distributed":   {upstreams.Wrong{IDToken: map[string]any{"_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://x.example"}}}}, "ok"},
		"auth_time in the future": {claim("auth_time", now(time.Hour)), "auth_time"},
	} {
		p.Misbehave(tt.wrong)
		id, err := signIn(t, c, p, "alice")
		got := outcome(id, err)
		expect(t, name, got, tt.want)
		if err == nil && id.Subject != "1001" && name != "sub of 255" {
			t.Errorf("%s: subject %q", name, id.Subject)
		}
		if err != nil && !strings.HasPrefix(got, "refused: ") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Case 265: what comes back to the wrong sign-in, or without what it must have.
func TestCase265Callback(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, oidcConfig(p))
	for name, tt := range map[string]struct {
		change func(*Request, *Callback)
		want   string
	}{
		"no state":        {func(_ *Request, cb *Callback) { cb.State = "" }, "refused: This sign-in is too old"},
		"other state":     {func(_ *Request, cb *Callback) { cb.State = "x" }, "refused: This sign-in is too old"},
		"no state at all": {func(r *Request, cb *Callback) { cb.State, r.State = "", "" }, "refused: This sign-in is too old"},
		"other verifier":  {func(r *Request, _ *Callback) { r.Verifier = strings.Repeat("v", 43) }, "invalid_grant"},
		"other redirect":  {func(r *Request, _ *Callback) { r.RedirectURI = "https://auth.example/other" }, "invalid_grant"},
		"other nonce":     {func(r *Request, _ *Callback) { r.Nonce = "x" }, "nonce"},
		"no nonce":        {func(r *Request, _ *Callback) { r.Nonce = "" }, "nonce"},
		"no code":         {func(_ *Request, cb *Callback) { cb.Code = "" }, "neither error nor a code"},
		"endless code":    {func(_ *Request, cb *Callback) { cb.Code = strings.Repeat("c", 5000) }, "neither error nor a code"},
		"made-up code":    {func(_ *Request, cb *Callback) { cb.Code = "c" }, "invalid_grant"},
		"other iss":       {func(_ *Request, cb *Callback) { cb.Iss = "https://evil.example" }, "iss of the response"},
		"our iss":         {func(_ *Request, cb *Callback) { cb.Iss = p.URL }, "ok"},
		"said no":         {func(_ *Request, cb *Callback) { cb.Code, cb.Error = "", "access_denied" }, "denied: "},
		"must ask":        {func(_ *Request, cb *Callback) { cb.Code, cb.Error = "", "login_required" }, "interaction: "},
		"in trouble":      {func(_ *Request, cb *Callback) { cb.Code, cb.Error = "", "server_error" }, "unavailable: "},
		"unknown error":   {func(_ *Request, cb *Callback) { cb.Code, cb.Error = "", "\x1b[31m\r\n" }, `unavailable: the provider answered "?[31m??"`},
	} {
		got := outcome(signIn(t, c, p, "alice", func(r *Request, cb *Callback) {
			if cb != nil {
				tt.change(r, cb)
			}
		}))
		expect(t, name, got, tt.want)
	}
	expect(t, "the button that says no", outcome(signIn(t, c, p, "")), "denied: ")
	// Used again: the code is the provider's to count, and it says so.
	var first Callback
	var req Request
	if _, err := signIn(t, c, p, "alice", func(r *Request, cb *Callback) {
		if cb != nil {
			req, first = *r, *cb
		}
	}); err != nil {
		t.Fatal(err)
	}
	expect(t, "reused", outcome(c.Finish(t.Context(), req, first)), "refused: This sign-in is too old or was used")
}

// RFC 9207 §2.4: a provider that promises iss and leaves it out is perhaps
// another. Nothing is sent to its token endpoint then.
func TestResponseIssuer(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	promise := map[string]any{"authorization_response_iss_parameter_supported": true}
	p.Misbehave(upstreams.Wrong{Metadata: promise})
	c := connect(t, oidcConfig(p))
	expect(t, "left out", outcome(signIn(t, c, p, "alice")), "refused: ", "promises")
	p.Misbehave(upstreams.Wrong{Metadata: promise, Iss: "https://evil.example"})
	expect(t, "other", outcome(signIn(t, c, p, "alice")), "refused: ", "evil.example")
	if n := len(p.Seen("/token")); n != 0 {
		t.Errorf("%d codes sent", n)
	}
	expect(t, "an error without it", outcome(signIn(t, c, p, "")), "refused: ")
	p.Misbehave(upstreams.Wrong{Metadata: promise, Iss: p.URL})
	expect(t, "right", outcome(signIn(t, c, p, "alice")), "ok")
}

func TestMaxAge(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, with(oidcConfig(p), func(c *Config) { c.TrustACR = true }))
	ago := func(d time.Duration) map[string]any {
		return map[string]any{"auth_time": time.Now().Add(-d).Unix(), "acr": "2", "amr": []string{"pwd", "otp"}}
	}
	asked := func(age int) func(*Request, *Callback) { return func(r *Request, _ *Callback) { r.MaxAge = &age } }
	p.Misbehave(upstreams.Wrong{IDToken: ago(100 * time.Second)})
	id, err := signIn(t, c, p, "alice", asked(60))
	if err != nil || time.Since(id.AuthTime) < 99*time.Second || id.ACR != "2" || len(id.AMR) != 2 {
		t.Errorf("%+v, %v", id, err)
	}
	p.Misbehave(upstreams.Wrong{IDToken: ago(122 * time.Second)})
	expect(t, "too long ago", outcome(signIn(t, c, p, "alice", asked(60))), "refused: You have to sign in", "max_age")
	p.Misbehave(upstreams.Wrong{IDToken: map[string]any{"auth_time": upstreams.Absent}})
	expect(t, "not said", outcome(signIn(t, c, p, "alice", asked(60))), "refused: ", "no auth_time")
	p.Misbehave(upstreams.Wrong{IDToken: map[string]any{"auth_time": "1700000000"}})
	expect(t, "text", outcome(signIn(t, c, p, "alice", asked(60))), "refused: ", "no auth_time")
	untrusting := connect(t, oidcConfig(p))
	p.Misbehave(upstreams.Wrong{IDToken: ago(0)})
	if id, err := signIn(t, untrusting, p, "alice"); err != nil || id.ACR != "" || id.AMR != nil {
		t.Errorf("acr is believed: %+v, %v", id, err)
	}
}
