package oauth

import (
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/seal"
)

// TestFromBefore: what was made in the second of a restore may have been made
// before it.
func TestFromBefore(t *testing.T) {
	restored := time.Unix(1_000, 0)
	for _, c := range []struct {
		name     string
		restored time.Time
		made     time.Time
		want     bool
	}{
		{"never restored", time.Time{}, restored, false},
		{"long before", restored, restored.Add(-time.Hour), true},
		{"the second before", restored, restored.Add(-time.Second), true},
		{"the same second", restored, restored, true},
		{"the second after", restored, restored.Add(time.Second), false},
		{"no time at all", restored, time.Time{}, true},
	} {
		if got := (&Server{Restored: func() time.Time { return c.restored }}).fromBefore(c.made); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestMadeAt: RFC 7523 §3 asks for exp alone.
func TestMadeAt(t *testing.T) {
	for name, c := range map[string]struct {
		claims assertionClaims
		want   int64
	}{
		"iat":      {assertionClaims{IssuedAt: 900, NotBefore: 800, Expires: 1000}, 900},
		"nbf":      {assertionClaims{NotBefore: 800, Expires: 1000}, 800},
		"only exp": {assertionClaims{Expires: jose.NumericDate(1000)}, 700},
	} {
		if got := c.claims.madeAt(5 * time.Minute).Unix(); got != c.want {
			t.Errorf("%s: %d, not %d", name, got, c.want)
		}
	}
}

// TestAssertionAfterRestore: one that names no iat could have been made as long
// ago as its exp allows.
func TestAssertionAfterRestore(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	ring, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	s := New(Server{Issuer: "https://as.example", Seal: ring, Now: func() time.Time { return now }})
	client := &Client{ID: "app"}
	at := func(d time.Duration) jose.NumericDate { return jose.NumericDate(now.Add(d).Unix()) }
	for _, c := range []struct {
		name   string
		since  time.Duration // the restore
		claims assertionClaims
		want   string
	}{
		{"of just now", time.Second, assertionClaims{IssuedAt: at(0), Expires: at(time.Minute)}, ""},
		{"of the same second", time.Second, assertionClaims{IssuedAt: at(-time.Second), Expires: at(time.Minute)}, "client_assertion is from before this server was restored from a backup"},
		{"of before", time.Minute, assertionClaims{IssuedAt: at(-2 * time.Minute), Expires: at(time.Minute)}, "client_assertion is from before this server was restored from a backup"},
		{"without iat, short", time.Minute, assertionClaims{Expires: at(time.Minute)}, "client_assertion is from before this server was restored from a backup"},
		{"without iat, later", 10 * time.Minute, assertionClaims{Expires: at(time.Minute)}, ""},
	} {
		s.Restored = func() time.Time { return now.Add(-c.since) }
		c.claims.Issuer, c.claims.Subject, c.claims.Audience, c.claims.ID = "app", "app", jose.Audience{"https://as.example"}, "1"
		if got := s.assertionFault(client, Credentials{}, &c.claims, nil); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
		if c.want != "" {
			if got := s.bearerFault(&c.claims); got != "assertion is from before this server was restored from a backup" {
				t.Errorf("%s, as a grant: %q", c.name, got)
			}
		}
	}
}
