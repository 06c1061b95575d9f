package upstream

import (
	"encoding/json"
	"testing"

	"github.com/valetkey/valetkey/test/upstreams"
)

// Case 268: userinfo of somebody else (OpenID Connect Core §5.3.2).
func TestCase268UserInfo(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, with(oidcConfig(p), func(c *Config) { c.UserInfo = &yes }))
	for name, tt := range map[string]struct {
		info map[string]any
		want string
	}{
		"right":      {nil, "ok"},
		"other sub":  {map[string]any{"sub": "1002"}, "sub of userinfo"},
		"no sub":     {map[string]any{"sub": upstreams.Absent}, "sub of userinfo"},
		"empty sub":  {map[string]any{"sub": ""}, "sub of userinfo"},
		"sub number": {map[string]any{"sub": 1001}, "sub of userinfo"},
		"SUB":        {map[string]any{"sub": upstreams.Absent, "SUB": "1001"}, "sub of userinfo"},
	} {
		p.Misbehave(upstreams.Wrong{UserInfo: tt.info})
		expect(t, name, outcome(signIn(t, c, p, "alice")), tt.want)
	}
	p.Misbehave(upstreams.Wrong{UserInfo: map[string]any{"iss": "https://evil.example", "hd": "evil.example", "name": "New Name"}})
	if id, err := signIn(t, c, p, "alice"); err != nil || id.Issuer != p.URL || id.Name != "New Name" {
		t.Errorf("%+v, %v", id, err)
	}
	p.Misbehave(upstreams.Wrong{Status: map[string]int{"/userinfo": 503}})
	expect(t, "down", outcome(signIn(t, c, p, "alice")), "unavailable: ", "status 503")
}

// userinfo is asked when something is missing, and not otherwise.
func TestUserInfoWhenNeeded(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	asked := func(c Config, w upstreams.Wrong) int {
		p.Misbehave(w)
		before := len(p.Seen("/userinfo"))
		expect(t, "sign-in", outcome(signIn(t, connect(t, c), p, "alice")), "ok")
		return len(p.Seen("/userinfo")) - before
	}
	less := upstreams.Wrong{IDToken: map[string]any{"email": upstreams.Absent, "email_verified": upstreams.Absent}}
	nothing := upstreams.Wrong{IDToken: map[string]any{"groups": upstreams.Absent}}
	plain := oidcConfig(p)
	for name, tt := range map[string]struct {
		c    Config
		w    upstreams.Wrong
		want int
	}{
		"all is there":         {plain, upstreams.Wrong{}, 0},
		"no address":           {plain, less, 1},
		"no address, not mine": {with(plain, func(c *Config) { c.Scopes = List{"openid", "profile"} }), less, 0},
		"no groups":            {with(plain, func(c *Config) { c.GroupsClaim = "groups" }), nothing, 1},
		"never":                {with(plain, func(c *Config) { c.UserInfo = &no }), less, 0},
		"always":               {with(plain, func(c *Config) { c.UserInfo = &yes }), upstreams.Wrong{}, 1},
	} {
		if got := asked(tt.c, tt.w); got != tt.want {
			t.Errorf("%s: asked %d times", name, got)
		}
	}
}

