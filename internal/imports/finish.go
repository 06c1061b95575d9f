package imports

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/secret"
)

const (
	maxGroups = 200
	maxWord   = 255 // characters of a group, an issuer, a subject: OpenID Connect Core §2 has 255 for sub
)

// finish is what every source ends with: without a username the address is one,
// and what is kept as it stands is judged.
func finish(r *row, u User, hashField string) User {
	if u.Username == "" {
		u.Username = u.Email
	}
	if u.Username == "" && u.Skip == "" {
		r.refuse("username", "there is neither a username nor an email address to sign in with")
	}
	u.EmailVerified = u.EmailVerified && u.Email != ""
	if u.Hash != "" {
		var err error
		if u.HashKind, err = secret.Kind(u.Hash); err != nil {
			r.refuse(hashField, hashWords(err))
		}
	}
	finishGroups(r, &u)
	finishIdentities(r, &u)
	slices.Sort(u.Left)
	u.Left = slices.Compact(u.Left)
	return u
}

func finishGroups(r *row, u *User) {
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
	if len(u.Groups) > maxGroups || slices.ContainsFunc(u.Groups, func(g string) bool { return !word(g) }) {
		r.refuse("groups", "there may be 200, each of 1 to 255 characters on one line")
	}
}

func finishIdentities(r *row, u *User) {
	for i := range u.Identities {
		one := &u.Identities[i]
		if !word(one.Issuer) || !word(one.Subject) || !word(one.Connector) {
			r.refuse("identities", "issuer, subject and connector are 1 to 255 characters on one line")
		}
		if one.Label == "" || !word(one.Label) {
			one.Label = u.Username
		}
		for _, before := range u.Identities[:i] {
			if before.Issuer == one.Issuer && before.Subject == one.Subject {
				r.refuse("identities", "one stands there twice")
			}
		}
	}
}

// word is what may be kept as it stands, and shown.
func word(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxWord && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// hashWords leaves out what the field says already.
func hashWords(err error) string { return strings.TrimPrefix(err.Error(), "password hash: ") }
