package login

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the names of time zones, on a machine that has none
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// Profile is what a person says of themselves: OpenID Connect Core §5.1, less
// what somebody else has to confirm. A value that is left out stays as it is, an
// empty one is taken away.
type Profile map[string]string

// ProfileNames are those of a profile's values: claims, and the parts of the
// address (OpenID Connect Core §5.1.1), whose names are other ones.
func ProfileNames() []string { return slices.Concat(ownClaims, addressParts) }

var (
	ownClaims = []string{
		"name", "given_name", "middle_name", "family_name", "nickname", "gender", "birthdate",
		"profile", "website", "zoneinfo", "locale", "phone_number",
	}
	addressParts = []string{"street_address", "locality", "region", "postal_code", "country"}
)

// Faults are all that can't be taken of a form.
type Faults []*Invalid

func (f Faults) Error() string {
	words := make([]string, len(f))
	for i, e := range f {
		words[i] = e.Error()
	}
	return strings.Join(words, "; ")
}

// Profile reads what a person has said so far.
func (u User) Profile() Profile { return profileOf(u.Name, u.Claims) }

func profileOf(name string, claims oauth.Claims) Profile {
	p := Profile{"name": name}
	address, _ := claims["address"].(map[string]any)
	for _, n := range ownClaims[1:] {
		p[n], _ = claims[n].(string)
	}
	for _, n := range addressParts {
		p[n], _ = address[n].(string)
	}
	return p
}

// ChangeProfile judges what was changed and keeps it; Faults when something can't
// be taken, and then nothing changes. What an operator or another provider said
// before isn't judged again.
func (s *Service) ChangeProfile(ctx context.Context, user User, said Profile, from Visitor) error {
	was, changed := user.Profile(), Profile{}
	for _, n := range ProfileNames() {
		if value, given := said[n]; given && clean(n, value) != was[n] {
			changed[n] = clean(n, value)
		}
	}
	var faults Faults
	for _, n := range ProfileNames() {
		if value := changed[n]; value != "" {
			if why := s.judge(n, value); why != nil {
				faults = append(faults, why)
			}
		}
	}
	switch {
	case len(faults) > 0:
		return faults
	case len(changed) == 0:
		return nil
	}
	return s.Store.EditProfile(ctx, user.Subject, s.Now(), changed.into, s.activity(user, DidChangeProfile, "", from))
}

// into writes what was changed. What was confirmed of an old phone number holds
// for no other, and an address as a whole text says no longer what its parts do.
func (p Profile) into(name string, old oauth.Claims) (string, oauth.Claims) {
	claims, address := oauth.Claims{}, oauth.Claims{}
	maps.Copy(claims, old)
	if parts, ok := old["address"].(map[string]any); ok {
		maps.Copy(address, parts)
	}
	for n, value := range p {
		switch {
		case n == "name":
			name = value
		case slices.Contains(addressParts, n):
			put(address, n, value)
			delete(address, "formatted")
		default:
			put(claims, n, value)
		}
	}
	if _, given := p["phone_number"]; given {
		delete(claims, "phone_number_verified")
	}
	if delete(claims, "address"); len(address) > 0 {
		claims["address"] = map[string]any(address)
	}
	return name, claims
}

func put(claims oauth.Claims, name, value string) {
	if claims[name] = value; value == "" {
		delete(claims, name)
	}
}

// clean is a value as it is kept: composed, without space around it, and without
// what would turn the text around it.
func clean(name, value string) string {
	value = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == '\r' {
			return -1
		}
		return r
	}, value))
	if name == "street_address" { // OpenID Connect Core §5.1.1: it may have several lines
		return norm.NFC.String(value)
	}
	return norm.NFC.String(strings.ReplaceAll(value, "\n", " "))
}

const (
	maxLine = 100
	maxLong = 500 // characters of an address on the web or of a street
)

var (
	phoneText = regexp.MustCompile(`^[+(]?[0-9][0-9 ()./-]{2,30}[0-9](;ext=[0-9]{1,8})?$`)
	zoneText  = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$`)
)

// judge says why a value can't be taken; nil when it can.
func (s *Service) judge(name, value string) *Invalid {
	most := maxLine
	if name == "profile" || name == "website" || name == "street_address" {
		most = maxLong
	}
	refused := func(why string, args ...any) *Invalid { return &Invalid{Field: name, Why: why, Args: args} }
	switch {
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && (r != '\n' || name != "street_address") }):
		return refused(unreadable)
	case utf8.RuneCountInString(value) > most:
		return refused(tooLong, most)
	}
	switch name {
	case "profile", "website":
		if !strings.HasPrefix(value, "https://") || oauth.SafeLink(value) == "" {
			return refused(noAddress)
		}
	case "birthdate":
		if !isBirthdate(value, s.Now()) {
			return refused(noBirthdate)
		}
	case "zoneinfo":
		if !isZone(value) {
			return refused(noZone)
		}
	case "locale":
		if !slices.Contains(locale.Tags(), value) {
			return refused(noLanguage)
		}
	case "phone_number":
		if !phoneText.MatchString(value) {
			return refused(noPhone)
		}
	}
	return nil
}

var (
	unreadable  = locale.Key("There is a character in it that can't be typed.")
	tooLong     = locale.Key("Use at most {0} characters.")
	noAddress   = locale.Key("Enter a whole address that begins with https://.")
	noBirthdate = locale.Key("Write the date as 1990-12-31, or the year alone.")
	noZone      = locale.Key("No time zone has this name. Write a continent and a city, such as Europe/Berlin.")
	noLanguage  = locale.Key("Choose one of these languages.")
	noPhone     = locale.Key("Write the number in digits, with the code of the country: +49 511 123456.")
)

// isBirthdate: OpenID Connect Core §5.1, a day or a year; the year of a day may be
// 0000, for who doesn't say it.
func isBirthdate(text string, now time.Time) bool {
	for _, layout := range []string{time.DateOnly, "2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return !t.After(now) && text != "0000"
		}
	}
	return false
}

// isZone: OpenID Connect Core §5.1, a name of the time zone database.
func isZone(name string) bool {
	if !zoneText.MatchString(name) || name == "Local" || len(name) > 60 {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// PictureChanged notes that a person has another picture here, or none: it is the
// one that apps see, in place of any that somebody else knew of.
func (s *Service) PictureChanged(ctx context.Context, user User, from Visitor) error {
	return s.Store.EditProfile(ctx, user.Subject, s.Now(), func(name string, claims oauth.Claims) (string, oauth.Claims) {
		claims = maps.Clone(claims)
		delete(claims, "picture")
		return name, claims
	}, s.activity(user, DidChangeProfile, "", from))
}

// PicturePath is where a person's own picture is served.
func (u User) PicturePath() string {
	if u.PictureID == "" {
		return ""
	}
	return "/pictures/" + u.PictureID
}

// claimsOf are all claims of an account, the picture that it has here among them.
func (s *Service) claimsOf(user User) oauth.Claims {
	claims := user.AllClaims()
	if path := user.PicturePath(); path != "" {
		claims["picture"] = s.Issuer + path
	}
	return claims
}
