package resource_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/resource"
)

// inBubble runs a test in fake time, with an API that follows the server's feed.
func inBubble(t *testing.T, s *authServer, test func(t *testing.T, api *resource.API, log *buffer), change ...func(*resource.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := &buffer{}
		s.feed.now, s.feed.news = time.Now, make(chan struct{}) // a channel of the bubble
		c := resource.Config{
			Issuer: s.URL, Audience: audience, HTTPClient: &http.Client{Transport: direct{s}}, Log: slog.New(slog.NewTextHandler(log, nil)),
		}
		following(&c)
		for _, f := range change {
			f(&c)
		}
		api := resource.New(c)
		defer api.Close()
		synctest.Wait()
		test(t, api, log)
	})
}

type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(strings.TrimSpace(b.String()), "\n")
}

// now is a token made now, changed.
func (s *authServer) now(t testing.TB, changes ...any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{"iat": now, "exp": now + 600}
	for i := 0; i < len(changes); i += 2 {
		claims[changes[i].(string)] = changes[i+1]
	}
	return s.token(t, claims)
}

// after lets fake time pass.
func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestFeedRevokes(t *testing.T) {
	s := newAuthServer(t)
	inBubble(t, s, func(t *testing.T, api *resource.API, _ *buffer) {
		const authorization = "0123456789abcdefghijklmnop"
		tokens := map[string]string{
			"its own": s.now(t, "jti", "j1"), "authorization": s.now(t, "jti", authorization+".1"), "client": s.now(t, "jti", "j2", "client_id", "c2"),
			"another": s.now(t, "jti", "j3"), "alike": s.now(t, "jti", authorization+"x.1"), "narrowed": s.now(t, "jti", "narrowed.1"), "authorization as jti": s.now(t, "jti", authorization),
			"j1 as authorization": s.now(t, "jti", "j1.1"),
		}
		undated := s.grant("at_2", map[string]any{"jti": "j9", "client_id": "c2", "exp": nil, "iat": nil})
		opaque := s.grant("at_1", map[string]any{"jti": authorization + ".2", "exp": nil, "iat": nil})
		for name, token := range tokens {
			if got := bearer(api, token); got != "200" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if got := bearer(api, opaque); got != "200" {
			t.Errorf("opaque: %s", got)
		}
		after(10 * time.Second) // in the middle of a long poll
		s.feed.change(func() {
			s.feed.entries = append(s.feed.entries, map[string]any{"authorization": "narrowed", "narrowed": true, "at": time.Now().Unix()})
		})
		s.feed.revoke("token", "j1", time.Now())
		s.feed.revoke("authorization", authorization, time.Now())
		s.feed.revoke("client_id", "c2", time.Now())
		s.feed.revoke("something_new", "c1", time.Now())
		after(time.Second)
		revoked := map[string]bool{"its own": true, "authorization": true, "client": true, "narrowed": true}
		for name, token := range tokens {
			if got := bearer(api, token); (got == "401 invalid_token") != revoked[name] {
				t.Errorf("%s, revoked: %s", name, got)
			}
			if _, err := api.Validate(t.Context(), token); (err != nil) != revoked[name] || err != nil && !strings.Contains(err.Error(), "the access token has been revoked") {
				t.Errorf("%s, validated: %v", name, err)
			}
		}
		if got := bearer(api, opaque); got != "401 invalid_token" {
			t.Errorf("opaque: %s", got)
		}
		if got := bearer(api, undated); got != "200" { // the server has just been asked
			t.Errorf("opaque, of that client, and of no date: %s", got)
		}
		if got := bearer(api, s.now(t, "jti", "j4", "client_id", "c2")); got != "200" {
			t.Errorf("the client's next: %s", got)
		}
		if got := bearer(api, s.now(t, "jti", "narrowed.2")); got != "200" {
			t.Errorf("the narrowed authorization's next: %s", got)
		}
	})
}

// How the server is asked: everything once, then with an overlap and a cursor.
func TestFeedQuestions(t *testing.T) {
	s := newAuthServer(t)
	inBubble(t, s, func(t *testing.T, api *resource.API, _ *buffer) {
		s.feed.revoke("token", "j1", time.Now())
		after(10 * time.Minute)
		asked, given := s.feed.state()
		if len(asked) < 24 || len(asked) > 28 || given != 2 {
			t.Errorf("%d questions, %d access tokens in 10 minutes", len(asked), given)
		}
		if asked[0] != "" || asked[1] != "seen=0%2F0&since=946684770&wait=25" || !strings.HasPrefix(asked[2], "seen=0%2F1&since=") || !strings.HasSuffix(asked[2], "&wait=25") {
			t.Errorf("asked %q", asked[:3])
		}
		if got := bearer(api, s.now(t, "jti", "j1")); got != "401 invalid_token" {
			t.Error(got)
		}
	}, func(c *resource.Config) { c.OnStale = resource.StaleRefuse })
}

// A revocation is remembered as long as a token may live, and not for ever.
func TestFeedForgets(t *testing.T) {
	s := newAuthServer(t)
	inBubble(t, s, func(t *testing.T, api *resource.API, _ *buffer) {
		s.feed.revoke("token", "j1", time.Now())
		for range 7 {
			after(10 * time.Minute)
			s.feed.change(func() { s.feed.entries = s.feed.entries[:0:0] }) // the server forgets first
			if got := bearer(api, s.now(t, "jti", "j1")); got != "401 invalid_token" {
				t.Fatal(got)
			}
		}
		after(15 * time.Minute)
		if got := bearer(api, s.now(t, "jti", "j1")); got != "200" {
			t.Error(got)
		}
	}, func(c *resource.Config) { c.MaxTokenLife = 80 * time.Minute })
}

// A server that restarts is found again within 10 s, with a new access token,
// and what was revoked meanwhile is learned.
func TestFeedRestart(t *testing.T) {
	s := newAuthServer(t)
	inBubble(t, s, func(t *testing.T, api *resource.API, log *buffer) {
		after(5 * time.Second)
		s.down.Store(true)
		s.feed.restart()
		after(40 * time.Second)
		for range 3 {
			s.feed.revoke("token", "j1", time.Now().Add(-30*time.Second))
		}
		s.down.Store(false)
		after(10 * time.Second)
		if got := bearer(api, s.now(t, "jti", "j1")); got != "401 invalid_token" {
			t.Errorf("revoked meanwhile: %s", got)
		}
		if got := bearer(api, s.now(t, "jti", "j2")); got != "200" {
			t.Errorf("another: %s", got)
		}
		if lines := log.lines(); len(lines) != 2 || !strings.Contains(lines[0], "can't be read") || !strings.Contains(lines[1], "is back") {
			t.Errorf("log %q", lines)
		}
	}, func(c *resource.Config) { c.OnStale = resource.StaleRefuse })
}

// A refused access token is replaced at once, and nobody hears of it.
func TestFeed401(t *testing.T) {
	s := newAuthServer(t)
	inBubble(t, s, func(t *testing.T, api *resource.API, log *buffer) {
		after(5 * time.Second)
		s.feed.restart()
		s.feed.revoke("token", "j1", time.Now())
		after(time.Second)
		if got := bearer(api, s.now(t, "jti", "j1")); got != "401 invalid_token" {
			t.Error(got)
		}
		if _, given := s.feed.state(); given != 2 || log.Len() != 0 {
			t.Errorf("%d access tokens, log %s", given, log)
		}
	})
}

// Tokens of 60 s are renewed before they expire.
func TestFeedRenews(t *testing.T) {
	s := newAuthServer(t)
	s.feed.life = 60
	inBubble(t, s, func(t *testing.T, _ *resource.API, log *buffer) {
		after(10 * time.Minute)
		if _, given := s.feed.state(); given < 8 || given > 13 || log.Len() != 0 {
			t.Errorf("%d access tokens, log %s", given, log)
		}
	})
}

// Silence of 30 s is told by 503 or borne, as configured.
func TestFeedStale(t *testing.T) {
	for onStale, want := range map[resource.Stale]string{resource.StaleAccept: "200", resource.StaleRefuse: "503"} {
		s := newAuthServer(t)
		inBubble(t, s, func(t *testing.T, api *resource.API, _ *buffer) {
			token := func() string { return bearer(api, s.now(t)) }
			for range 20 { // in no long poll
				after(7 * time.Second)
				if got := token(); got != "200" {
					t.Fatalf("well: %s", got)
				}
			}
			s.feed.change(func() { s.feed.status = http.StatusServiceUnavailable })
			s.feed.revoke("token", "x", time.Now()) // ends the long poll
			after(29 * time.Second)
			if got := token(); got != "200" {
				t.Errorf("for 29 s: %s", got)
			}
			after(2 * time.Second)
			if got := token(); got != want {
				t.Errorf("for 31 s: %s, want %s", got, want)
			}
			if got := bearer(api, s.now(t, "aud", "x")); got != "401 invalid_token" {
				t.Errorf("another API's token: %s", got)
			}
			if got := bearer(api, s.grant("at_1", map[string]any{"iat": nil, "exp": nil})); got != "200" {
				t.Errorf("opaque: %s", got)
			}
			s.feed.change(func() { s.feed.status = 0 })
			after(10 * time.Second)
			if got := token(); got != "200" {
				t.Errorf("back: %s", got)
			}
		}, func(c *resource.Config) { c.OnStale = onStale })
	}
}

// Before the first answer nobody knows.
func TestFeedNeverAnswered(t *testing.T) {
	for onStale, want := range map[resource.Stale]string{resource.StaleAccept: "200", resource.StaleRefuse: "503"} {
		s := newAuthServer(t)
		s.feed.status = http.StatusForbidden
		inBubble(t, s, func(t *testing.T, api *resource.API, log *buffer) {
			if got := bearer(api, s.now(t)); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if err := api.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
				t.Errorf("Check: %v", err)
			}
			after(5 * time.Minute)
			if lines := log.lines(); onStale == resource.StaleAccept && len(lines) != 1 {
				t.Errorf("log %q", lines)
			}
			if asked, _ := s.feed.state(); len(asked) < 30 || len(asked) > 70 {
				t.Errorf("asked %d times in 5 minutes", len(asked))
			}
			s.feed.change(func() { s.feed.status = 0 })
			if err := api.Check(t.Context()); err != nil {
				t.Errorf("Check: %v", err)
			}
			if got := bearer(api, s.now(t)); got != "200" {
				t.Error(got)
			}
		}, func(c *resource.Config) { c.OnStale = onStale })
	}
}

