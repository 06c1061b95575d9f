package web

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/oauth"
)

const (
	ownKey     = `{"kty":"EC","crv":"P-256","kid":"mine","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	ownKeys    = `{"keys":[` + ownKey + `]}`
	stolenKeys = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`
)

// withCertificates sets the rules up for client certificates.
func withCertificates(s *oauth.Server) {
	fetching(s)
	s.MTLSURL, s.ClientCAs = "https://mtls.as.example", x509.NewCertPool()
}

// workshop is a house with a developer at its door.
func workshop(t *testing.T, rules func(*oauth.Server), change ...func(*oauth.Metadata)) (*house, *visitor, *oauth.Client) {
	t.Helper()
	h := newHouseOf(t, rules)
	ada := h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	oauth21 := func(m *oauth.Metadata) { m.Profile = oauth.ProfileOAuth21 }
	return h, v, h.client("sales", ada.Subject, append([]func(*oauth.Metadata){oauth21}, change...)...)
}

const securityPath = "/developer/apps/sales/security"

// secure submits the security page with changes; a value of "-" leaves a field
// out.
func (v *visitor) secure(id string, pairs ...string) answer {
	v.h.t.Helper()
	action, fields := formIn(v.h.t, v.get("/developer/apps/"+id+"/security").text, "security-form")
	for i := 0; i+1 < len(pairs); i += 2 {
		switch {
		case pairs[i+1] == "-":
			fields.Del(pairs[i])
		case pairs[i] == "grant":
			fields.Add(pairs[i], pairs[i+1])
		default:
			fields.Set(pairs[i], pairs[i+1])
		}
	}
	return v.post(action, fields)
}

func TestGoldenSecurity(t *testing.T) {
	h, v, c := workshop(t, withCertificates)
	golden(t, "security_oauth21", v.get(securityPath))
	a := v.secure("sales", "profile", "fapi2")
	a.has(t, 422, "FAPI 2.0 takes a token signed with a private key", "One field needs another look.")
	golden(t, "security_refused", a)
	for _, row := range []struct{ name, pairs string }{
		{"compatible", "profile=compatible&method=client_secret_post"},
		{"tls", "profile=oauth21&method=tls_client_auth&tls_kind=dn&tls_name=CN=app.example&certificate=1"},
		{"fapi2", "profile=fapi2&method=private_key_jwt&dpop=1&certificate=-&pushed=1&signed=1&subject=pairwise&jwks=" + url.QueryEscape(ownKeys) +
			"&backchannel=https://app.saleswave.example/out&initiate=https://app.saleswave.example/start&alg_id_token=ES256"},
	} {
		q, err := url.ParseQuery(row.pairs)
		ok(t, err)
		var pairs []string
		for name := range q {
			pairs = append(pairs, name, q.Get(name))
		}
		if a := v.secure("sales", pairs...); a.Code != 303 {
			t.Fatalf("%s: %d %s", row.name, a.Code, a.text)
		}
		golden(t, "security_"+row.name, v.get(securityPath))
		golden(t, "developer_app_"+row.name, v.get("/developer/apps/sales"))
	}
	a = v.secure("sales", "profile", "oauth21", "method", "client_secret_jwt")
	a.has(t, 200, `id="client-secret"`, "the tokens that it had have stopped working")
	golden(t, "developer_given", a)
	golden(t, "developer_app_secret_jwt", v.get("/developer/apps/sales"))
	h.client("page", c.Owner, func(m *oauth.Metadata) { m.Type = oauth.TypeSPA })
	golden(t, "security_spa", v.get("/developer/apps/page/security"))
	h.client("robot", c.Owner, func(m *oauth.Metadata) { *m = oauth.Metadata{Name: "Robot", Type: oauth.TypeService} })
	golden(t, "security_service", v.get("/developer/apps/robot/security"))
	tv := h.tv()
	tv.Owner = c.Owner
	ok(t, h.Store.DeleteClient(t.Context(), tv.ID))
	tv.ID = "tv2"
	ok(t, h.Store.CreateClient(t.Context(), tv))
	golden(t, "developer_app_device", v.get("/developer/apps/tv2"))
}