// Case 262: an address is verified by JSON's true, of a provider that may be
// believed, and of that very address.
func TestCase262EmailVerified(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	trusting := connect(t, with(oidcConfig(p), func(c *Config) { c.TrustEmail = &yes }))
	for name, tt := range map[string]struct {
		token, info map[string]any
		want        bool
	}{
		"true":                   {map[string]any{"email_verified": true}, nil, true},
		"false":                  {map[string]any{"email_verified": false}, nil, false},
		"absent":                 {map[string]any{"email_verified": upstreams.Absent}, nil, false},
		"text":                   {map[string]any{"email_verified": "true"}, nil, false},
		"1":                      {map[string]any{"email_verified": 1}, nil, false},
		"null":                   {map[string]any{"email_verified": nil}, nil, false},
		"a list":                 {map[string]any{"email_verified": []bool{true}}, nil, false},
		"EMAIL_VERIFIED":         {map[string]any{"email_verified": upstreams.Absent, "EMAIL_VERIFIED": true}, nil, false},
		"of no address":          {map[string]any{"email": upstreams.Absent}, map[string]any{"email": upstreams.Absent}, false},
		"of a broken address":    {map[string]any{"email": "alice@gmail.com@evil.example"}, nil, false},
		"of another, userinfo's": {map[string]any{"name": upstreams.Absent}, map[string]any{"email": "boss@corp.example", "email_verified": upstreams.Absent}, false},
		"both by userinfo":       {map[string]any{"email": upstreams.Absent, "email_verified": upstreams.Absent}, nil, true},
	} {
		p.Misbehave(upstreams.Wrong{IDToken: tt.token, UserInfo: tt.info})
		id, err := signIn(t, trusting, p, "alice")
		if err != nil || id.EmailVerified != tt.want || id.Email != "" && id.Claims["email_verified"] != tt.want || id.Email == "" && id.Claims["email_verified"] != nil {
			t.Errorf("%s: %v %v, %v", name, id.EmailVerified, id.Claims, err)
		}
	}
	p.Misbehave(upstreams.Wrong{})
	if id, err := signIn(t, connect(t, oidcConfig(p)), p, "alice"); err != nil || id.EmailVerified || id.Email == "" {
		t.Errorf("untrusted: %+v, %v", id, err)
	}
}

// What a provider says becomes a claim only where it has the right form.
func TestClaims(t *testing.T) {
	m := mapping{claims: map[string]string{"given_name": "vorname", "locale": "settings.lang", "nickname": "https://x.example/nick", "zoneinfo": "zones.1"}}
	p, err := readProfile([]byte(`{"vorname":" Jörg ","given_name":"no","settings":{"lang":"de"},"https://x.example/nick":"jo","zones":["a","Europe/Berlin"],
		"name":"a\u0000b","family_name":7,"picture":"http://x.example/p.png","profile":"javascript:alert(1)","website":"http://x.example",
		"updated_at":1700000000.5,"address":{"formatted":"a\nb","country":"DE","evil":1},"phone_number_verified":true,"sub":"x","role":"admin","email":"a@X.example"}`))
	if err != nil {
		t.Fatal(err)
	}
	id := Identity{}
	if err := m.apply(&id, p, true); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(id.Claims)
	want := `{"address":{"country":"DE","formatted":"a\nb"},"email":"a@x.example","email_verified":false,"given_name":"Jörg","locale":"de","nickname":"jo","updated_at":1700000000,"website":"http://x.example","zoneinfo":"Europe/Berlin"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, picture := range []string{"https://user@x.example/p.png", "//x.example/p.png", "data:image/png;base64,AA", "https:///p.png", "x", "https://x.example/\u0007"} {
		quoted, _ := json.Marshal(picture)
		if got := readPicture(profile{"p": quoted}, "p"); got != nil {
			t.Errorf("%q: %v", picture, got)
		}
	}
	if got := readPicture(profile{"p": json.RawMessage(`"https://x.example/p.png?s=1"`)}, "p"); got == nil {
		t.Error("an https picture is dropped")
	}
	for _, body := range []string{`{"a":1,"a":2}`, `[]`, `null`, `{"a":1} x`, `{`, ``, "{\"a\":\"\xff\"}"} {
		if p, err := readProfile([]byte(body)); err == nil {
			t.Errorf("%s: %v", body, p)
		}
	}
}

func TestSubject(t *testing.T) {
	for raw, want := range map[string]string{
		`1`: "1", `9007199254740993`: "9007199254740993", `"1"`: "1", `1.0`: "", `1e3`: "", `-1`: "", `01`: "", `true`: "", `null`: "", `""`: "", `[1]`: "",
	} {
		p := profile{"id": json.RawMessage(raw)}
		if got, err := p.subject("id"); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
}
