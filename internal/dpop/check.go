package dpop

import (
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Window is how far iat may lie from now, both ways (RFC 9449 §11.1).
const Window = time.Minute

// Want is the request that a proof came with.
type Want struct {
	Method string
	URLs   []string // any of them fits
	Token  string   // the access token; "" when there is none: ath isn't looked at
	Now    time.Time
}

// Check compares a proof with its request: RFC 9449 §4.3, items 8, 9, 11 and 12.
func (p Proof) Check(w Want) error {
	age := w.Now.Sub(p.IssuedAt)
	switch {
	case p.Method != w.Method:
		return fmt.Errorf("%w: htm is for another method", ErrInvalid)
	case !p.fits(w.URLs):
		return fmt.Errorf("%w: htu is for another URL", ErrInvalid)
	case age > Window || age < -Window:
		return fmt.Errorf("%w: iat is more than %.0f s from now", ErrInvalid, Window.Seconds())
	case w.Token == "":
		return nil
	case p.TokenHash == "":
		return fmt.Errorf("%w: it lacks ath", ErrInvalid)
	case subtle.ConstantTimeCompare([]byte(p.TokenHash), []byte(TokenHash(w.Token))) != 1:
		return fmt.Errorf("%w: ath is for another token", ErrInvalid)
	}
	return nil
}

// Expires is when Check begins to refuse the proof: until then its ID must be
// remembered.
func (p Proof) Expires() time.Time { return p.IssuedAt.Add(Window + time.Nanosecond) }

func (p Proof) fits(urls []string) bool {
	want, ok := parse(p.URL)
	return ok && slices.ContainsFunc(urls, func(u string) bool {
		have, ok := parse(u)
		return ok && have == want
	})
}

// target is what of a URL is compared: scheme and host without case, the port
// where it isn't the scheme's own, the path as it was written; neither query
// nor fragment. An empty path is "/", as a request has it (RFC 9449 §4.3,
// RFC 3986 §6.2.3).
type target struct{ scheme, host, port, path string }

func parse(raw string) (t target, ok bool) {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i]
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || !isHost(u.Host) {
		return t, false
	}
	t = target{u.Scheme, strings.ToLower(u.Hostname()), u.Port(), "/"}
	switch {
	case t.scheme != "https" && t.scheme != "http":
		return t, false
	case t.scheme == "https" && t.port == "443", t.scheme == "http" && t.port == "80":
		t.port = ""
	}
	_, rest, _ := strings.Cut(raw, "//")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		t.path = rest[i:]
	}
	return t, true
}

// isHost: ASCII only, so that lower case means what it says, and no zone.
func isHost(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' })
}