// A server that answers nonsense, or always at once, is not asked without end.
func TestFeedOddServers(t *testing.T) {
	for raw, ok := range map[string]bool{
		`{"now":1800000000,"entries":[{"token":"old","at":1}],"cursor":"x"}`: true,
		`{"now":1800000000,"since":1,"entries":[]}`:                          true,
		`{"now":1800000000,"entries":null}`:                                  true,
		`{"entries":[]}`:                                                     false,
		`{"now":"x"}`:                                                        false,
		`{"now":1,"now":2,"entries":[]}`:                                     false,
		`{"now":1,"entries":[{"token":7}]}`:                                  false,
		`<html>`:                                                             false,
		`{"now":1` + strings.Repeat(" ", 9<<20):                              false,
	} {
		s := newAuthServer(t)
		s.feed.raw = raw
		inBubble(t, s, func(t *testing.T, api *resource.API, log *buffer) {
			after(time.Minute)
			if asked, _ := s.feed.state(); len(asked) < 6 || len(asked) > 122 {
				t.Errorf("%.40s: asked %d times in a minute", raw, len(asked))
			}
			if err := api.Check(t.Context()); (err == nil) != ok || (log.Len() == 0) != ok {
				t.Errorf("%.40s: %v, log %s", raw, err, log)
			}
		})
	}
}