// What is set arrives under the metadata's own name, and what isn't on the page
// stays.
func TestSecurityIntoMetadata(t *testing.T) {
	h, v, _ := workshop(t, withCertificates, func(m *oauth.Metadata) {
		m.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken, oauth.GrantTokenExchange}
		m.TokenFormat, m.Contacts = oauth.FormatOpaque, []string{"ada@example.com"}
		m.DefaultACRValues, m.BackchannelSession = []string{"1"}, true
	})
	for _, row := range []struct {
		name  string
		pairs []string
		want  map[string]any
	}{
		{"keys", []string{"method", "private_key_jwt", "jwks", ownKeys}, map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": ownKeys}},
		{"a single key is a set", []string{"method", "private_key_jwt", "jwks", ownKey}, map[string]any{"jwks": ownKeys}},
		{"address of keys", []string{"jwks", "", "jwks_uri", "https://app.example/jwks"}, map[string]any{"jwks": nil, "jwks_uri": "https://app.example/jwks"}},
		{"subject", []string{"method", "tls_client_auth", "tls_name", "CN=app.example,O=Example", "jwks_uri", ""}, map[string]any{"tls_client_auth_subject_dn": "CN=app.example,O=Example"}},
		{"dns name", []string{"tls_kind", "dns", "tls_name", "app.example"}, map[string]any{"tls_client_auth_subject_dn": nil, "tls_client_auth_san_dns": "app.example"}},
		{"self-signed", []string{"method", "self_signed_tls_client_auth", "jwks", ownKeys}, map[string]any{"tls_client_auth_san_dns": nil, "jwks": ownKeys}},
		{"bound", []string{"dpop", "1", "certificate", "1"}, map[string]any{"dpop_bound_access_tokens": true, "tls_client_certificate_bound_access_tokens": true}},
		{"not bound", []string{"dpop", "-", "certificate", "-"}, map[string]any{"dpop_bound_access_tokens": nil, "tls_client_certificate_bound_access_tokens": nil}},
		{"requests", []string{"pushed", "1", "signed", "1", "request_uris", "https://app.example/r#1\r\n\r\nhttps://app.example/r2"}, map[string]any{
			"require_pushed_authorization_requests": true, "require_signed_request_object": true, "request_uris": []any{"https://app.example/r#1", "https://app.example/r2"},
		}},
		{"algorithms", []string{"alg_id_token", "EdDSA", "alg_userinfo", "ES256", "alg_introspection", "PS256", "alg_response", "RS256", "alg_request", "ES256"}, map[string]any{
			"id_token_signed_response_alg": "EdDSA", "userinfo_signed_response_alg": "ES256", "introspection_signed_response_alg": "PS256",
			"authorization_signed_response_alg": "RS256", "request_object_signing_alg": "ES256",
		}},
		{"pairwise", []string{"subject", "pairwise"}, map[string]any{"subject_type": "pairwise"}},
		{"addresses", []string{"backchannel", "https://app.example/out", "frontchannel", "https://app.saleswave.example/out", "initiate", "https://app.example/in"}, map[string]any{
			"backchannel_logout_uri": "https://app.example/out", "frontchannel_logout_uri": "https://app.saleswave.example/out", "initiate_login_uri": "https://app.example/in",
		}},
		{"on another device", []string{"subject", "public", "grant", oauth.GrantDeviceCode}, map[string]any{
			"grant_types": []any{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken, oauth.GrantDeviceCode, oauth.GrantTokenExchange}, "response_types": []any{"code"},
		}},
		{"on another device alone", []string{"grant", "-", "grant", oauth.GrantDeviceCode}, map[string]any{
			"grant_types": []any{oauth.GrantDeviceCode, oauth.GrantTokenExchange}, "response_types": nil,
		}},
		{"profile", []string{"profile", "fapi2", "alg_response", "PS256"}, map[string]any{"profile": "fapi2"}},
	} {
		if a := v.secure("sales", row.pairs...); a.Code != 303 {
			t.Errorf("%s: %d %v", row.name, a.Code, errorsIn(a))
			continue
		}
		c, err := h.Store.Client(t.Context(), "sales")
		ok(t, err)
		text, err := json.Marshal(c.Metadata)
		ok(t, err)
		var have map[string]any
		ok(t, json.Unmarshal(text, &have))
		for name, want := range row.want {
			got := have[name]
			if name == "jwks" && got != nil {
				got = string(c.JWKS)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %s is %v, want %v", row.name, name, got, want)
			}
		}
		if c.TokenFormat != oauth.FormatOpaque || len(c.Contacts) != 1 || len(c.DefaultACRValues) != 1 || !c.BackchannelSession || !slices.Contains(c.GrantTypes, oauth.GrantTokenExchange) || c.Name != "Saleswave" {
			t.Errorf("%s: something else was lost: %s", row.name, text)
		}
	}
}

