package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/upstreams"
)

// Cases 274 and 308: what a connector may dial. allow_private is its
// operator's choice, and clouds' metadata services aren't in it.
func TestCase308Addresses(t *testing.T) {
	for address, want := range map[string]string{
		"8.8.8.8": "public", "1.1.1.1": "public", "2606:4700::1111": "public", "64:ff9b::808:808": "public", "172.32.0.1": "public",
		"10.1.2.3": "private", "172.16.0.1": "private", "192.168.0.1": "private", "100.64.0.1": "private", "fd00::1": "private", "fc00::1": "private",
		"127.0.0.1": "loopback", "127.9.9.9": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private",
		"169.254.169.254": "never", "169.254.0.1": "never", "fe80::1": "never", "0.0.0.0": "never", "::": "never", "224.0.0.1": "never",
		"255.255.255.255": "never", "240.0.0.1": "never", "192.0.2.1": "never", "198.18.0.1": "never", "2001:db8::1": "never", "2002:7f00:1::": "never",
		"64:ff9b::10.0.0.1": "never", "64:ff9b::169.254.169.254": "never", "ff02::1": "never", "::127.0.0.1": "never",
	} {
		to := netip.AddrPortFrom(netip.MustParseAddr(address), 443).String()
		got := "never"
		switch {
		case guard{}.control("tcp4", to, nil) == nil:
			got = "public"
		case guard{private: true}.control("tcp6", to, nil) == nil && guard{loopback: true}.control("tcp6", to, nil) == nil:
			got = "loopback"
		case guard{private: true}.control("tcp6", to, nil) == nil:
			got = "private"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if (guard{loopback: true, private: true}).control("udp4", "8.8.8.8:53", nil) == nil {
		t.Error("UDP")
	}
}

// A connector without allow_private reaches nothing here, by HTTP or LDAP.
func TestCase308NoConnection(t *testing.T) {
	var heard atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			_ = c.Close()
		}
	}()
	t.Setenv("HTTPS_PROXY", "http://"+l.Addr().String())
	configs := []Config{
		{Name: "oidc", Kind: "oidc", Issuer: "https://" + l.Addr().String(), ClientID: "c", ClientSecret: "s"},
		{Name: "plain", Kind: "oidc", Issuer: "http://" + l.Addr().String(), ClientID: "c", ClientSecret: "s"},
		{Name: "ldap", Kind: "ldap", URL: List{"ldaps://" + l.Addr().String(), "ldap://" + l.Addr().String()}, Base: "dc=x"},
	}
	open, err := New(configs, Environment{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range open.List() {
		_, err := c.Begin(t.Context(), newRequest())
		if !c.Redirects() {
			_, err = c.Password(t.Context(), "alice", "secret")
		}
		got := outcome(Identity{}, err)
		if !strings.HasPrefix(got, "unavailable: ") || !strings.Contains(got, "not a") {
			t.Errorf("%s: %s", c.Name, got)
		}
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	configs[0].AllowPrivate = true
	meant, _ := New(configs[:1], Environment{Now: time.Now})
	_, _ = meant.List()[0].Begin(t.Context(), newRequest())
	if heard.Load() == 0 {
		t.Error("allow_private does nothing")
	}
}

// Case 274: documents that lead elsewhere, never end, or are another's.
func TestCase274Documents(t *testing.T) {
	var heard atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		heard.Add(1)
		t.Errorf("sent elsewhere: %s %v", r.URL, r.Header)
	}))
	defer elsewhere.Close()
	p := upstreams.OIDC(t, upstreams.Options{})
	discovery := "/.well-known/openid-configuration"
	meta := func(name string, v any) upstreams.Wrong { return upstreams.Wrong{Metadata: map[string]any{name: v}} }
	for name, tt := range map[string]struct {
		wrong upstreams.Wrong
		want  []string
	}{
		"another issuer":       {meta("issuer", "https://evil.example"), []string{"evil.example", "not \"" + p.URL}},
		"a slash more":         {meta("issuer", p.URL+"/"), []string{"not \"" + p.URL}},
		"no issuer":            {meta("issuer", upstreams.Absent), []string{"not \"" + p.URL}},
		"issuer a number":      {meta("issuer", 1), []string{"isn't what"}},
		"token in clear":       {meta("token_endpoint", "http://idp.example/token"), []string{"token_endpoint isn't an https URL"}},
		"authorize a script":   {meta("authorization_endpoint", "javascript:alert(1)"), []string{"authorization_endpoint isn't"}},
		"authorize a file":     {meta("authorization_endpoint", "file:///etc/passwd"), []string{"authorization_endpoint isn't"}},
		"logout a script":      {meta("end_session_endpoint", "javascript:alert(1)"), []string{"end_session_endpoint isn't"}},
		"user in jwks_uri":     {meta("jwks_uri", "https://u:p@idp.example/jwks"), []string{"jwks_uri isn't"}},
		"no jwks_uri":          {meta("jwks_uri", upstreams.Absent), []string{"jwks_uri isn't"}},
		"private jwks_uri":     {meta("jwks_uri", "https://10.0.0.1/jwks"), []string{"not a public address"}},
		"metadata's jwks_uri":  {meta("jwks_uri", "https://169.254.169.254/latest"), []string{"not a public address"}},
		"private userinfo":     {meta("userinfo_endpoint", "https://192.168.0.1/userinfo"), []string{"not a public address"}},
		"discovery redirects":  {upstreams.Wrong{Redirect: map[string]string{discovery: elsewhere.URL}}, []string{"status 307"}},
		"keys redirect":        {upstreams.Wrong{Redirect: map[string]string{"/jwks": elsewhere.URL}}, []string{"status 307"}},
		"token redirects":      {upstreams.Wrong{Redirect: map[string]string{"/token": elsewhere.URL}}, []string{"status 307"}},
		"userinfo redirects":   {upstreams.Wrong{Redirect: map[string]string{"/userinfo": elsewhere.URL}}, []string{"status 307"}},
		"discovery is endless": {upstreams.Wrong{Endless: discovery}, []string{"more than 1048576 bytes"}},
		"keys are endless":     {upstreams.Wrong{Endless: "/jwks"}, []string{"more than 1048576 bytes"}},
		"token is endless":     {upstreams.Wrong{Endless: "/token"}, []string{"token endpoint"}},
		"userinfo is endless":  {upstreams.Wrong{Endless: "/userinfo"}, []string{"more than 1048576 bytes"}},
		"discovery is missing": {upstreams.Wrong{Status: map[string]int{discovery: 404}}, []string{"status 404"}},
	} {
		p.Misbehave(tt.wrong)
		got := outcome(signIn(t, connect(t, with(oidcConfig(p), func(c *Config) { c.UserInfo = &yes })), p, "alice"))
		expect(t, name, got, append(tt.want, "unavailable: ")...)
	}
	if heard.Load() != 0 {
		t.Error("a redirect was followed")
	}
	for _, s := range p.Seen("") {
		if s.Path != "/authorize" && (s.Header.Get("Cookie") != "" || s.Header.Get("Accept-Encoding") == "gzip") {
			t.Errorf("%s: %v", s.Path, s.Header)
		}
	}
}

func TestCompressedAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("x"))
	}))
	defer s.Close()
	out := newOutbound(guard{loopback: true}, Environment{whole: wholeTime})
	for range maxInFlight + 1 { // a slot that isn't given back would end this
		if _, err := out.get(t.Context(), s.URL+"/path?token=secret", ""); err == nil || !strings.Contains(err.Error(), "compressed") || strings.Contains(err.Error(), "secret") {
			t.Fatal(err)
		}
	}
}

// Case 332: a provider that is silent keeps its own people waiting, for a
// bounded time, and no other's.
func TestCase332Silence(t *testing.T) {
	silent, working := upstreams.OIDC(t, upstreams.Options{}), upstreams.OIDC(t, upstreams.Options{})
	other := connect(t, oidcConfig(working))
	for _, path := range []string{"/token", "/jwks", "/.well-known/openid-configuration"} {
		silent.Misbehave(upstreams.Wrong{Silent: path})
		c := impatient(t, 100*time.Millisecond, oidcConfig(silent))
		before := time.Now()
		got := outcome(signIn(t, c, silent, "alice"))
		if took := time.Since(before); !strings.HasPrefix(got, "unavailable: ") || took > 2*time.Second {
			t.Errorf("%s: %s after %s", path, got, took)
		}
	}
	silent.Misbehave(upstreams.Wrong{Silent: "/.well-known/openid-configuration"})
	short := impatient(t, 100*time.Millisecond, oidcConfig(silent))
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			if got := outcome(Identity{}, second(short.Begin(t.Context(), newRequest()))); !strings.HasPrefix(got, "unavailable: ") {
				t.Error(got)
			}
		})
	}
	expect(t, "another provider's people", outcome(signIn(t, other, working, "alice")), "ok")
	wg.Wait()
	if n := len(silent.Seen("/.well-known/openid-configuration")); n > 4 {
		t.Errorf("asked %d times", n)
	}
	for range 100 {
		if runtime.NumGoroutine() < before+30 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, before %d", runtime.NumGoroutine(), before)
}

