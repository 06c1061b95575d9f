package resource_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/dpop"
	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/resource"
)

// holder is a client with a DPoP key.
type holder struct {
	t   testing.TB
	key *jose.PrivateKey
	n   atomic.Int64
}

func newHolder(t testing.TB) *holder { return &holder{t: t, key: newKey(t, jose.ES256)} }

func (h *holder) cnf() map[string]any {
	return map[string]any{"cnf": map[string]any{"jkt": jose.Thumbprint(h.key.Public())}}
}

// proof is a good one for GET http://example.com/notes, changed.
func (h *holder) proof(token string, change ...func(*dpop.Proof)) string {
	h.t.Helper()
	p := dpop.Proof{ID: fmt.Sprint(h.n.Add(1)), Method: "GET", URL: "http://example.com/notes", IssuedAt: start, TokenHash: dpop.TokenHash(token)}
	for _, f := range change {
		f(&p)
	}
	proof, err := dpop.Sign(h.key, p)
	if err != nil {
		h.t.Fatal(err)
	}
	return proof
}

func notes(scheme, token string, proofs ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/notes?page=2", nil)
	r.Header.Set("Authorization", scheme+" "+token)
	r.Header["Dpop"] = proofs
	return r
}

// respond gives the whole answer, where answer gives it in a word.
func respond(api *resource.API, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	protect(api).ServeHTTP(w, r)
	return w
}

// challenges of an answer up to the description, which is free.
func challenges(w *httptest.ResponseRecorder) string {
	var list []string
	for _, c := range w.Header().Values("WWW-Authenticate") {
		before, _, described := strings.Cut(c, `, error_description="`)
		if described {
			c = before
		}
		list = append(list, c)
	}
	return strings.Join(list, " | ")
}

const (
	anyAlg   = `DPoP algs="ES256 EdDSA PS256 RS256"`
	badProof = `DPoP error="invalid_dpop_proof"`
	badDPoP  = `DPoP error="invalid_token"`
	badToken = `Bearer error="invalid_token" | ` + anyAlg
)

// Cases 136, 137, 141, 142 and 145: which fault is whose.
func TestCase141And142Faults(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, introspecting)
	h, mallory := newHolder(t), newHolder(t)
	unbound := s.token(t, nil)
	opaque := h.cnf()
	opaque["token_type"] = "DPoP"
	for kind, bound := range map[string]string{"JWT": s.token(t, h.cnf()), "opaque": s.grant("at_dpop", opaque), "opaque as Bearer": s.grant("at_dpop2", h.cnf())} {
		with := func(change func(*dpop.Proof)) *http.Request { return notes("DPoP", bound, h.proof(bound, change)) }
		tests := []struct {
			name string
			r    *http.Request
			want string
		}{
			{"good", notes("DPoP", bound, h.proof(bound)), ""},
			{"good in lower case", notes("dpop", bound, h.proof(bound)), ""},
			{"as Bearer", notes("Bearer", bound), badToken},
			{"as Bearer with a proof", notes("Bearer", bound, h.proof(bound)), badToken},
			{"unbound as DPoP", notes("DPoP", unbound, h.proof(unbound)), badDPoP},
			{"unbound as Bearer with a proof", notes("Bearer", unbound, h.proof(unbound)), ""},
			{"another key", notes("DPoP", bound, mallory.proof(bound)), badDPoP},
			{"no proof", notes("DPoP", bound), badProof},
			{"two proofs", notes("DPoP", bound, h.proof(bound), h.proof(bound)), badProof},
			{"nonsense", notes("DPoP", bound, "a.b.c"), badProof},
			{"no ath", with(func(p *dpop.Proof) { p.TokenHash = "" }), badProof},
			{"wrong ath", notes("DPoP", bound, h.proof(unbound)), badProof},
			{"another method", with(func(p *dpop.Proof) { p.Method = "POST" }), badProof},
			{"another path", with(func(p *dpop.Proof) { p.URL = "http://example.com/notes/" }), badProof},
			{"another host", with(func(p *dpop.Proof) { p.URL = "http://example.org/notes" }), badProof},
			{"another scheme", with(func(p *dpop.Proof) { p.URL = "https://example.com/notes" }), badProof},
			{"with a query", with(func(p *dpop.Proof) { p.URL += "?page=3#x" }), ""},
			{"too old", with(func(p *dpop.Proof) { p.IssuedAt = start.Add(-61 * time.Second) }), badProof},
			{"too new", with(func(p *dpop.Proof) { p.IssuedAt = start.Add(61 * time.Second) }), badProof},
			{"a little early", with(func(p *dpop.Proof) { p.IssuedAt = start.Add(5 * time.Second) }), ""},
		}
		for _, tt := range tests {
			w := respond(api, tt.r)
			if got := challenges(w); got != tt.want || (w.Code == http.StatusOK) != (tt.want == "") || w.Code != http.StatusOK && w.Code != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d %s\nwant %s", kind, tt.name, w.Code, got, tt.want)
			}
		}
	}
	if _, err := api.Validate(t.Context(), s.token(t, h.cnf())); !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("Validate of a bound token: %v", err)
	}
}

