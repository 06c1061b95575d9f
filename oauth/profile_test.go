package oauth

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestProfileRules: what a request of a client must be; FAPI 2.0 Security Profile §5.3.2.2, RFC 9126 §6,
// RFC 9101 §10.5.
func TestProfileRules(t *testing.T) {
	for _, c := range []struct {
		name           string
		m              Metadata
		pushed, signed bool
		want, rule     string
	}{
		{"oauth21", Metadata{Profile: ProfileOAuth21}, false, false, "ok", ""},
		{"compatible", Metadata{Profile: ProfileCompatible}, false, false, "ok", ""},
		{"fapi2 plain", Metadata{Profile: ProfileFAPI2}, false, false, "invalid_request request_uri", "profile fapi2"},
		{"fapi2 signed", Metadata{Profile: ProfileFAPI2}, false, true, "invalid_request request_uri", "profile fapi2"},
		{"fapi2 pushed", Metadata{Profile: ProfileFAPI2}, true, false, "ok", ""},
		{"must push", Metadata{Profile: ProfileOAuth21, RequirePushed: true}, false, false, "invalid_request request_uri", "registered to push"},
		{"must push, pushed", Metadata{Profile: ProfileOAuth21, RequirePushed: true}, true, false, "ok", ""},
		{"must sign", Metadata{Profile: ProfileOAuth21, RequireSignedRequest: true}, true, false, "invalid_request request", "registered to sign"},
		{"must sign, signed", Metadata{Profile: ProfileOAuth21, RequireSignedRequest: true}, false, true, "ok", ""},
	} {
		err := ruleProfile(t.Context(), nil, &Client{Metadata: c.m}, Request{}, &AuthorizationRequest{pushed: c.pushed, signed: c.signed})
		if got := told(err); got != c.want || err != nil && !strings.Contains(err.Description, c.rule) {
			t.Errorf("%s: %s %v", c.name, got, err)
		}
	}
}

const fapiKeys = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// TestProfileRegistration: a registration that profile fapi2 can't be kept with
// is refused, and says by which rule.
func TestProfileRegistration(t *testing.T) {
	good := Metadata{
		Name: "Bank", Type: TypeWeb, Profile: ProfileFAPI2, AuthMethod: AuthPrivateJWT, JWKS: json.RawMessage(fapiKeys), RedirectURIs: []string{"https://bank.example/cb"},
	}
	for name, c := range map[string]struct {
		change func(*Metadata)
		want   string
	}{
		"good":            {func(*Metadata) {}, "ok"},
		"method left out": {func(m *Metadata) { m.AuthMethod = "" }, "ok"},
		"self-signed":     {func(m *Metadata) { m.AuthMethod = AuthSelfSigned }, "ok"},
		"by name":         {func(m *Metadata) { m.AuthMethod, m.JWKS, m.TLSDN = AuthTLS, nil, "CN=bank" }, "ok"},
		"secret":          {func(m *Metadata) { m.AuthMethod, m.JWKS = AuthBasic, nil }, "invalid_client_metadata token_endpoint_auth_method"},
		"secret JWT":      {func(m *Metadata) { m.AuthMethod = AuthSecretJWT }, "invalid_client_metadata token_endpoint_auth_method"},
		"public":          {func(m *Metadata) { m.AuthMethod, m.Type = AuthNone, TypeNative }, "invalid_client_metadata token_endpoint_auth_method"},
		"RS256 ID token":  {func(m *Metadata) { m.IDTokenAlg = "RS256" }, "invalid_client_metadata id_token_signed_response_alg"},
		"RS256 assertion": {func(m *Metadata) { m.AuthAlg = "RS256" }, "invalid_client_metadata token_endpoint_auth_signing_alg"},
		"private scheme":  {func(m *Metadata) { m.Type, m.RedirectURIs = TypeNative, []string{"com.example.app:/cb"} }, "invalid_redirect_uri redirect_uris"},
	} {
		m := good
		c.change(&m)
		client, err := NewClient("bank", m, "https://as.example")
		if got := told(err); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if err == nil && client.idTokenAlg() == "RS256" {
			t.Errorf("%s: ID tokens by RS256", name)
		}
	}
}

