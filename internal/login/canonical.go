package login

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Canonical is the one form under which a username or an email address is
// kept unique and looked up: NFKC, case folded, without invisible characters
// and outer space, so that u1, U1 and "u1 " are one account. What is taken out
// may let its neighbours join, so it goes on until nothing changes.
func Canonical(name string) string {
	name = strings.ToValidUTF8(name, "")
	for range maxRounds {
		next := canonicalOnce(name)
		if next == name {
			break
		}
		name = next
	}
	return name
}

const maxRounds = 8

func canonicalOnce(name string) string {
	folded := cases.Fold().String(norm.NFKC.String(name))
	kept := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, norm.NFKC.String(folded))
	return norm.NFKC.String(strings.TrimRight(kept, "."))
}
