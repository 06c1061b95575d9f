package oauth

import (
	"slices"
	"strings"
)

// Scope is a permission that an operator declared, in words people can read.
type Scope struct {
	Name        string // the value in requests, RFC 6749 §3.3
	Title       string // a sentence about the person's things: "See your organizations"
	Description string // a second sentence, optional
	Optional    bool   // the person may untick it
	Restricted  bool   // only clients registered with it may ask
	Resource    string // the resource it belongs to, "" for none
	Builtin     bool   // one of OpenID Connect's own

	// Groups are those whose members may let an app have it; none: everybody.
	Groups []string
}

// The scopes of OpenID Connect Core §5.4 and §11.
const (
	ScopeOpenID        = "openid"
	ScopeProfile       = "profile"
	ScopeEmail         = "email"
	ScopeAddress       = "address"
	ScopePhone         = "phone"
	ScopeOfflineAccess = "offline_access"
)

// parseScope splits a scope parameter: RFC 6749 §3.3 allows one space between
// tokens of printable ASCII without quote and backslash. Order is kept,
// repetition is dropped.
func parseScope(value string) ([]string, *Error) {
	if value == "" {
		return nil, nil
	}
	names := make([]string, 0, 1+strings.Count(value, " "))
	for name := range strings.SplitSeq(value, " ") {
		if !validScopeName(name) {
			return nil, invalidScope("scope is a list of names separated by single spaces")
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > maxScopes {
		return nil, invalidScope("scope has more than %d names", maxScopes)
	}
	return names, nil
}

const maxScopes = 100

// validScopeName: RFC 6749 §3.3, scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
func validScopeName(name string) bool {
	if name == "" || len(name) > 200 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ValidScopeName says whether an operator may declare a scope of this name.
func ValidScopeName(name string) bool { return validScopeName(name) }

// joinScope is the inverse of parseScope.
func joinScope(names []string) string { return strings.Join(names, " ") }

// subset says whether every one of names is in of.
func subset(names, of []string) bool {
	for _, n := range names {
		if !slices.Contains(of, n) {
			return false
		}
	}
	return true
}

// intersect keeps those of names that are in of, in the order of names.
func intersect(names, of []string) []string {
	kept := make([]string, 0, len(names))
	for _, n := range names {
		if slices.Contains(of, n) {
			kept = append(kept, n)
		}
	}
	return kept
}

// without drops the listed names.
func without(names []string, drop ...string) []string {
	kept := make([]string, 0, len(names))
	for _, n := range names {
		if !slices.Contains(drop, n) {
			kept = append(kept, n)
		}
	}
	return kept
}
