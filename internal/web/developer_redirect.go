package web

import (
	"net/url"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// diffRedirect says in words how an address that was sent differs from one
// that is registered. Redirect URIs are compared byte for byte, so differences
// that a browser wouldn't notice are the ones that need saying.
func diffRedirect(l *locale.Locale, sent, registered string) string {
	if sent == registered {
		return l.T("They are the same.")
	}
	if strings.TrimSpace(sent) == registered {
		return l.T("There is a space or a line break around it.")
	}
	if strings.TrimSuffix(sent, "/") == strings.TrimSuffix(registered, "/") {
		return l.T("The trailing slash differs.")
	}
	s, errS := url.Parse(sent)
	r, errR := url.Parse(registered)
	if errS != nil || errR != nil {
		return l.T("It isn't a complete address.")
	}
	if !s.IsAbs() {
		return l.T("It isn't a complete address: the scheme is missing.")
	}
	parts := differences(l, s, r)
	switch {
	case len(parts) > 0:
		return strings.Join(parts, " ")
	case unescaped(sent) == unescaped(registered):
		return l.T("Characters are percent-encoded differently.")
	}
	return l.T("They are written differently.")
}

// differences names every part that differs, in the order of the address.
func differences(l *locale.Locale, s, r *url.URL) []string {
	var parts []string
	say := func(differs bool, words string) {
		if differs {
			parts = append(parts, words)
		}
	}
	say(s.Scheme != r.Scheme, l.T("The scheme differs: {0}, not {1}.", s.Scheme, r.Scheme))
	say(s.User != nil, l.T("It names a user before the host."))
	parts = append(parts, hostDifference(l, s, r)...)
	parts = append(parts, pathDifference(l, s.EscapedPath()+s.Opaque, r.EscapedPath()+r.Opaque)...)
	if s.RawQuery != r.RawQuery || s.ForceQuery != r.ForceQuery {
		words := l.T("The query differs.")
		if len(parts) == 0 {
			words = l.T("Only the query differs.")
		}
		parts = append(parts, words)
	}
	say(s.Fragment != "" || s.RawFragment != "", l.T("It has a fragment, the part after #, which a callback can't have."))
	return parts
}

func hostDifference(l *locale.Locale, s, r *url.URL) []string {
	var parts []string
	sh, rh := s.Hostname(), r.Hostname()
	switch {
	case sh == rh:
	case strings.EqualFold(sh, rh):
		parts = append(parts, l.T("Upper and lower case differ in the host."))
	case oauth.IsLoopbackHost(sh) && oauth.IsLoopbackHost(rh):
		parts = append(parts, l.T("The host differs: {0}, not {1}. Both mean this machine, and they are still two addresses.", sh, rh))
	case "www."+sh == rh || sh == "www."+rh:
		parts = append(parts, l.T("The host differs by www."))
	default:
		parts = append(parts, l.T("The host differs: {0}, not {1}.", sh, rh))
	}
	if sp, rp := s.Port(), r.Port(); sp != rp && (s.Scheme == r.Scheme || sp != "" || rp != "") {
		parts = append(parts, l.T("The port differs: {0}, not {1}.", portInWords(l, sp), portInWords(l, rp)))
	}
	return parts
}

func portInWords(l *locale.Locale, p string) string {
	if p == "" {
		return l.T("none|of a port")
	}
	return p
}

func pathDifference(l *locale.Locale, s, r string) []string {
	switch {
	case s == r:
		return nil
	case strings.TrimSuffix(s, "/") == strings.TrimSuffix(r, "/"):
		return []string{l.T("The trailing slash differs.")}
	case unescaped(s) == unescaped(r):
		return []string{l.T("Characters in the path are percent-encoded differently.")}
	case strings.EqualFold(s, r):
		return []string{l.T("Upper and lower case differ in the path.")}
	case strings.HasPrefix(s, r):
		return []string{l.T("The path goes on after the registered one.")}
	}
	return []string{l.T("The path differs.")}
}

func unescaped(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// nearest is the registered address with the fewest differing parts: the one
// that was probably meant.
func nearest(sent string, registered []string) string {
	best, least := "", 1<<10
	s, err := url.Parse(sent)
	for _, candidate := range registered {
		n := 1 << 9
		if r, errR := url.Parse(candidate); err == nil && errR == nil {
			n = len(differences(locale.Get("en"), s, r)) * 2
			if s.Hostname() != r.Hostname() {
				n += 3
			}
		}
		if n < least {
			best, least = candidate, n
		}
	}
	return best
}

// sameHost says whether an address lies on a host that is registered already,
// or on the developer's own machine. Anybody can send any other.
func sameHost(sent string, registered []string) bool {
	s, err := url.Parse(sent)
	if err != nil {
		return false
	}
	if oauth.IsLoopbackHost(s.Hostname()) {
		return true
	}
	for _, candidate := range registered {
		r, err := url.Parse(candidate)
		if err == nil && strings.EqualFold(r.Hostname(), s.Hostname()) && (s.Hostname() != "" || r.Scheme == s.Scheme) {
			return true
		}
	}
	return false
}
