package oauth

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// RedirectURI is a registered redirect URI. Only ParseRedirectURI makes one,
// wherever a client comes from, so that no entry point knows looser rules.
type RedirectURI struct {
	text     string
	loopback bool // a loopback literal whose port is free, RFC 8252 §7.3
}

func (u RedirectURI) String() string { return u.text }

// MarshalJSON writes the URI's text.
func (u RedirectURI) MarshalJSON() ([]byte, error) { return json.Marshal(u.text) }

// ClientType says what kind of program a client is: RFC 6749 §2.1, with the
// names of our pages.
type ClientType string

// The types that the portal and the command line offer.
const (
	TypeWeb     ClientType = "web"     // a server keeps the secret
	TypeSPA     ClientType = "spa"     // runs in the browser
	TypeNative  ClientType = "native"  // on a phone, a desktop, a command line
	TypeService ClientType = "service" // no person, client_credentials only
)

// ParseRedirectURI judges a URI that a client wants to register.
//
// RFC 6749 §3.1.2: absolute, no fragment. RFC 9700 §2.6: https, except a
// loopback host. RFC 8252 §7.1: a native app's private scheme is a reversed
// domain name, so it has a dot. Wildcards mean nothing and are refused
// because whoever writes one expects them to.
func ParseRedirectURI(text string, kind ClientType, issuer string) (RedirectURI, *Error) {
	refuse := func(why string) (RedirectURI, *Error) {
		return RedirectURI{}, newError(CodeInvalidRedirectURI, "redirect URI %s", why).about("redirect_uris")
	}
	if why := badURIText(text); why != "" {
		return refuse(why)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || !u.IsAbs():
		return refuse("is not an absolute URI")
	case strings.Contains(text, "*"):
		return refuse("has a wildcard; register each address in full")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return refuse("names a user")
	case !plainHost(u):
		return refuse("has a host that is not a plain name or address")
	case hasDotSegment(u.EscapedPath()):
		return refuse("has dot segments in its path")
	case hasParameter(u, "code", "state", "iss", "error", "error_description", "response"):
		return refuse("carries a parameter that the response sets")
	}
	return judgeScheme(text, u, kind, issuer, refuse)
}

func judgeScheme(text string, u *url.URL, kind ClientType, issuer string, refuse func(string) (RedirectURI, *Error)) (RedirectURI, *Error) {
	loopback := isLoopbackHost(u.Hostname())
	switch scheme := u.Scheme; {
	case scheme == "https" || scheme == "http":
		switch {
		case u.Hostname() == "" || u.Opaque != "" || !strings.HasPrefix(text, scheme+"://"):
			return refuse("names no host")
		case scheme == "http" && !loopback:
			return refuse("must use https")
		case sameOrigin(text, issuer):
			return refuse("points at this server itself")
		}
		free := scheme == "http" && kind == TypeNative && u.Hostname() != "localhost"
		return RedirectURI{text: text, loopback: free}, nil
	case kind != TypeNative:
		return refuse("must use https")
	case !privateScheme.MatchString(scheme) || dangerousSchemes[scheme]:
		return refuse("uses a scheme that is not a reversed domain name such as com.example.app")
	default:
		return RedirectURI{text: text}, nil
	}
}

// privateScheme: RFC 8252 §7.1, a reversed domain name.
var privateScheme = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)

var dangerousSchemes = map[string]bool{"javascript": true, "data": true, "file": true, "vbscript": true, "blob": true, "about": true}

// badURIText refuses what no URI has unescaped and what browsers and parsers
// read differently.
func badURIText(text string) string {
	if text == "" {
		return "is empty"
	}
	if len(text) > 2000 {
		return "is longer than 2000 characters"
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c <= 0x20 || c >= 0x7f:
			return "has a character that must be percent-encoded"
		case strings.IndexByte("\"\\<>^`{|}", c) >= 0:
			return "has a character that is not allowed in a URI"
		case c == '#':
			return "has a fragment"
		}
	}
	return ""
}

// plainHost: letters, digits, hyphen, dot and underscore, or an address; RFC 3986
// §3.2.2 lets a name hold more, such as a semicolon, which means something else
// where an origin is written into a policy.
func plainHost(u *url.URL) bool {
	for _, c := range u.Hostname() {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("-._:", c) {
			return false
		}
	}
	return true
}

func hasDotSegment(path string) bool {
	for seg := range strings.SplitSeq(strings.ToLower(path), "/") {
		switch strings.ReplaceAll(seg, "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

func hasParameter(u *url.URL, names ...string) bool {
	q := u.Query()
	for _, n := range names {
		if q.Has(n) {
			return true
		}
	}
	return false
}

func isLoopbackHost(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// IsLoopbackHost says whether host is one of the three names of this machine
// that RFC 8252 §7.3 and §8.3 know; 127.1 and other spellings are not.
func IsLoopbackHost(host string) bool { return isLoopbackHost(host) }

func sameOrigin(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.Scheme == ub.Scheme &&
		strings.EqualFold(ua.Hostname(), ub.Hostname()) && portOf(ua) == portOf(ub)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	}
	return ""
}

// matches compares byte for byte (RFC 9700 §2.1). The one exception is the
// port of a registered loopback literal (RFC 8252 §7.3).
func (u RedirectURI) matches(sent string) bool {
	return sent == u.text || u.loopback && matchLoopback(u.text, sent)
}

var loopbackURI = regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?(/[^#]*)?$`)

// matchLoopback compares all but the port.
func matchLoopback(registered, sent string) bool {
	if badURIText(sent) != "" {
		return false
	}
	r, s := loopbackURI.FindStringSubmatch(registered), loopbackURI.FindStringSubmatch(sent)
	if r == nil || s == nil || r[1] != s[1] || r[3] != s[3] {
		return false
	}
	return s[2] == "" || validPort(s[2])
}

func validPort(p string) bool {
	return p[0] != '0' && (len(p) < 5 || p <= "65535")
}
