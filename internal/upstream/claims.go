package upstream

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/jose"
)

const (
	maxText   = 1000 // bytes of a claim
	maxGroups = 500
)

// reader takes a claim from a profile, or nil when it isn't what it should be.
type reader func(p profile, path string) any

// standard lists OpenID Connect Core §5.1 with what each claim must be. A
// misshapen one is left out: it would become ours otherwise, and be said of the
// person to every app. phone_number_verified isn't here, for no setting says
// that a provider may be believed in that.
var standard = map[string]reader{
	"name": readText, "given_name": readText, "family_name": readText, "middle_name": readText, "nickname": readText,
	"preferred_username": readText, "gender": readText, "birthdate": readText, "zoneinfo": readText, "locale": readText,
	"phone_number": readText, "profile": readLink, "website": readLink, "picture": readPicture,
	"email": readEmail, "email_verified": ignore, "updated_at": readDate, "address": readAddress,
}

// ignore: judged by verifiedEmail, not taken as it is.
func ignore(profile, string) any { return nil }

func readText(p profile, path string) any {
	if s, ok := clean(p.text(path)); ok {
		return s
	}
	return nil
}

// clean trims a text, and refuses one that is empty, long or more than text.
func clean(s string) (string, bool) {
	s = strings.TrimSpace(s)
	return s, s != "" && len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, isControl)
}

func isControl(r rune) bool { return unicode.IsControl(r) }

func readLink(p profile, path string) any { return readURL(p.text(path), "https", "http") }

// readPicture: a page of ours shows it, and may not load what anybody on the
// way can replace.
func readPicture(p profile, path string) any { return readURL(p.text(path), "https") }

func readURL(s string, schemes ...string) any {
	s, ok := clean(s)
	u, err := url.Parse(s)
	if !ok || err != nil || u.Host == "" || u.User != nil {
		return nil
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme {
			return s
		}
	}
	return nil
}

func readEmail(p profile, path string) any {
	if address, ok := parseEmail(p.text(path)); ok {
		return address.String()
	}
	return nil
}

func readDate(p profile, path string) any {
	var date jose.NumericDate
	if raw := p.at(path); raw == nil || jose.Decode(raw, &date) != nil || date == 0 {
		return nil
	}
	return int64(date)
}

// readAddress: OpenID Connect Core §5.1.1.
func readAddress(p profile, path string) any {
	inner, err := readProfile(p.at(path))
	if err != nil {
		return nil
	}
	out := map[string]any{}
	for _, part := range []string{"formatted", "street_address", "locality", "region", "postal_code", "country"} {
		// A line break is right in formatted and street_address.
		s, ok := clean(strings.ReplaceAll(inner.text(part), "\n", "\u2028"))
		if ok {
			out[part] = strings.ReplaceAll(s, "\u2028", "\n")
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// mapping turns a provider's words into ours.
type mapping struct {
	claims     map[string]string // ours to theirs; the same name where nothing is said
	groups     map[string]string // theirs to ours; nil: all, by their own names
	trustEmail bool
	also       func(profile, string) bool
	allowed    List // domains of verified addresses; nil: all
}

func newMapping(c Config) mapping {
	return mapping{
		claims: c.Claims, groups: c.Groups, trustEmail: on(c.TrustEmail, false), also: presets[c.Kind].also, allowed: c.AllowedDomains,
	}
}

func (m mapping) source(claim string) string {
	if theirs := m.claims[claim]; theirs != "" {
		return theirs
	}
	return claim
}

// apply fills in what the profile says. verified tells whether the provider
// vouches for the address.
func (m mapping) apply(id *Identity, p profile, verified bool) error {
	id.Claims = map[string]any{}
	for name, read := range standard {
		if v := read(p, m.source(name)); v != nil {
			id.Claims[name] = v
		}
	}
	id.Username, _ = id.Claims["preferred_username"].(string)
	id.Name, _ = id.Claims["name"].(string)
	id.Email, _ = id.Claims["email"].(string)
	id.EmailVerified = m.trustEmail && verified && id.Email != ""
	if id.Email != "" {
		id.Claims["email_verified"] = id.EmailVerified
	}
	return m.admit(id)
}

// verified: JSON's true, and what else the provider's documentation asks for.
func (m mapping) verified(p profile) bool {
	return p.isTrue(m.source("email_verified")) && (m.also == nil || m.also(p, p.text(m.source("email"))))
}

// translate maps groups, in their order, each once.
func (m mapping) translate(theirs []string) (ours []string) {
	seen := map[string]bool{}
	for _, group := range theirs {
		name, ok := group, true
		if m.groups != nil {
			name, ok = m.groups[group]
		}
		if name, fine := clean(name); ok && fine && !seen[name] && len(ours) < maxGroups {
			seen[name] = true
			ours = append(ours, name)
		}
	}
	return ours
}