// errorsIn lists the fields that were refused, with why.
func errorsIn(a answer) []string {
	var out []string
	for part := range strings.SplitSeq(a.text, `<p class="error" id="`) {
		if id, rest, found := strings.Cut(part, `-error">`); found && !strings.Contains(id, "\n") {
			why, _, _ := strings.Cut(rest, "<")
			out = append(out, id+": "+why)
		}
	}
	return out
}

// Each refusal of the rules stands beside its field, and nothing is saved.
func TestSecurityRefusals(t *testing.T) {
	documents := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(map[string]string{"/other": `["https://elsewhere.example/cb"]`, "/junk": `{}`}[r.URL.Path]))
	}))
	defer documents.Close()
	h, v, c := workshop(t, withCertificates)
	h.client("wide", c.Owner, func(m *oauth.Metadata) { m.RedirectURIs = append(m.RedirectURIs, "https://other.example/cb") })
	h.client("page", c.Owner, func(m *oauth.Metadata) { m.Type = oauth.TypeSPA })
	h.client("robot", c.Owner, func(m *oauth.Metadata) { *m = oauth.Metadata{Name: "Robot", Type: oauth.TypeService} })
	for _, row := range []struct {
		app, want string
		pairs     []string
	}{
		{"sales", "profile: Choose the rules", []string{"profile", "-"}},
		{"sales", "profile: Profile is oauth21", []string{"profile", "strict"}},
		{"sales", "method: Choose one of these", []string{"method", "-"}},
		{"sales", "method: Choose one of these", []string{"method", "none"}},
		{"sales", "method: Choose one of these", []string{"method", "magic"}},
		{"page", "method: Choose one of these", []string{"method", "private_key_jwt", "jwks", ownKeys}},
		{"page", "method: FAPI 2.0 takes", []string{"profile", "fapi2"}},
		{"sales", "jwks: This way needs", []string{"method", "private_key_jwt"}},
		{"sales", "jwks: This way needs", []string{"method", "self_signed_tls_client_auth"}},
		{"sales", "jwks: This is no JSON", []string{"jwks", "-----BEGIN PUBLIC KEY-----"}},
		{"sales", "jwks: This is no set of public keys", []string{"jwks", `{"keys":1}`}},
		{"sales", "jwks: This is a private key", []string{"jwks", stolenKeys, "profile", "strict"}},
		{"sales", "jwks: This is a private key", []string{"jwks", "-----BEGIN PRIVATE KEY-----\nMIGstolenPrivateKey"}},
		{"sales", "jwks: Paste the keys or", []string{"jwks", ownKeys, "jwks_uri", "https://app.example/jwks"}},
		{"sales", "jwks_uri: Enter a whole address", []string{"jwks_uri", "http://app.example/jwks"}},
		{"sales", "tls_name: Enter the name", []string{"method", "tls_client_auth"}},
		{"sales", "tls_name: Write the subject", []string{"method", "tls_client_auth", "tls_name", "app.example"}},
		{"sales", "tls_name: ", []string{"method", "tls_client_auth", "tls_kind", "ip", "tls_name", "app.example"}},
		{"sales", "request_uris: Enter whole addresses", []string{"request_uris", "http://app.example/r"}},
		{"sales", "grant: Choose at least one", []string{"grant", "-"}},
		{"sales", "grant: Staying connected needs", []string{"grant", "-", "grant", oauth.GrantRefreshToken}},
		{"wide", "sector: Your callback addresses are on several hosts", []string{"subject", "pairwise"}},
		{"sales", "sector: An app on another device", []string{"subject", "pairwise", "grant", oauth.GrantDeviceCode}},
		{"sales", "subject: subject_type is", []string{"subject", "secret"}},
		{"sales", "sector: Enter a whole address", []string{"sector", "ftp://app.example/"}},
		{"sales", "sector: The list couldn&#39;t be fetched", []string{"sector", "http://127.0.0.1:9/"}},
		{"sales", "sector: The list at this address lacks", []string{"sector", documents.URL + "/other"}},
		{"sales", "sector: What stands at this address", []string{"sector", documents.URL + "/junk"}},
		{"sales", "backchannel: Enter a whole address", []string{"backchannel", "javascript:alert(1)"}},
		{"sales", "backchannel: The address has a fragment", []string{"backchannel", "https://app.example/#x"}},
		{"sales", "frontchannel: It must be on the scheme", []string{"frontchannel", "https://elsewhere.example/out"}},
		{"sales", "initiate: Enter a whole address", []string{"initiate", "data:text/html,x"}},
		{"sales", "alg_userinfo: FAPI 2.0 takes PS256", []string{"profile", "fapi2", "method", "private_key_jwt", "jwks", ownKeys, "alg_userinfo", "RS256"}},
		{"sales", "alg_id_token: ", []string{"alg_id_token", "none"}},
		{"sales", "alg_userinfo: ", []string{"alg_userinfo", "HS256"}},
		{"sales", "alg_introspection: ", []string{"alg_introspection", "x"}},
		{"sales", "alg_response: ", []string{"alg_response", "x"}},
		{"sales", "alg_request: ", []string{"alg_request", "x"}},
		{"sales", "alg_auth: ", []string{"method", "private_key_jwt", "jwks", ownKeys, "alg_auth", "x"}},
	} {
		before, err := h.Store.Client(t.Context(), row.app)
		ok(t, err)
		a := v.secure(row.app, row.pairs...)
		if got := errorsIn(a); a.Code != 422 || len(got) != 1 || !strings.HasPrefix(got[0], row.want) {
			t.Errorf("%s %v: %d %v, want %s", row.app, row.pairs, a.Code, got, row.want)
		}
		if strings.Contains(a.text, "jpsQnnGQ") || strings.Contains(a.text, "MIGstolen") {
			t.Error("a private key is sent back")
		}
		after, err := h.Store.Client(t.Context(), row.app)
		ok(t, err)
		if fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("%v: saved", row.pairs)
		}
	}
}

