package upstream

import (
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/upstreams"
)

// clock is set by hand, on top of the system's.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// oidcConfig is of the generic provider.
func oidcConfig(p *upstreams.Provider) Config {
	return Config{Name: "corp", Kind: "oidc", Issuer: p.URL, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret, CAFile: p.CAFile}
}

func with(c Config, change func(*Config)) Config { change(&c); return c }

func registry(t *testing.T, env Environment, configs ...Config) *Registry {
	t.Helper()
	env.AllowLoopback = true
	if env.Now == nil {
		env.Now = time.Now
	}
	r, err := New(configs, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// connect makes the one connector of a configuration.
func connect(t *testing.T, c Config) *Connector {
	t.Helper()
	return registry(t, Environment{}, c).List()[0]
}

func newRequest() Request {
	return Request{State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(), RedirectURI: "https://auth.example/callback"}
}

func callback(q url.Values) Callback {
	return Callback{q.Get("code"), q.Get("state"), q.Get("iss"), q.Get("error"), q.Get("error_description")}
}

// signIn is a whole sign-in, with whatever change makes of request and
// callback.
func signIn(t testing.TB, c *Connector, p *upstreams.Provider, username string, change ...func(*Request, *Callback)) (Identity, error) {
	t.Helper()
	req := newRequest()
	for _, f := range change {
		f(&req, nil)
	}
	address, err := c.Begin(t.Context(), req)
	if err != nil {
		return Identity{}, err
	}
	q, err := p.Browse(address, username)
	if err != nil {
		t.Fatal(err)
	}
	cb := callback(q)
	for _, f := range change {
		f(&req, &cb)
	}
	return c.Finish(t.Context(), req, cb)
}

// outcome says what became of a sign-in: "ok", or the kind of error and its
// cause.
func outcome(id Identity, err error) string {
	var refused *Refused
	switch {
	case err == nil && (id.Subject == "" || id.Issuer == "" || id.Connector == ""):
		return "an identity without a name"
	case err == nil:
		return "ok"
	case id.Subject != "" || id.Claims != nil:
		return "an identity beside an error: " + err.Error()
	case errors.Is(err, ErrDenied):
		return "denied: " + Cause(err).Error()
	case errors.Is(err, ErrInteraction):
		return "interaction: " + Cause(err).Error()
	case errors.Is(err, ErrUnavailable):
		return "unavailable: " + Cause(err).Error()
	case errors.Is(err, ErrPasswordExpired):
		return "expired: " + Cause(err).Error()
	case errors.Is(err, ErrWrong):
		return "wrong: " + Cause(err).Error()
	case errors.As(err, &refused):
		return "refused: " + refused.Error() + ": " + Cause(err).Error()
	}
	return "another error: " + err.Error()
}

// expect holds an outcome against how it begins and what is in it.
func expect(t *testing.T, name, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s: %s, want %q", name, got, w)
		}
	}
	if strings.Contains(got, upstreams.ClientSecret) || strings.Contains(got, "at-") {
		t.Errorf("%s: a secret or token is in %s", name, got)
	}
}
