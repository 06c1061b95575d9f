package resource_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/resource"
)

// Case 121: a burst of made-up kids causes one fetch in 30 seconds, and shuts
// nobody out whose key is known.
func Test121BurstOfMadeUpKIDs(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	good := s.token(t, nil)
	if got := bearer(api, good); got != "200" {
		t.Fatal(got)
	}
	var burst []string
	for range 50 {
		burst = append(burst, sign(t, newKey(t, jose.ES256), "at+jwt", s.with(nil)))
	}
	storm := func() {
		var wg sync.WaitGroup
		for _, token := range burst {
			wg.Go(func() {
				if got := bearer(api, token); got != "401 invalid_token" {
					t.Errorf("made up: %s", got)
				}
				if got := bearer(api, good); got != "200" {
					t.Errorf("good: %s", got)
				}
			})
		}
		wg.Wait()
	}
	storm()
	if n := s.fetches.Load(); n != 1 {
		t.Errorf("%d fetches at once", n)
	}
	c.advance(30 * time.Second)
	storm()
	if n := s.fetches.Load(); n != 2 {
		t.Errorf("%d fetches after 30 s", n)
	}
}

// Many requests on an empty cache share one fetch.
func TestFirstFetchIsShared(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api, token := s.api(t, c), s.token(t, nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := bearer(api, token); got != "200" {
				t.Error(got)
			}
		})
	}
	wg.Wait()
	if n := s.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Case 317 on this side: a new key is found when its first token comes, the
// old one's tokens stay good while it is published.
func Test317Rotation(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	old := s.token(t, nil)
	bearer(api, old)
	next := newKey(t, jose.EdDSA)
	s.publish(s.key, next)
	c.advance(31 * time.Second)
	for _, token := range []string{sign(t, next, "at+jwt", s.with(nil)), old} {
		if got := bearer(api, token); got != "200" {
			t.Error(got)
		}
	}
}

// Case 318 on this side: a key that was taken away is refused once the key set
// is old, at the latest an hour later, whatever the server allowed.
func Test318WithdrawnKey(t *testing.T) {
	for _, tt := range []struct {
		cacheControl string
		life         time.Duration
	}{
		{"", 10 * time.Minute},
		{"public, max-age=300", 5 * time.Minute},
		{"Max-Age=\"300\"", 5 * time.Minute},
		{"max-age=0", time.Minute},
		{"no-store", time.Minute},
		{"no-cache, max-age=3600", time.Minute},
		{"max-age=31536000", time.Hour},
		{"max-age=nonsense", 10 * time.Minute},
		{"max-age=99999999999999999999", 10 * time.Minute},
	} {
		s, c := newAuthServer(t), &clock{}
		s.cacheControl = tt.cacheControl
		api, token := s.api(t, c), s.token(t, map[string]any{"exp": start.Unix() + 1e6})
		bearer(api, token)
		s.publish(newKey(t, jose.ES256))
		c.advance(tt.life - time.Second)
		if got := bearer(api, token); got != "200" {
			t.Errorf("%q, just before: %s", tt.cacheControl, got)
		}
		c.advance(time.Second)
		if got := bearer(api, token); got != "401 invalid_token" {
			t.Errorf("%q, after: %s", tt.cacheControl, got)
		}
	}
}

