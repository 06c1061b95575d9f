package login

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Canonical is the one form under which a username or an email address is
// kept unique and looked up: NFKC, case folded, without invisible characters
// and outer space, so that u1, U1 and "u1 " are one account.
func Canonical(name string) string {
	folded := cases.Fold().String(norm.NFKC.String(strings.ToValidUTF8(name, "")))
	kept := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, norm.NFKC.String(folded))
	return strings.TrimRight(kept, ".")
}