// Only an operator gives an app grants that act without a person, and takes
// them: RFC 9700 §4.15.
func TestGrantsOfAnOperator(t *testing.T) {
	h, v, c := workshop(t, fetching)
	for _, g := range []string{oauth.GrantClientCredentials, oauth.GrantTokenExchange, oauth.GrantJWTBearer, "password"} {
		if a := v.secure("sales", "grant", g); a.Code != 303 {
			t.Errorf("%s: %d", g, a.Code)
		}
		got, err := h.Store.Client(t.Context(), "sales")
		ok(t, err)
		if !slices.Equal(got.GrantTypes, c.GrantTypes) {
			t.Errorf("%s: %v", g, got.GrantTypes)
		}
	}
	h.client("robot", c.Owner, func(m *oauth.Metadata) { *m = oauth.Metadata{Name: "Robot", Type: oauth.TypeService} })
	if a := v.secure("robot", "grant", oauth.GrantDeviceCode); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	if got, err := h.Store.Client(t.Context(), "robot"); err != nil || !slices.Equal(got.GrantTypes, []string{oauth.GrantClientCredentials}) {
		t.Errorf("%v %v", got.GrantTypes, err)
	}
}

// Another method, and other subjects, end what hangs off the app; a method that
// needs a secret brings one; nothing else does either.
func TestSecurityEndsAccess(t *testing.T) {
	h, v, c := workshop(t, withCertificates)
	_, err := h.OAuth.GiveSecret(c)
	ok(t, err)
	ok(t, h.Store.SetClientSecret(t.Context(), "sales", c.SecretHash, "", ""))
	epoch := int64(1)
	secretOf := func(a answer) string {
		_, rest, _ := strings.Cut(a.text, `id="client-secret" data-copy="Copy the client secret">`)
		secret, _, _ := strings.Cut(rest, "<")
		return secret
	}
	for _, row := range []struct {
		pairs []string
		ends  bool
		given bool
	}{
		{[]string{"profile", "compatible"}, false, false},
		{[]string{"dpop", "1", "pushed", "1"}, false, false},
		{[]string{"method", "client_secret_post"}, true, false},
		{[]string{"method", "client_secret_jwt"}, true, true}, // its secret was kept as a hash alone
		{[]string{"method", "client_secret_basic"}, true, false},
		{[]string{"method", "private_key_jwt", "jwks", ownKeys}, true, false},
		{[]string{"method", "client_secret_basic"}, true, true},
		{[]string{"subject", "pairwise"}, true, false},
		{[]string{"backchannel", "https://app.example/out"}, false, false},
		{[]string{"subject", "public"}, true, false},
	} {
		a := v.secure("sales", row.pairs...)
		if (a.Code == 200) != row.given || a.Code != 200 && a.Code != 303 {
			t.Errorf("%v: %d %v", row.pairs, a.Code, errorsIn(a))
		}
		if row.given {
			if text := secretOf(a); len(text) < 40 {
				t.Errorf("%v: secret %q", row.pairs, text)
			}
		}
		if row.ends {
			epoch++
		}
		got, err := h.Store.Client(t.Context(), "sales")
		ok(t, err)
		if got.Epoch != epoch {
			t.Errorf("%v: epoch %d, want %d", row.pairs, got.Epoch, epoch)
		}
		if uses := got.UsesSecret(); uses != (len(got.SecretHash) > 0) || (got.AuthMethod == oauth.AuthSecretJWT) && got.SecretKey == "" {
			t.Errorf("%v: what is kept of the secret doesn't fit the method", row.pairs)
		}
	}
}

