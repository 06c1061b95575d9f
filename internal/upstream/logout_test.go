package upstream

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/upstreams"
)

// OpenID Connect Back-Channel Logout §2.6, from the other side.
func TestLogoutToken(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, oidcConfig(p))
	event := "http://schemas.openid.net/event/backchannel-logout"
	claim := func(name string, v any) map[string]any { return map[string]any{name: v} }
	for name, tt := range map[string]struct {
		alg, typ string
		claims   map[string]any
		want     string
	}{
		"right":              {"", "logout+jwt", nil, "1001 session-of-alice"},
		"media type":         {"", "application/logout+jwt", nil, "1001 session-of-alice"},
		"no type":            {"", "", nil, "1001 session-of-alice"},
		"JWT":                {"", "JWT", nil, "1001 session-of-alice"},
		"ES256":              {"ES256", "logout+jwt", nil, "1001 session-of-alice"},
		"session alone":      {"", "", claim("sub", upstreams.Absent), " session-of-alice"},
		"subject alone":      {"", "", claim("sid", upstreams.Absent), "1001 "},
		"neither":            {"", "", map[string]any{"sub": upstreams.Absent, "sid": upstreams.Absent}, "refused"},
		"an access token":    {"", "at+jwt", nil, "refused"},
		"alg none":           {"none", "", nil, "refused"},
		"alg HS256":          {"HS256", "", nil, "refused"},
		"other iss":          {"", "", claim("iss", "https://evil.example"), "refused"},
		"other aud":          {"", "", claim("aud", "another-app"), "refused"},
		"several aud":        {"", "", claim("aud", []string{upstreams.ClientID, "another-app"}), "refused"},
		"aud in a list":      {"", "", claim("aud", []string{upstreams.ClientID}), "1001 session-of-alice"},
		"with nonce":         {"", "", claim("nonce", "n"), "refused"},
		"nonce null":         {"", "", claim("nonce", nil), "refused"},
		"no events":          {"", "", claim("events", upstreams.Absent), "refused"},
		"other event":        {"", "", claim("events", map[string]any{"x": map[string]any{}}), "refused"},
		"event isn't object": {"", "", claim("events", map[string]any{event: true}), "refused"},
		"event null":         {"", "", claim("events", map[string]any{event: nil}), "refused"},
		"events a list":      {"", "", claim("events", []string{event}), "refused"},
		"no jti":             {"", "", claim("jti", upstreams.Absent), "refused"},
		"no iat":             {"", "", claim("iat", upstreams.Absent), "refused"},
		"iat ahead":          {"", "", claim("iat", time.Now().Add(10*time.Minute).Unix()), "refused"},
		"no exp":             {"", "", claim("exp", upstreams.Absent), "refused"},
		"expired":            {"", "", claim("exp", time.Now().Add(-2*time.Minute).Unix()), "refused"},
		"sub a number":       {"", "", claim("sub", 1001), "refused"},
		"sid a number":       {"", "", claim("sid", 1), "refused"},
	} {
		iss, sub, sid, jti, err := c.LogoutToken(t.Context(), p.LogoutToken("alice", tt.alg, tt.typ, tt.claims))
		got := sub + " " + sid
		var refused *Refused
		switch {
		case errors.As(err, &refused) && iss+sub+sid+jti == "":
			got = "refused"
		case err != nil || iss != p.URL || jti == "":
			got = "another outcome"
		}
		if got != tt.want {
			t.Errorf("%s: %s, %v", name, got, Cause(err))
		}
	}
	for _, token := range []string{"", "x", "a.b.c", "...."} {
		if _, _, _, _, err := c.LogoutToken(t.Context(), token); err == nil {
			t.Errorf("%q is taken", token)
		}
	}
	// An ID token isn't one.
	id, err := signIn(t, c, p, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := c.LogoutToken(t.Context(), id.IDToken); err == nil {
		t.Error("an ID token ends sessions")
	}
}

func TestLogoutURL(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	address, err := connect(t, oidcConfig(p)).LogoutURL(t.Context(), "the.id.token", "https://auth.example/done", "st&te")
	want := p.URL + "/logout?" + url.Values{
		"client_id": {upstreams.ClientID}, "id_token_hint": {"the.id.token"}, "post_logout_redirect_uri": {"https://auth.example/done"}, "state": {"st&te"},
	}.Encode()
	if address != want || err != nil {
		t.Errorf("%s, %v", address, err)
	}
	google := upstreams.Google(t, upstreams.Options{})
	if address, err := connect(t, googleConfig(google)).LogoutURL(t.Context(), "t", "u", "s"); address != "" || err != nil {
		t.Errorf("Google: %q, %v", address, err)
	}
	github := upstreams.GitHub(t, upstreams.Options{})
	c := connect(t, githubConfig(github))
	if address, err := c.LogoutURL(t.Context(), "t", "u", "s"); address != "" || err != nil {
		t.Errorf("GitHub: %q, %v", address, err)
	}
	if _, _, _, _, err := c.LogoutToken(t.Context(), "t"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("GitHub: %v", err)
	}
}
