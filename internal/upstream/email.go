package upstream

import (
	"slices"
	"strings"
)

// address is local@domain, the domain in small letters.
type address struct{ local, domain string }

func (a address) String() string { return a.local + "@" + a.domain }

// parseEmail is stricter than RFC 5321 §4.1.2: one @, no quoted part, no
// comment, no address literal, no outer space, nothing outside ASCII in the
// domain. Whoever compares domains must not be made to guess where one begins.
func parseEmail(s string) (a address, ok bool) {
	local, domain, found := strings.Cut(s, "@")
	a = address{local, asciiLower(domain)}
	switch {
	case !found, local == "", len(local) > 64, len(s) > 254, !domainName.MatchString(a.domain):
		return a, false
	case strings.ContainsFunc(local, notInLocal), strings.HasPrefix(local, "."), strings.HasSuffix(local, "."), strings.Contains(local, ".."):
		return a, false
	}
	return a, true
}

// notInLocal: RFC 5322 §3.2.3, atext and the dot, and RFC 6531's letters.
func notInLocal(r rune) bool {
	switch {
	case r >= 0x80:
		return isControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffd'
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
}

// asciiLower, since strings.ToLower makes a k of the Kelvin sign.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// admit holds the address against allowed_domains: equal, not ending alike, and
// only when it is verified (case 276).
func (m mapping) admit(id *Identity) error {
	if len(m.allowed) == 0 {
		return nil
	}
	address, ok := parseEmail(id.Email)
	switch {
	case !ok || !id.EmailVerified:
		return &Refused{Why: "Only people with a confirmed email address of {0} can sign in here.", Args: []any{strings.Join(m.allowed, ", ")}}
	case !slices.Contains(m.allowed, address.domain):
		return &Refused{Why: "Only people with an email address of {0} can sign in here.", Args: []any{strings.Join(m.allowed, ", ")}}
	}
	return nil
}

// googleVouches: for its own addresses, and for those of a Workspace, which hd
// names. See the preset.
func googleVouches(p profile, email string) bool {
	address, ok := parseEmail(email)
	return ok && (address.domain == "gmail.com" || address.domain == "googlemail.com" || p.text("hd") != "")
}