func second(_ string, err error) error { return err }

// impatient is a connector that waits no longer than d.
func impatient(t *testing.T, d time.Duration, c Config) *Connector {
	t.Helper()
	return registry(t, Environment{whole: d, step: d}, c).List()[0]
}

// A provider that was down is asked again after a moment, and what it said
// before is good enough meanwhile.
func TestDownAndUp(t *testing.T) {
	p, clock := upstreams.OIDC(t, upstreams.Options{}), new(clock)
	p.Misbehave(upstreams.Wrong{Status: map[string]int{"/.well-known/openid-configuration": 503}})
	c := registry(t, Environment{Now: clock.now}, oidcConfig(p)).List()[0]
	try := func(want string) {
		t.Helper()
		got := "ok"
		if _, err := c.Begin(t.Context(), newRequest()); err != nil {
			got = outcome(Identity{}, err)
		}
		expect(t, "try", got, want)
	}
	asked := func() int { return len(p.Seen("/.well-known/openid-configuration")) }
	try("unavailable: ")
	p.Misbehave(upstreams.Wrong{})
	try("status 503") // of before
	if asked() != 1 {
		t.Errorf("asked %d times", asked())
	}
	clock.advance(retry)
	try("ok")
	try("ok")
	if asked() != 2 {
		t.Errorf("asked %d times", asked())
	}
	clock.advance(useFresh)
	p.Misbehave(upstreams.Wrong{Status: map[string]int{"/.well-known/openid-configuration": 503}})
	try("ok") // an old one is good enough
	if asked() != 3 {
		t.Errorf("asked %d times", asked())
	}
	clock.advance(maxStale)
	try("unavailable: ")
}

// A new key is looked for when a token has it, and not for each token that
// claims to.
func TestKeyRotation(t *testing.T) {
	p, clock := upstreams.OIDC(t, upstreams.Options{}), new(clock)
	c := registry(t, Environment{Now: clock.now}, oidcConfig(p)).List()[0]
	expect(t, "before", outcome(signIn(t, c, p, "alice")), "ok")
	p.Rotate()
	expect(t, "too soon", outcome(signIn(t, c, p, "alice")), "refused: ", "unknown signing key")
	clock.advance(renewWait)
	expect(t, "after", outcome(signIn(t, c, p, "alice")), "ok")
	n := len(p.Seen("/jwks"))
	p.Rotate()
	for range 50 {
		_, _, _, _, err := c.LogoutToken(t.Context(), p.LogoutToken("alice", "", "logout+jwt", nil))
		expect(t, "unknown key", outcome(Identity{}, err), "refused: ")
	}
	if more := len(p.Seen("/jwks")) - n; more != 0 {
		t.Errorf("keys were asked for %d times", more)
	}
}