// RFC 9449 §7.1, to the letter: scheme, error and algs.
func TestDPoPChallenges(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, func(c *resource.Config) { c.ResourceMetadata = "https://m" })
	h := newHolder(t)
	poor := h.cnf()
	poor["scope"] = "openid"
	token := s.token(t, poor)
	for name, tt := range map[string]struct {
		r    *http.Request
		want string
	}{
		"nothing":   {httptest.NewRequest(http.MethodGet, "/", nil), `Bearer scope="notes:read", resource_metadata="https://m" | DPoP algs="ES256 EdDSA PS256 RS256", resource_metadata="https://m"`},
		"malformed": {notes("DPoP", "a b"), `DPoP error="invalid_request", error_description="what follows DPoP is not an access token", resource_metadata="https://m", algs="ES256 EdDSA PS256 RS256"`},
		"no proof":  {notes("DPoP", token), `DPoP error="invalid_dpop_proof", error_description="one DPoP header with a valid proof is needed", resource_metadata="https://m", algs="ES256 EdDSA PS256 RS256"`},
		"scope":     {notes("DPoP", token, h.proof(token)), `DPoP error="insufficient_scope", error_description="the access token lacks a scope", scope="notes:read", resource_metadata="https://m", algs="ES256 EdDSA PS256 RS256"`},
		"Bearer":    {notes("Bearer", s.token(t, map[string]any{"scope": ""})), `Bearer error="insufficient_scope", error_description="the access token lacks a scope", scope="notes:read", resource_metadata="https://m"`},
	} {
		if got := strings.Join(respond(api, tt.r).Header().Values("WWW-Authenticate"), " | "); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, tt.want)
		}
	}
}

