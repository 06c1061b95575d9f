package dpop_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/dpop"
)

func check(p dpop.Proof, w dpop.Want) string {
	switch err := p.Check(w); {
	case errors.Is(err, dpop.ErrInvalid):
		return "invalid"
	case err != nil:
		return err.Error()
	}
	return "ok"
}

// Case 136: another method or URL.
func TestCase136MethodAndURL(t *testing.T) {
	tests := []struct{ method, htu, want string }{
		{"POST", "https://example.com/token", "ok"},
		{"GET", "https://example.com/token", "invalid"},
		{"post", "https://example.com/token", "invalid"},
		{"POST", "https://example.com/token?a=b", "ok"},
		{"POST", "https://example.com/token?a=/b", "ok"},
		{"POST", "https://example.com/token#a", "ok"},
		{"POST", "https://example.com/token#a?b", "ok"},
		{"POST", "https://example.com/token?", "ok"},
		{"POST", "HTTPS://EXAMPLE.com/token", "ok"},
		{"POST", "https://example.com:443/token", "ok"},
		{"POST", "https://example.com:/token", "ok"},
		{"POST", "https://example.com:80/token", "invalid"},
		{"POST", "https://example.com:8443/token", "invalid"},
		{"POST", "http://example.com/token", "invalid"},
		{"POST", "http://example.com:443/token", "invalid"},
		{"POST", "https://www.example.com/token", "invalid"},
		{"POST", "https://example.com./token", "invalid"},
		{"POST", "https://example.com.evil.example/token", "invalid"},
		{"POST", "https://evil.example/token?https://example.com/token", "invalid"},
		{"POST", "https://example.com/token/", "invalid"},
		{"POST", "https://example.com//token", "invalid"},
		{"POST", "https://example.com/./token", "invalid"},
		{"POST", "https://example.com/x/../token", "invalid"},
		{"POST", "https://example.com/Token", "invalid"},
		{"POST", "https://example.com/%74oken", "invalid"},
		{"POST", "https://example.com/token;a", "invalid"},
		{"POST", "https://example.com", "invalid"},
		{"POST", "https://example.com/", "invalid"},
		{"POST", `https://example.com\token`, "invalid"},
		{"POST", "", "invalid"},
		{"POST", "https://127.0.0.1:8443/token", "ok"}, // an alias
		{"POST", "https://[::1]/token", "ok"},
		{"POST", "https://[::1]:443/token", "ok"},
		{"POST", "https://[::1]:8443/token", "invalid"},
		{"POST", "https://bare.example", "ok"}, // both without a path, and one
		{"POST", "https://bare.example/", "ok"},
		{"POST", "https://bare.example?/x", "ok"},
	}
	urls := []string{"https://example.com/token", "https://127.0.0.1:8443/token", "https://[::1]/token", "https://bare.example", "", "nonsense"}
	for _, tt := range tests {
		p := dpop.Proof{Method: tt.method, URL: tt.htu, IssuedAt: start}
		if got := check(p, dpop.Want{Method: "POST", URLs: urls, Now: start}); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.method, tt.htu, got, tt.want)
		}
		if got := check(p, dpop.Want{Method: "POST", Now: start}); got != "invalid" {
			t.Errorf("%s with no URL wanted: %s", tt.htu, got)
		}
	}
}

// Case 137: a minute, both ways.
func TestCase137Window(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "ok", 5 * time.Second: "ok", -5 * time.Second: "ok", time.Minute: "ok", -time.Minute: "ok",
		61 * time.Second: "invalid", -61 * time.Second: "invalid", 5 * time.Minute: "invalid", -5 * time.Minute: "invalid",
	} {
		p := dpop.Proof{Method: "POST", URL: htu, IssuedAt: start.Add(d)}
		if got := check(p, dpop.Want{Method: "POST", URLs: []string{htu}, Now: start}); got != want {
			t.Errorf("iat %s: %s, want %s", d, got, want)
		}
	}
	p := dpop.Proof{Method: "POST", URL: htu, IssuedAt: start}
	for d, want := range map[time.Duration]string{-time.Nanosecond: "ok", 0: "invalid"} {
		if got := check(p, dpop.Want{Method: "POST", URLs: []string{htu}, Now: p.Expires().Add(d)}); got != want {
			t.Errorf("%s after Expires: %s", d, got)
		}
	}
}

// Case 141, as far as it is the proof's: ath.
func TestCase141TokenHash(t *testing.T) {
	for ath, want := range map[string]string{
		dpop.TokenHash("at"): "ok", dpop.TokenHash("another"): "invalid", "": "invalid",
		dpop.TokenHash("at") + "=": "invalid", strings.ToLower(dpop.TokenHash("at")): "invalid",
	} {
		p := dpop.Proof{Method: "GET", URL: htu, IssuedAt: start, TokenHash: ath}
		if got := check(p, dpop.Want{Method: "GET", URLs: []string{htu}, Now: start, Token: "at"}); got != want {
			t.Errorf("ath %q: %s", ath, got)
		}
		if got := check(p, dpop.Want{Method: "GET", URLs: []string{htu}, Now: start}); got != "ok" {
			t.Errorf("ath %q without a token: %s", ath, got)
		}
	}
}

// Case 140, as far as it is the nonce's: stale ones and made-up ones.
func TestCase140Nonces(t *testing.T) {
	n, same, other := dpop.NewNonces([32]byte{1}), dpop.NewNonces([32]byte{1}), dpop.NewNonces([32]byte{2})
	now := start.Truncate(5 * time.Minute)
	nonce := n.Current(now)
	for d, want := range map[time.Duration]bool{
		0: true, 5*time.Minute - 1: true, 5 * time.Minute: true, 10*time.Minute - 1: true,
		10 * time.Minute: false, time.Hour: false, -1: false, -5 * time.Minute: false,
	} {
		if got := n.Good(nonce, now.Add(d)); got != want || same.Good(nonce, now.Add(d)) != want {
			t.Errorf("after %s: %v", d, got)
		}
		if other.Good(nonce, now.Add(d)) {
			t.Errorf("another key accepts it after %s", d)
		}
	}
	for _, bad := range []string{"", "x", nonce[:23], nonce + "A", strings.ToUpper(nonce)} {
		if n.Good(bad, now) {
			t.Errorf("%q is good", bad)
		}
	}
	if n.Current(now.Add(5*time.Minute-1)) != nonce || n.Current(now.Add(5*time.Minute)) == nonce {
		t.Error("slots are not five minutes")
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{htu, "HTTPS://EXAMPLE.COM:443/token?x#y", "https://[::1]:80", "https://a@b/c", "http://\u212A", "https://example.com//", "http://a:", "://", "https://%41/"} {
		f.Add(seed, htu)
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		fits := func(a, b string) bool {
			p := dpop.Proof{Method: "GET", URL: a, IssuedAt: start}
			return p.Check(dpop.Want{Method: "GET", URLs: []string{b}, Now: start}) == nil
		}
		if fits(a, b) != fits(b, a) {
			t.Errorf("%q and %q: one way only", a, b)
		}
		bare, _, _ := strings.Cut(a, "#")
		bare, _, _ = strings.Cut(bare, "?")
		if fits(a, a) != fits(a, bare) {
			t.Errorf("%q and %q differ", a, bare)
		}
		scheme := strings.ToLower(a)
		if fits(a, b) && !strings.HasPrefix(scheme, "https://") && !strings.HasPrefix(scheme, "http://") {
			t.Errorf("%q is accepted", a)
		}
	})
}