// Case 273: a thousand pairs at once, each person gets their own answer.
func TestCase273Simultaneous(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	pairs := 1000
	if testing.Short() {
		pairs = 100
	}
	for i := range 2 * pairs {
		p.Put(upstreams.Person{Username: fmt.Sprint("u", i), Subject: fmt.Sprint("s", i), Name: fmt.Sprint("n", i), Email: fmt.Sprintf("u%d@x.example", i)})
	}
	c := impatient(t, time.Minute, oidcConfig(p)) // for slow machines
	var wg sync.WaitGroup
	begun := make(chan struct{}, 200) // sockets, not connectors, are scarce
	for i := range 2 * pairs {
		wg.Go(func() {
			begun <- struct{}{}
			defer func() { <-begun }()
			id, err := signIn(t, c, p, fmt.Sprint("u", i))
			if err != nil || id.Subject != fmt.Sprint("s", i) || id.Name != fmt.Sprint("n", i) || id.Email != fmt.Sprintf("u%d@x.example", i) || id.Session != fmt.Sprint("session-of-u", i) {
				t.Errorf("%d: %s %s, %v", i, id.Subject, id.Name, Cause(err))
			}
		})
	}
	wg.Wait()
	if n := len(p.Seen("/jwks")); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
}

// Case 273 again: answers that are swapped between two sign-ins help neither.
func TestCase273Swapped(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := connect(t, oidcConfig(p))
	var reqs [2]Request
	var cbs [2]Callback
	for i, name := range []string{"alice", "bob"} {
		reqs[i] = newRequest()
		address, _ := c.Begin(t.Context(), reqs[i])
		q, err := p.Browse(address, name)
		if err != nil {
			t.Fatal(err)
		}
		cbs[i] = callback(q)
	}
	mixed := cbs[1]
	mixed.State = cbs[0].State // even a caller that mixed up states
	expect(t, "mixed", outcome(c.Finish(t.Context(), reqs[0], mixed)), "refused: ")
	expect(t, "swapped", outcome(c.Finish(t.Context(), reqs[0], cbs[1])), "refused: ")
	expect(t, "right", outcome(c.Finish(t.Context(), reqs[0], cbs[0])), "ok")
}

// Nothing that passes through here is in an error or a log, however it is
// printed.
func TestSecretsAreSilent(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	c := with(oidcConfig(p), func(c *Config) { c.BindPassword = "bind-s3cret" })
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "secret", c.ClientSecret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "secret", c.ClientSecret)
	texts := []string{string(encoded), log.String(), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q %x", c, c, c, c.ClientSecret, c.ClientSecret, c.ClientSecret)}
	for _, wrong := range []upstreams.Wrong{
		{Status: map[string]int{"/token": 400}}, {Status: map[string]int{"/token": 500}}, {Status: map[string]int{"/userinfo": 401}}, {NoToken: true}, {OtherKey: true},
	} {
		p.Misbehave(wrong)
		_, err := signIn(t, connect(t, with(c, func(c *Config) { c.UserInfo = &yes; c.BindPassword = "" })), p, "alice")
		texts = append(texts, fmt.Sprintf("%v %+v %#v %v", err, err, err, Cause(err)))
	}
	for _, text := range texts {
		for _, secret := range []string{upstreams.ClientSecret, "s3cret", "at-"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, text)
			}
		}
	}
}

// Whoever leaves while a provider is slow is let go at once.
func TestGivenUp(t *testing.T) {
	p := upstreams.OIDC(t, upstreams.Options{})
	p.Misbehave(upstreams.Wrong{Silent: "/.well-known/openid-configuration"})
	c := connect(t, oidcConfig(p))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	before := time.Now()
	if _, err := c.Begin(ctx, newRequest()); err == nil || time.Since(before) > time.Second {
		t.Errorf("%v after %s", err, time.Since(before))
	}
}
