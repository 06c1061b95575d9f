package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/resource"
)

const audience = "https://api.example.com"

// authServer is an authorization server as far as an API sees it.
type authServer struct {
	*httptest.Server
	key          *jose.PrivateKey
	cacheControl string
	fetches      atomic.Int64 // of the key set
	questions    atomic.Int64 // at the introspection endpoint
	down         atomic.Bool
	feed         *fakeFeed
	Handler      http.Handler

	mu       sync.Mutex
	keys     []jose.PublicKey
	issuer   string                    // what the metadata says, if not the truth
	inactive map[string]bool           // opaque tokens that were revoked
	opaque   map[string]map[string]any // opaque tokens and what they mean
	raw      map[string]string         // opaque tokens and the whole answer
}

func newAuthServer(t testing.TB) *authServer {
	t.Helper()
	s := &authServer{key: newKey(t, jose.ES256), inactive: map[string]bool{}, opaque: map[string]map[string]any{}, raw: map[string]string{}, feed: newFakeFeed()}
	s.keys = []jose.PublicKey{s.key.Public()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.serveMetadata)
	mux.HandleFunc("GET /jwks", s.serveKeys)
	mux.HandleFunc("POST /introspect", s.serveIntrospect)
	mux.HandleFunc("POST /token", s.feed.serveToken)
	mux.HandleFunc("GET /api/v1/revocations", s.feed.serve)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	})
	s.Server = httptest.NewServer(s.Handler)
	t.Cleanup(s.Close)
	return s
}

func (s *authServer) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	issuer := s.issuer
	s.mu.Unlock()
	if issuer == "" {
		issuer = s.URL
	}
	writeJSON(w, map[string]any{"issuer": issuer, "jwks_uri": s.URL + "/jwks", "introspection_endpoint": s.URL + "/introspect", "token_endpoint": s.URL + "/token"})
}

func (s *authServer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	s.fetches.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cacheControl != "" {
		w.Header().Set("Cache-Control", s.cacheControl)
	}
	_, _ = w.Write(jose.MarshalJWKS(s.keys))
}

func (s *authServer) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	s.questions.Add(1)
	if id, secret, _ := r.BasicAuth(); id != "api%3A1" || secret != "s%2Fcret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := r.PostFormValue("token")
	s.mu.Lock()
	defer s.mu.Unlock()
	if raw, ok := s.raw[token]; ok {
		_, _ = io.WriteString(w, raw)
		return
	}
	answer, ok := s.opaque[token]
	if !ok || s.inactive[token] {
		writeJSON(w, map[string]any{"active": false})
		return
	}
	writeJSON(w, answer)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *authServer) publish(keys ...*jose.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = nil
	for _, k := range keys {
		s.keys = append(s.keys, k.Public())
	}
}

func newKey(t testing.TB, alg jose.Alg) *jose.PrivateKey {
	t.Helper()
	k, err := jose.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// clock is moved by hand and starts now.
type clock struct{ ahead atomic.Int64 }

var start = time.Unix(1_800_000_000, 0)

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// with is the claims of a good token, changed. A nil value takes one out.
func (s *authServer) with(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": s.URL, "aud": audience, "sub": "u1", "client_id": "c1", "jti": "j1", "scope": "notes:read notes:write",
		"iat": start.Unix() - 10, "exp": start.Unix() + 600, "auth_time": start.Unix() - 60, "acr": "2",
	}
	for name, v := range changes {
		if v == nil {
			delete(claims, name)
		} else {
			claims[name] = v
		}
	}
	return claims
}

func (s *authServer) token(t testing.TB, changes map[string]any) string {
	t.Helper()
	return sign(t, s.key, "at+jwt", s.with(changes))
}

func sign(t testing.TB, k *jose.PrivateKey, typ string, claims any) string {
	t.Helper()
	payload, ok := claims.([]byte)
	if !ok {
		var err error
		if payload, err = json.Marshal(claims); err != nil {
			t.Fatal(err)
		}
	}
	token, err := k.Sign(typ, payload)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s *authServer) api(t testing.TB, c *clock, change ...func(*resource.Config)) *resource.API {
	t.Helper()
	cfg := resource.Config{Issuer: s.URL, Audience: audience, Now: c.now, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	return resource.New(cfg)
}

func introspecting(c *resource.Config) { c.ClientID, c.ClientSecret = "api:1", "s/cret" }

// call sends a request with these Authorization headers and tells the answer
// as "200", or "401 invalid_token".
func call(api *resource.API, authorization ...string) string {
	r := httptest.NewRequest(http.MethodGet, "/notes", nil)
	r.Header["Authorization"] = authorization
	return answer(api, r)
}

func bearer(api *resource.API, token string) string { return call(api, "Bearer "+token) }

func answer(api *resource.API, r *http.Request) string {
	w := httptest.NewRecorder()
	protect(api).ServeHTTP(w, r)
	var body struct{ Error string }
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", body.Error))
}

func protect(api *resource.API) http.Handler {
	return api.Require("notes:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t := resource.FromContext(r.Context()); t == nil || t.Subject == "" {
			http.Error(w, "no token", http.StatusInternalServerError)
		}
	}))
}