// When the authorization server is down, known keys go on for a day; about
// others nobody knows, which is 503 and not 401.
func TestServerDown(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c)
	token := s.token(t, map[string]any{"exp": start.Unix() + 1e6})
	stranger := sign(t, newKey(t, jose.ES256), "at+jwt", s.with(nil))

	s.down.Store(true)
	if got := bearer(api, token); got != "503" {
		t.Errorf("down from the start: %s", got)
	}
	s.down.Store(false)
	c.advance(time.Second)
	if got := bearer(api, token); got != "200" {
		t.Errorf("up: %s", got)
	}

	s.down.Store(true)
	c.advance(2 * time.Hour)
	for _, step := range []time.Duration{0, time.Second, 6 * time.Second, 21 * time.Hour} {
		c.advance(step)
		if got := bearer(api, token); got != "200" {
			t.Errorf("down, known key, %v later: %s", step, got)
		}
		if got := bearer(api, stranger); got != "503" {
			t.Errorf("down, unknown key, %v later: %s", step, got)
		}
	}
	c.advance(time.Hour)
	if got := bearer(api, token); got != "503" {
		t.Errorf("down for a day: %s", got)
	}
	s.down.Store(false)
	c.advance(5 * time.Second)
	if got := bearer(api, token); got != "200" {
		t.Errorf("up again: %s", got)
	}
	if got := bearer(api, stranger); got != "401 invalid_token" {
		t.Errorf("up again, unknown key: %s", got)
	}
}

// A server that hangs holds up nobody whose key is known.
func TestServerHangs(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	release := make(chan struct{})
	hang := make(chan struct{})
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		select {
		case <-hang:
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return nil, fmt.Errorf("hung up")
		default:
			return http.DefaultTransport.RoundTrip(r)
		}
	})
	api := s.api(t, c, func(c *resource.Config) { c.HTTPClient = &http.Client{Transport: transport} })
	token := s.token(t, map[string]any{"exp": start.Unix() + 1e6})
	bearer(api, token)
	s.down.Store(true)
	c.advance(time.Hour)
	bearer(api, token) // the first failure is waited for
	close(hang)
	c.advance(time.Minute)
	begun := time.Now()
	for range 20 {
		if got := bearer(api, token); got != "200" {
			t.Error(got)
		}
	}
	if spent := time.Since(begun); spent > 2*time.Second {
		t.Errorf("twenty requests took %v", spent)
	}
	close(release)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The 503 says when to come again, and asks for no other token.
func TestUnavailable(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	s.down.Store(true)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+s.token(t, nil))
	w := httptest.NewRecorder()
	protect(s.api(t, c)).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
}

// Whatever the server answers in place of a key set, nothing opens.
func TestOddAnswers(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	token := s.token(t, nil)
	for name, write := range map[string]func(http.ResponseWriter, *http.Request){
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL+"/jwks", http.StatusFound) },
		"HTML":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"private":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AA"}]}`) },
		"empty":     func(http.ResponseWriter, *http.Request) {},
		"404":       http.NotFound,
		"too large": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%70000s", jose.MarshalJWKS(s.keys)) },
	} {
		mux := http.NewServeMux()
		front := httptest.NewServer(mux)
		defer front.Close()
		mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, map[string]any{"issuer": front.URL, "jwks_uri": front.URL + "/jwks"})
		})
		mux.HandleFunc("/jwks", write)
		api := s.api(t, c, func(c *resource.Config) { c.Issuer = front.URL })
		if got := bearer(api, token); got != "503" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Metadata may not send us to where others could answer.
func TestOddMetadata(t *testing.T) {
	for _, doc := range []string{
		`{"issuer":"%s"}`, `{"issuer":"%s","jwks_uri":"http://example.com/jwks"}`, `{"issuer":"%s","jwks_uri":"file:///etc/passwd"}`,
		`{"issuer":"%s","jwks_uri":7}`, `{"issuer":"%s","jwks_uri":"%[1]s/jwks","introspection_endpoint":"http://example.com/"}`,
		`{"issuer":"%s","issuer":"%[1]s","jwks_uri":"%[1]s/jwks"}`, `{"Issuer":"%s","jwks_uri":"%[1]s/jwks"}`, `[]`, ``,
	} {
		mux := http.NewServeMux()
		front := httptest.NewServer(mux)
		defer front.Close()
		mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, doc, front.URL) })
		s, c := newAuthServer(t), &clock{}
		api := s.api(t, c, func(c *resource.Config) { c.Issuer = front.URL })
		if err := api.Check(t.Context()); err == nil || bearer(api, s.token(t, nil)) != "503" {
			t.Errorf("%s: %v", doc, err)
		}
	}
}