// What hangs off callback addresses is judged where these are changed.
func TestCallbacksOfPairwiseApp(t *testing.T) {
	list := `["https://app.saleswave.example/cb"]`
	documents := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(list)) }))
	defer documents.Close()
	h, v, _ := workshop(t, fetching, func(m *oauth.Metadata) {
		m.SubjectType, m.FrontchannelURI = "pairwise", "https://app.saleswave.example/out"
	})
	v.get("/developer/apps/sales").has(t, 200, "by ids of their own for app.saleswave.example")
	change := func(callbacks string) answer {
		return v.submit(v.get("/developer/apps/sales"), "app-form", "callbacks", callbacks)
	}
	change("https://app.saleswave.example/cb\nhttps://b.example/cb").has(t, 422, "its addresses are on one host")
	change("https://b.example/cb").has(t, 422, "front-channel logout page is on none of these hosts")
	if a := v.secure("sales", "frontchannel", ""); a.Code != 303 {
		t.Fatalf("%d", a.Code)
	}
	if a := change("https://b.example/cb"); a.Code != 303 {
		t.Fatalf("%d", a.Code)
	}
	if c, err := h.Store.Client(t.Context(), "sales"); err != nil || c.Epoch != 2 {
		t.Errorf("other subjects, and nothing ended: epoch %d %v", c.Epoch, err)
	}
	change("https://app.saleswave.example/cb")
	if a := v.secure("sales", "sector", documents.URL+"/"); a.Code != 303 {
		t.Fatalf("%d %v", a.Code, errorsIn(a))
	}
	change("https://app.saleswave.example/cb\nhttps://b.example/cb").has(t, 422, "lacks one of these addresses")
	list = `["https://app.saleswave.example/cb","https://b.example/cb"]`
	if a := change("https://app.saleswave.example/cb\nhttps://b.example/cb"); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	// The list is read when it matters, not when a name is changed.
	documents.Close()
	if a := v.submit(v.get("/developer/apps/sales"), "app-form", "name", "Sales"); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	change("https://app.saleswave.example/cb").has(t, 422)
}

// Registering an app stays as short as it was; one without a callback address
// is asked whether it needs none.
func TestRegisterDevice(t *testing.T) {
	h, v, _ := workshop(t, fetching)
	fill := []string{"name", "Living room TV", "type", "native"}
	a := v.submit(v.get("/developer/apps/new"), "app-form", fill...)
	a.has(t, 422, "Enter at least one callback address", `name="device"`)
	golden(t, "developer_new_device", a)
	if strings.Contains(v.get("/developer/apps/new").text, `name="device"`) || strings.Contains(v.submit(v.get("/developer/apps/new"), "app-form", "name", "x", "type", "web").text, `name="device"`) {
		t.Error("asked too soon")
	}
	a = v.submit(a, "app-form", "device", "1")
	a.has(t, 200, `id="client-id"`, "device_authorization")
	apps, err := h.Store.ListClients(t.Context(), nil, "", 100)
	ok(t, err)
	for _, c := range apps {
		if c.Name == "Living room TV" && (!slices.Equal(c.GrantTypes, []string{oauth.GrantDeviceCode, oauth.GrantRefreshToken}) || c.AuthMethod != oauth.AuthNone) {
			t.Errorf("%v %s", c.GrantTypes, c.AuthMethod)
		}
	}
}

// Nothing that a developer sends on this page can be more than it shows.
func TestSecurityTakesNoMore(t *testing.T) { // case 301
	h, v, c := workshop(t, fetching)
	if a := v.secure("sales", "first_party", "1", "verified", "1", "owner", "x", "client_id", "y", "access_token_format", "opaque", "token_exchange", "{}", "scope", "payroll", "type", "spa"); a.Code != 303 {
		t.Fatalf("%d", a.Code)
	}
	got, err := h.Store.Client(t.Context(), "sales")
	ok(t, err)
	if got.FirstParty || got.Verified || got.Owner != c.Owner || got.TokenFormat != c.TokenFormat || got.Exchange != nil || got.Scope != "" || got.Type != c.Type {
		t.Errorf("%+v", got)
	}
	if a := v.do("POST", securityPath, "application/json", []byte(`{"profile":"fapi2"}`)); a.Code != 400 {
		t.Errorf("JSON: %d", a.Code)
	}
}