func TestTokenInContext(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	var got *resource.Token
	handler := s.api(t, c).Require()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = resource.FromContext(r.Context()) }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "bEARER  "+s.token(t, map[string]any{"tenant": "acme", "aud": []string{"https://other.example.com", audience}}))
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if got == nil {
		t.Fatal("no token")
	}
	claims := got.Claims
	got.Claims = nil
	want := `{u1 c1 [notes:read notes:write] [https://other.example.com https://api.example.com] ` + s.URL + ` j1 1800000600 1799999940 2}`
	have := fmt.Sprint(struct {
		a, b, c, d, e, f, g, h, i any
	}{got.Subject, got.ClientID, got.Scopes, got.Audience, got.Issuer, got.ID, got.Expires.Unix(), got.AuthTime.Unix(), got.ACR})
	if have != want || claims["tenant"] != "acme" {
		t.Errorf("token %s, claims %v", have, claims)
	}
	if resource.FromContext(context.Background()) != nil {
		t.Error("a token out of nowhere")
	}
}

// The rules of RFC 9068 §4, and cases 124 and 125 on this side.
func TestClaims(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	at := func(d int64) int64 { return start.Unix() + d }
	tests := []struct {
		name    string
		changes map[string]any
		want    string
	}{
		{"good", nil, "200"},
		{"no scope", map[string]any{"scope": nil}, "403 insufficient_scope"},
		{"another scope", map[string]any{"scope": "notes:readall xnotes:read NOTES:READ"}, "403 insufficient_scope"},
		{"another issuer", map[string]any{"iss": "https://evil.example.com"}, "401 invalid_token"},
		{"issuer with a slash", map[string]any{"iss": s.URL + "/"}, "401 invalid_token"},
		{"issuer array", map[string]any{"iss": []string{s.URL}}, "401 invalid_token"},
		{"no issuer", map[string]any{"iss": nil}, "401 invalid_token"},
		{"another audience", map[string]any{"aud": "https://other.example.com"}, "401 invalid_token"},
		{"audience with a slash", map[string]any{"aud": audience + "/"}, "401 invalid_token"},
		{"no audience", map[string]any{"aud": nil}, "401 invalid_token"},
		{"audience 7", map[string]any{"aud": 7}, "401 invalid_token"},
		{"audience empty", map[string]any{"aud": []string{}}, "401 invalid_token"},
		{"audience of numbers", map[string]any{"aud": []any{audience, 1}}, "401 invalid_token"},
		{"audience among others", map[string]any{"aud": []string{"x", audience}}, "200"},
		{"expired", map[string]any{"exp": at(-5)}, "401 invalid_token"},
		{"within the leeway", map[string]any{"exp": at(-4)}, "200"},
		{"no exp", map[string]any{"exp": nil}, "401 invalid_token"},
		{"exp as string", map[string]any{"exp": fmt.Sprint(at(600))}, "401 invalid_token"},
		{"exp 1.5", map[string]any{"exp": 1.5}, "401 invalid_token"},
		{"exp -1", map[string]any{"exp": -1}, "401 invalid_token"},
		{"exp 1e400", map[string]any{"exp": json.RawMessage("1e400")}, "401 invalid_token"},
		{"exp null", map[string]any{"exp": json.RawMessage("null")}, "401 invalid_token"},
		{"not yet", map[string]any{"nbf": at(6)}, "401 invalid_token"},
		{"nearly", map[string]any{"nbf": at(5)}, "200"},
		{"made tomorrow", map[string]any{"iat": at(86400)}, "401 invalid_token"},
		{"no iat", map[string]any{"iat": nil}, "401 invalid_token"},
		{"no sub", map[string]any{"sub": nil}, "401 invalid_token"},
		{"SUB", map[string]any{"sub": nil, "SUB": "u1"}, "401 invalid_token"},
		{"long s", map[string]any{"sub": nil, "\u017Fub": "u1"}, "401 invalid_token"},
		{"no client_id", map[string]any{"client_id": nil}, "401 invalid_token"},
		{"no jti", map[string]any{"jti": nil}, "401 invalid_token"},
		{"scope as array", map[string]any{"scope": []string{"notes:read"}}, "401 invalid_token"},
		{"bound to a key", map[string]any{"cnf": map[string]any{"jkt": "x"}}, "401 invalid_token"},
		{"bound to a certificate", map[string]any{"cnf": map[string]any{"x5t#S256": "x"}}, "401 invalid_token"},
		{"bound to who knows what", map[string]any{"cnf": map[string]any{"new": 1}}, "401 invalid_token"},
	}
	for _, tt := range tests {
		if got := bearer(api, s.token(t, tt.changes)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	twice := []byte(strings.Replace(string(mustJSON(t, s.with(nil))), `{`, `{"sub":"u2",`, 1))
	if got := bearer(api, sign(t, s.key, "at+jwt", twice)); got != "401 invalid_token" {
		t.Errorf("sub twice: %s", got)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Cases 090 and 134: no other kind of JWT that the server signs opens an API.
func Test090And134OnlyAccessTokens(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	for typ, want := range map[string]string{
		"at+jwt": "200", "application/at+jwt": "200", "AT+JWT": "200",
		"": "401 invalid_token", "JWT": "401 invalid_token", "logout+jwt": "401 invalid_token", "dpop+jwt": "401 invalid_token",
		"token-introspection+jwt": "401 invalid_token", "client-authentication+jwt": "401 invalid_token",
	} {
		if got := bearer(api, sign(t, s.key, typ, s.with(nil))); got != want {
			t.Errorf("typ %q: %s, want %s", typ, got, want)
		}
	}
}

// Cases 120, 126 and 133: whose signature counts. The details are internal/jose's.
func Test120And126And133Signatures(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	mallory := newKey(t, jose.ES256)
	good := s.token(t, nil)
	other := newAuthServer(t) // another issuer, whose token names us
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"another key":            sign(t, mallory, "at+jwt", s.with(nil)),
		"another issuer's key":   other.token(t, map[string]any{"iss": s.URL}),
		"another issuer's token": other.token(t, nil),
		"alg none":               "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + parts[1] + ".AA",
		"HS256":                  "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9." + parts[1] + "." + parts[2],
		"no signature":           parts[0] + "." + parts[1] + ".",
		"cut":                    good[:len(good)-2],
		"padded":                 good + "==",
		"another payload":        parts[0] + "." + strings.Split(s.token(t, map[string]any{"sub": "u2"}), ".")[1] + "." + parts[2],
		"opaque":                 "at_0123456789",
	} {
		if got := bearer(api, token); got != "401 invalid_token" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := bearer(api, good); got != "200" {
		t.Errorf("the good one: %s", got)
	}
	only := s.api(t, c, func(c *resource.Config) { c.Algs = []string{"EdDSA"} })
	if got := bearer(only, good); got != "401 invalid_token" {
		t.Errorf("an algorithm that isn't accepted: %s", got)
	}
}

// Case 132: expired and badly signed is badly signed, for the caller and the log.
func Test132BadSignatureIsNotExpiry(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	var log bytes.Buffer
	api := s.api(t, c, func(c *resource.Config) {
		c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	token := s.token(t, map[string]any{"exp": start.Unix() - 100})
	bearer(api, token[:len(token)-8]+"AAAAAAAA")
	if !strings.Contains(log.String(), "signature") || strings.Contains(log.String(), "expired") {
		t.Errorf("log: %s", log.String())
	}
	log.Reset()
	bearer(api, token)
	if !strings.Contains(log.String(), "expired") {
		t.Errorf("log: %s", log.String())
	}
	if strings.Contains(log.String(), token) || strings.Contains(log.String(), strings.Split(token, ".")[2]) { // case 313
		t.Errorf("the token is in the log: %s", log.String())
	}
}

// Case 118 and RFC 6750 §2: one place for the token, and one token.
func Test118WhereTheTokenIs(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	token := s.token(t, nil)
	form := func(target, body string, header ...string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		r.Header["Authorization"] = header
		return r
	}
	get := func(target string, header ...string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header["Authorization"] = header
		return r
	}
	tests := []struct {
		name string
		r    *http.Request
		want string
	}{
		{"header", get("/notes", "Bearer "+token), "200"},
		{"nothing", get("/notes"), "401"},
		{"query", get("/notes?access_token=" + token), "400 invalid_request"},
		{"query and header", get("/notes?access_token="+token, "Bearer "+token), "400 invalid_request"},
		{"body", form("/notes", "access_token="+token), "401"},
		{"body and header", form("/notes", "a=b&access_token="+token, "Bearer "+token), "400 invalid_request"},
		{"body without it", form("/notes", "a=b", "Bearer "+token), "200"},
		{"misshapen body with it", form("/notes", "a=%zz&access_token="+token, "Bearer "+token), "400 invalid_request"},
		{"body with it and a bad header", form("/notes", "access_token="+token, "Bearer x.y.z"), "401 invalid_token"},
		{"two headers", get("/notes", "Bearer "+token, "Bearer "+token), "400 invalid_request"},
		{"two in one", get("/notes", "Bearer "+token+", Bearer "+token), "400 invalid_request"},
		{"Basic", get("/notes", "Basic YTpi"), "401"},
		{"DPoP without a proof", get("/notes", "DPoP "+token), "401 invalid_dpop_proof"},
		{"scheme only", get("/notes", "Bearer"), "400 invalid_request"},
		{"empty", get("/notes", ""), "401"},
		{"a blank inside", get("/notes", "Bearer a b"), "400 invalid_request"},
		{"17 KiB", get("/notes", "Bearer "+strings.Repeat("a", 17<<10)), "400 invalid_request"},
	}
	for _, tt := range tests {
		if got := answer(api, tt.r); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// The handler gets the whole body, whatever was looked at before.
func TestBodyReachesTheHandler(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	for _, size := range []int{0, 10, 64<<10 - 2, 64 << 10, 200_000} {
		body := "a=" + strings.Repeat("x", size)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+s.token(t, nil))
		var got []byte
		s.api(t, c).Require()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) })).ServeHTTP(httptest.NewRecorder(), r)
		if string(got) != body {
			t.Errorf("%d bytes of %d", len(got), len(body))
		}
	}
}

// RFC 6750 §3 and RFC 9728 §5.1, to the letter. Case 117: 403 names the scope.
func Test117Challenges(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	const where = "https://api.example.com/.well-known/oauth-protected-resource"
	plain := s.api(t, c)
	telling := s.api(t, c, func(c *resource.Config) { c.ResourceMetadata = where })
	expired := "Bearer " + s.token(t, map[string]any{"exp": start.Unix() - 600})
	poor := "Bearer " + s.token(t, map[string]any{"scope": "openid"})
	tests := []struct {
		api        *resource.API
		header     string
		want, body string
	}{
		{plain, "", `Bearer scope="notes:read notes:write"`, `{"error_description":"an access token is needed"}`},
		{plain, "Basic YTpi", `Bearer scope="notes:read notes:write"`, `{"error_description":"an access token is needed"}`},
		{plain, expired, `Bearer error="invalid_token", error_description="the access token has expired"`, `{"error":"invalid_token","error_description":"the access token has expired"}`},
		{plain, poor, `Bearer error="insufficient_scope", error_description="the access token lacks a scope", scope="notes:read notes:write"`, `{"error":"insufficient_scope","error_description":"the access token lacks a scope"}`},
		{telling, "", `Bearer scope="notes:read notes:write", resource_metadata="` + where + `"`, `{"error_description":"an access token is needed"}`},
		{telling, expired, `Bearer error="invalid_token", error_description="the access token has expired", resource_metadata="` + where + `"`, `{"error":"invalid_token","error_description":"the access token has expired"}`},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		w := httptest.NewRecorder()
		tt.api.Require("notes:read", "notes:write")(http.NotFoundHandler()).ServeHTTP(w, r)
		if got := w.Header().Get("WWW-Authenticate"); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if got := strings.TrimSpace(w.Body.String()); got != tt.body || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("body %s, headers %v", got, w.Header())
		}
	}
}

func TestMetadata(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	for resourceURL, want := range map[string]string{
		"https://api.example.com":        "/.well-known/oauth-protected-resource",
		"https://api.example.com/":       "/.well-known/oauth-protected-resource",
		"https://api.example.com/v1":     "/.well-known/oauth-protected-resource/v1",
		"https://api.example.com/a%2Fb/": "/.well-known/oauth-protected-resource/a%2Fb",
		"notes":                          "/.well-known/oauth-protected-resource",
	} {
		if got := s.api(t, c, func(c *resource.Config) { c.Audience = resourceURL }).MetadataPath(); got != want {
			t.Errorf("%s: %s", resourceURL, got)
		}
	}
	api := s.api(t, c, func(c *resource.Config) { c.Scopes = []string{"notes:read"} })
	w := httptest.NewRecorder()
	api.Metadata().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	want := `{"resource":"https://api.example.com","authorization_servers":["` + s.URL + `"],"scopes_supported":["notes:read"],"bearer_methods_supported":["header"]}`
	if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	api.Metadata().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// A Config that can't work answers 503, says why, and never opens the API.
func TestBadConfig(t *testing.T) {
	good := resource.Config{Issuer: "https://example.com", Audience: audience, Log: slog.New(slog.DiscardHandler)}
	for name, change := range map[string]func(*resource.Config){
		"no issuer":        func(c *resource.Config) { c.Issuer = "" },
		"http":             func(c *resource.Config) { c.Issuer = "http://example.com" },
		"another scheme":   func(c *resource.Config) { c.Issuer = "ftp://localhost" },
		"relative":         func(c *resource.Config) { c.Issuer = "/x" },
		"query":            func(c *resource.Config) { c.Issuer = "https://example.com/?a=b" },
		"fragment":         func(c *resource.Config) { c.Issuer = "https://example.com/#a" },
		"user":             func(c *resource.Config) { c.Issuer = "https://u@example.com" },
		"no audience":      func(c *resource.Config) { c.Audience = "" },
		"no secret":        func(c *resource.Config) { c.ClientID = "api" },
		"secret only":      func(c *resource.Config) { c.ClientSecret = "s" },
		"alg":              func(c *resource.Config) { c.Algs = []string{"HS256"} },
		"none":             func(c *resource.Config) { c.Algs = []string{"none"} },
		"localhost.evil":   func(c *resource.Config) { c.Issuer = "http://localhost.example.com" },
		"feed alone":       func(c *resource.Config) { c.Revocations = true },
		"short nonce key":  func(c *resource.Config) { c.DPoPNonces, c.DPoPNonceKey = true, []byte("short") },
		"BaseURL http":     func(c *resource.Config) { c.BaseURL = "http://api.example.com" },
		"BaseURL query":    func(c *resource.Config) { c.BaseURL = "https://api.example.com/?a" },
		"BaseURL relative": func(c *resource.Config) { c.BaseURL = "api.example.com" },
		"loopback at user": func(c *resource.Config) { c.Issuer = "http://localhost@example.com" },
	} {
		c := good
		change(&c)
		api := resource.New(c)
		if err := api.Check(t.Context()); err == nil {
			t.Errorf("%s: Check is content", name)
		}
		if got := call(api, "Bearer abc"); got != "503" {
			t.Errorf("%s: %s", name, got)
		}
		if _, err := api.Validate(t.Context(), "abc"); err == nil {
			t.Errorf("%s: Validate is content", name)
		}
	}
}

func TestCheck(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	if err := s.api(t, c, introspecting).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.api(t, c, func(c *resource.Config) { c.Algs = []string{"RS256"} }).Check(t.Context()); err == nil {
		t.Error("content without a key that fits")
	}
	s.publish()
	if err := s.api(t, c).Check(t.Context()); err == nil {
		t.Error("content without keys")
	}
	s.down.Store(true)
	if err := s.api(t, c).Check(t.Context()); err == nil {
		t.Error("content with a server that is down")
	}
}

// RFC 8414 §3.3: metadata that is for another issuer, be it by one slash, is
// not used.
func TestMetadataOfAnotherIssuer(t *testing.T) {
	for _, other := range []string{"https://evil.example.com", "%s/", ""} {
		s, c := newAuthServer(t), &clock{}
		token := s.token(t, nil)
		s.issuer = strings.Replace(other, "%s", s.URL, 1)
		want := "503"
		if other == "" {
			want = "200"
		}
		if got := bearer(s.api(t, c), token); got != want {
			t.Errorf("metadata for %q: %s, want %s", s.issuer, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	if token, err := api.Validate(t.Context(), s.token(t, nil)); err != nil || !token.Has("notes:write") || token.Has("") {
		t.Errorf("%v, %v", token, err)
	}
	for _, bad := range []string{"", " ", "a b", "a.b.c", s.token(t, map[string]any{"aud": "x"}), "ü", strings.Repeat("a", 20_000)} {
		if _, err := api.Validate(t.Context(), bad); err == nil || !strings.Contains(fmt.Sprint(err), "token") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func BenchmarkRequire(b *testing.B) {
	s, c := newAuthServer(b), &clock{}
	handler := protect(s.api(b, c))
	r := httptest.NewRequest(http.MethodGet, "/notes", nil)
	r.Header.Set("Authorization", "Bearer "+s.token(b, nil))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, maps.Clone(w.Header()))
		}
	}
}