// Over real connections: a revocation arrives in the middle of a long poll, and
// Close, in the middle of another, leaves nothing behind.
func TestFeedOverHTTP(t *testing.T) {
	s := newAuthServer(t)
	s.feed.now = time.Now
	transport := &http.Transport{}
	api := resource.New(resource.Config{
		Issuer: s.URL, Audience: audience, ClientID: "api:1", ClientSecret: "s/cret", Revocations: true, OnStale: resource.StaleRefuse,
		HTTPClient: &http.Client{Transport: transport, Timeout: 2 * time.Second}, Log: slog.New(slog.DiscardHandler),
	})
	token := s.now(t)
	if got := bearer(api, token); got != "200" { // waits for the first answer
		t.Fatal(got)
	}
	time.Sleep(3 * time.Second) // longer than the client's own patience
	s.feed.revoke("token", "j1", time.Now())
	before := time.Now()
	for bearer(api, token) != "401 invalid_token" {
		if time.Since(before) > 5*time.Second {
			t.Fatal("not revoked")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if d := time.Since(before); d > time.Second {
		t.Errorf("after %s", d)
	}
	before = time.Now()
	api.Close()
	api.Close()
	if d := time.Since(before); d > time.Second {
		t.Errorf("Close took %s", d)
	}
	transport.CloseIdleConnections()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if bytes.Contains(stacks, []byte("resource.(*feed)")) {
		t.Errorf("a goroutine is left:\n%s", stacks)
	}
}

func TestCloseWithoutFeed(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	s.api(t, c).Close()
	resource.New(resource.Config{Log: slog.New(slog.DiscardHandler), Revocations: true}).Close()
}