// TestStepUp: RFC 9470 §4; OpenID Connect Core §3.1.2.1.
func TestStepUp(t *testing.T) {
	essential := func(values ...any) *ClaimsRequest {
		return &ClaimsRequest{IDToken: map[string]*ClaimRequest{"acr": {Essential: true, Values: values}}}
	}
	for _, c := range []struct {
		values  string
		claims  *ClaimsRequest
		factors int
		demand  string
		reached string
		want    bool
	}{
		{reached: "1"},
		{values: "1", reached: "1"},
		{values: "2", reached: "1", want: true},
		{values: "2 1", reached: "1"},
		{values: "2", reached: "2"},
		{values: "gold", reached: "1"},
		{values: "gold 2", reached: "1", want: true},
		{claims: essential("2"), reached: "1", want: true},
		{claims: essential("1", "2"), reached: "1"},
		{claims: essential(), reached: "1"},
		{claims: &ClaimsRequest{IDToken: map[string]*ClaimRequest{"acr": {Value: "2"}}}, reached: "1"},
		{factors: 2, reached: "1", want: true},
		{factors: 1, reached: "1"},
		{factors: 2, reached: "2"},
		{demand: "2", reached: "1", want: true},
		{demand: "2", reached: "2"},
	} {
		in := &Interaction{Request: AuthorizationRequest{ACRValues: strings.Fields(c.values), Claims: c.claims}}
		client := &Client{Metadata: Metadata{Reserved: Reserved{Factors: c.factors}}}
		standing := Standing{Session: Session{ID: "s", ACR: c.reached, Demand: c.demand}}
		if got := needsFactor(client, in, standing); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestGroups: membership bars scopes and apps, and only those that name groups.
func TestGroups(t *testing.T) {
	catalog := &Catalog{Scopes: map[string]Scope{"free": {}, "staff": {Groups: []string{"staff", "admins"}}}}
	for _, c := range []struct{ groups, want string }{{"", "staff"}, {"guests", "staff"}, {"admins guests", ""}} {
		got := strings.Join(catalog.barred([]string{"free", "staff"}, strings.Fields(c.groups)), " ")
		if got != c.want {
			t.Errorf("%q: %q", c.groups, got)
		}
	}
	app := &Client{Metadata: Metadata{Reserved: Reserved{Groups: []string{"staff"}}}}
	if app.admits(nil) || app.admits([]string{"guests"}) || !app.admits([]string{"guests", "staff"}) || !new(Client).admits(nil) {
		t.Error("an app for a group admits others, or not its own")
	}
}

// TestDeviceState: RFC 8628 §3.5, in this order.
func TestDeviceState(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	later, earlier := now.Add(time.Minute), now.Add(-time.Minute)
	for name, c := range map[string]struct {
		device Device
		want   string
	}{
		"waits":         {Device{ExpiresAt: later}, "authorization_pending"},
		"hurries":       {Device{ExpiresAt: later, TooSoon: true}, "slow_down"},
		"approved":      {Device{ExpiresAt: later, Decision: DeviceApproved}, "ok"},
		"approved fast": {Device{ExpiresAt: later, Decision: DeviceApproved, TooSoon: true}, "slow_down"},
		"denied":        {Device{ExpiresAt: later, Decision: DeviceDenied, TooSoon: true}, "access_denied device_code"},
		"expired":       {Device{ExpiresAt: earlier}, "expired_token device_code"},
		"too late":      {Device{ExpiresAt: earlier, Decision: DeviceApproved}, "expired_token device_code"},
	} {
		if got := told(deviceState(&c.device, now)); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
