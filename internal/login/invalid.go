package login

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/locale"
)

// Invalid says which field of a form can't be taken, and why, in words for
// the person who filled it in.
type Invalid struct {
	Field string
	Why   string // {0}, {1} … stand for Args
	Args  []any
	Cause error // oauth.ErrConflict when it is taken
}

// Unwrap lets a caller see the cause.
func (e *Invalid) Unwrap() error { return e.Cause }

func (e *Invalid) Error() string {
	return fmt.Sprintf("%s: %s", e.Field, locale.Get("en").T(e.Why, e.Args...))
}

// Bounds of NIST SP 800-63B §5.1.1.2: length only, no rules of composition.
const (
	minPassword = 8
	maxPassword = 128
)

// checkPassword judges a new password by its length in characters.
func checkPassword(password string) error {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return &Invalid{Field: "password", Why: "The password has a character that can't be typed."}
	case n < minPassword:
		return &Invalid{Field: "password", Why: "Use at least {0} characters.", Args: []any{minPassword}}
	case n > maxPassword:
		return &Invalid{Field: "password", Why: "Use at most {0} characters.", Args: []any{maxPassword}}
	}
	return nil
}

// possiblePassword says whether a given password is worth a hash.
func possiblePassword(password string) bool {
	return password != "" && len(password) <= 4*maxPassword && utf8.RuneCountInString(password) <= maxPassword &&
		utf8.ValidString(password) && !strings.ContainsRune(password, 0)
}

// checkUsername judges a new username; it may be an email address.
func checkUsername(name string) error {
	n := utf8.RuneCountInString(name)
	switch {
	case n == 0 || Canonical(name) == "":
		return &Invalid{Field: "username", Why: "Choose a username."}
	case n > 64:
		return &Invalid{Field: "username", Why: "Use at most 64 characters."}
	case name != strings.TrimSpace(name) || strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`<>"'\/`, r)
	}):
		return &Invalid{Field: "username", Why: "Use letters, digits and . _ - @ +, without spaces."}
	}
	return nil
}

// checkEmail judges an address's form; "" is allowed.
func checkEmail(email string) error {
	if email == "" {
		return nil
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > 254 || strings.Count(email, "@") != 1 {
		return &Invalid{Field: "email", Why: "This is not an email address."}
	}
	return nil
}

// checkName judges a display name.
func checkName(name string) error {
	if utf8.RuneCountInString(name) > 100 || strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
		return &Invalid{Field: "name", Why: "Use at most 100 characters on one line."}
	}
	return nil
}