// Case 138 on one node: of any number of uses one counts, and none after it
// until the proof has expired.
func TestCase138ProofIsUsedOnce(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	stored := &store{}
	for name, api := range map[string]*resource.API{"memory": s.api(t, c), "store": s.api(t, c, func(c *resource.Config) { c.Replay = stored })} {
		h := newHolder(t)
		token := s.token(t, h.cnf())
		proof := h.proof(token, func(p *dpop.Proof) { p.IssuedAt = c.now().Add(30 * time.Second) }) // in the skew tail
		var ok atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				switch got := answer(api, notes("DPoP", token, proof)); got {
				case "200":
					ok.Add(1)
				case "401 invalid_dpop_proof":
				default:
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if ok.Load() != 1 {
			t.Errorf("%s: %d of 32 accepted", name, ok.Load())
		}
		for range 95 {
			c.advance(time.Second)
			if got := answer(api, notes("DPoP", token, proof)); got != "401 invalid_dpop_proof" {
				t.Fatalf("%s: %s", name, got)
			}
		}
		c.advance(-95 * time.Second)
		// Another's proof with the same jti is another proof.
		other := newHolder(t)
		token = s.token(t, other.cnf())
		if got := answer(api, notes("DPoP", token, other.proof(token))); got != "200" {
			t.Errorf("%s: another key's: %s", name, got)
		}
		// What fails otherwise isn't remembered.
		fresh := h.proof(token)
		if got := answer(api, notes("DPoP", token, fresh)); got != "401 invalid_token" {
			t.Errorf("%s: another's token: %s", name, got)
		}
	}
	if len(stored.used) != 2 {
		t.Errorf("%d proofs in the store", len(stored.used))
	}
	for id, until := range stored.used {
		if len(id) != 43 || until.Before(start.Add(time.Minute)) {
			t.Errorf("%s until %s", id, until)
		}
	}
	stored.err = errors.New("down")
	h := newHolder(t)
	token := s.token(t, h.cnf())
	api := s.api(t, c, func(c *resource.Config) { c.Replay = stored })
	if got := answer(api, notes("DPoP", token, h.proof(token))); got != "503" {
		t.Errorf("with a store that is down: %s", got)
	}
}

type store struct {
	mu   sync.Mutex
	used map[string]time.Time
	err  error
}

func (s *store) UseOnce(_ context.Context, id string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == nil {
		s.used = map[string]time.Time{}
	}
	_, used := s.used[id]
	s.used[id] = until
	return !used, s.err
}

// Case 140 at an API: 401 use_dpop_nonce with the nonce to use.
func TestCase140Nonces(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	key := []byte(strings.Repeat("k", 32))
	shared := func(c *resource.Config) { c.DPoPNonces, c.DPoPNonceKey = true, key }
	api, node, alone := s.api(t, c, shared), s.api(t, c, shared), s.api(t, c, func(c *resource.Config) { c.DPoPNonces = true })
	h := newHolder(t)
	token := s.token(t, h.cnf())
	ask := func(api *resource.API, nonce string) *httptest.ResponseRecorder {
		return respond(api, notes("DPoP", token, h.proof(token, func(p *dpop.Proof) { p.Nonce, p.IssuedAt = nonce, c.now() })))
	}
	w := ask(api, "")
	nonce := w.Header().Get("DPoP-Nonce")
	if challenges(w) != `DPoP error="use_dpop_nonce"` || w.Code != http.StatusUnauthorized || nonce == "" {
		t.Fatalf("without: %d %s %q", w.Code, challenges(w), nonce)
	}
	for name, tt := range map[string]struct {
		api         *resource.API
		nonce, want string
	}{
		"made up": {api, "x", `DPoP error="use_dpop_nonce"`}, "right": {api, nonce, ""}, "at another node": {node, nonce, ""},
		"at an API with another key": {alone, nonce, `DPoP error="use_dpop_nonce"`},
	} {
		w := ask(tt.api, tt.nonce)
		if got := challenges(w); got != tt.want || (w.Header().Get("DPoP-Nonce") == "") != (tt.want == "") {
			t.Errorf("%s: %s, nonce %q", name, got, w.Header().Get("DPoP-Nonce"))
		}
	}
	c.advance(5 * time.Minute)
	if w := ask(api, nonce); w.Code != http.StatusOK || w.Header().Get("DPoP-Nonce") == "" {
		t.Errorf("the one before: %d, next %q", w.Code, w.Header().Get("DPoP-Nonce"))
	}
	c.advance(4*time.Minute + 59*time.Second)
	if w := ask(api, nonce); w.Code != http.StatusOK && w.Code != http.StatusUnauthorized {
		t.Errorf("later: %d", w.Code)
	}
	c.advance(6 * time.Minute) // the token has expired by now: the nonce comes first
	if w := ask(api, nonce); challenges(w) != `DPoP error="use_dpop_nonce"` {
		t.Errorf("stale: %s", challenges(w))
	}
	if got := bearer(api, s.token(t, map[string]any{"exp": c.now().Unix() + 60})); got != "200" {
		t.Errorf("a bearer token: %s", got)
	}
}

// The URL that a proof must name, as its client sees it.
func TestRequestURL(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	h := newHolder(t)
	token := s.token(t, h.cnf())
	tests := []struct {
		name, base, target, htu string
		change                  func(*http.Request)
		want                    string
	}{
		{name: "plain", target: "/notes", htu: "http://example.com/notes", want: "200"},
		{name: "TLS", target: "/notes", htu: "https://example.com/notes", change: func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, want: "200"},
		{name: "TLS, default port", target: "/notes", htu: "https://example.com:443/notes", change: func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, want: "200"},
		{name: "a port", target: "http://example.com:8080/notes", htu: "http://example.com:8080/notes", want: "200"},
		{name: "escapes", target: "/a%2Fb%20c", htu: "http://example.com/a%2Fb%20c", want: "200"},
		{name: "escapes of another spelling", target: "/a%2fb", htu: "http://example.com/a%2Fb", want: "401 invalid_dpop_proof"},
		{name: "path cut by a router", target: "/v1/notes", htu: "http://example.com/v1/notes", change: func(r *http.Request) { r.URL.Path = "/notes" }, want: "200"},
		{name: "no request line", target: "/notes", htu: "http://example.com/notes", change: func(r *http.Request) { r.RequestURI = "" }, want: "200"},
		{name: "X-Forwarded-Host", target: "/notes", htu: "http://evil.example/notes", change: func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "evil.example")
			r.Header.Set("Forwarded", "host=evil.example")
		}, want: "401 invalid_dpop_proof"},
		{name: "behind a proxy", base: "https://api.example.com", target: "/notes", htu: "https://api.example.com/notes", want: "200"},
		{name: "behind a proxy that cuts", base: "https://api.example.com/v1/", target: "/notes", htu: "https://api.example.com/v1/notes", want: "200"},
		{name: "behind a proxy, its own name", base: "https://api.example.com", target: "/notes", htu: "http://example.com/notes", want: "401 invalid_dpop_proof"},
	}
	for _, tt := range tests {
		api := s.api(t, c, func(c *resource.Config) { c.BaseURL = tt.base })
		r := httptest.NewRequest(http.MethodGet, tt.target, nil)
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", h.proof(token, func(p *dpop.Proof) { p.URL = tt.htu }))
		if tt.change != nil {
			tt.change(r)
		}
		if got := answer(api, r); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A token may be bound to a key and a certificate; then both are shown.
func TestBoundTwice(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	h, cert := newHolder(t), &x509.Certificate{Raw: []byte("a certificate")}
	sum := sha256.Sum256(cert.Raw)
	token := s.token(t, map[string]any{"cnf": map[string]any{"jkt": jose.Thumbprint(h.key.Public()), "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})
	for name, tt := range map[string]struct {
		scheme string
		cert   *x509.Certificate
		want   string
	}{
		"both": {"DPoP", cert, "200"}, "the key only": {"DPoP", nil, "401 invalid_token"}, "the certificate only": {"Bearer", cert, "401 invalid_token"},
	} {
		api := s.api(t, c, func(c *resource.Config) { c.Certificate = func(*http.Request) *x509.Certificate { return tt.cert } })
		if got := answer(api, notes(tt.scheme, token, h.proof(token))); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Cases 148 and 149: behind a proxy the certificate comes from where the
// operator says, and from nowhere else.
func TestCase148And149CertificateBehindAProxy(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	sum := sha256.Sum256([]byte("a certificate"))
	token := s.token(t, map[string]any{"cnf": map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})
	told := s.api(t, c, func(c *resource.Config) {
		c.Certificate = func(r *http.Request) *x509.Certificate {
			return &x509.Certificate{Raw: []byte(r.Header.Get("X-Client-Cert"))}
		}
	})
	r := notes("Bearer", token)
	r.Header.Set("X-Client-Cert", "a certificate")
	if got := answer(told, r); got != "200" {
		t.Errorf("told where: %s", got)
	}
	if got := answer(s.api(t, c), r); got != "401 invalid_token" {
		t.Errorf("not told: %s", got)
	}
}

// What a handler learns of a bound and of a delegated token.
func TestConfirmationAndActor(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	h := newHolder(t)
	claims := h.cnf()
	claims["amr"] = []string{"pwd", "otp"}
	claims["act"] = map[string]any{"sub": "client:b", "client_id": "b", "act": map[string]any{"sub": "client:a", "iss": "https://other.example"}}
	token := s.token(t, claims)
	var got *resource.Token
	handler := s.api(t, c).Require()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = resource.FromContext(r.Context()) }))
	handler.ServeHTTP(httptest.NewRecorder(), notes("DPoP", token, h.proof(token)))
	if got == nil || got.Confirmation.KeyThumbprint != jose.Thumbprint(h.key.Public()) || got.Confirmation.CertificateThumbprint != "" || fmt.Sprint(got.AMR) != "[pwd otp]" {
		t.Fatalf("%+v", got)
	}
	if a := got.Actor; a == nil || a.Subject != "client:b" || a.ClientID != "b" || a.Actor == nil || a.Actor.Subject != "client:a" || a.Actor.Issuer != "https://other.example" || a.Actor.Actor != nil {
		t.Errorf("actor %+v", got.Actor)
	}
	for name, bad := range map[string]any{"act a string": "client:b", "act an array": []string{"b"}, "act of a number": map[string]any{"sub": 7}} {
		if got := bearer(s.api(t, c), s.token(t, map[string]any{"act": bad})); got != "401 invalid_token" {
			t.Errorf("%s: %s", name, got)
		}
	}
	plain, err := s.api(t, c).Validate(t.Context(), s.token(t, nil))
	if err != nil || plain.Actor != nil || plain.Confirmation != (resource.Confirmation{}) || plain.AMR != nil {
		t.Errorf("%+v, %v", plain, err)
	}
}

func BenchmarkRequireDPoP(b *testing.B) {
	s, c, h := newAuthServer(b), &clock{}, newHolder(b)
	api := s.api(b, c)
	token := s.token(b, h.cnf())
	requests := make([]*http.Request, 0, 5000)
	for len(requests) < cap(requests) {
		requests = append(requests, notes("DPoP", token, h.proof(token)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i == len(requests) {
			i, api = 0, s.api(b, c)
		}
		if w := respond(api, requests[i]); w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
