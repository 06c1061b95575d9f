package login

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"io"
	"slices"
	"strings"
	"sync"
)

// Leaked asks a service whether a password is in a known breach. It is asked
// only where an operator set it up, and learns five characters of a hash.
type Leaked interface {
	// Leaked answers how often; an error counts as never.
	Leaked(ctx context.Context, password string) (times int, err error)
}

// common are the passwords of at least minPassword characters that people choose
// most, one a line, folded and sorted.
//
//go:embed common.txt.gz
var common []byte

var commonPasswords = sync.OnceValue(func() []string {
	r, err := gzip.NewReader(bytes.NewReader(common))
	if err != nil {
		panic(err) // the file is part of the program
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
})

// checkLeaked: NIST SP 800-63B §5.1.1.2 refuses what was leaked, what is common,
// and what the account itself gives away; it knows no rules of composition.
func (s *Service) checkLeaked(ctx context.Context, user User, password string) error {
	folded := strings.ToLower(password)
	switch {
	case sameCharacter(folded):
		return &Invalid{Field: "password", Why: "This is one character again and again. Choose another password."}
	case s.tells(user, folded):
		return &Invalid{Field: "password", Why: "This password is your name or this site's. Choose another."}
	}
	if _, found := slices.BinarySearch(commonPasswords(), folded); found {
		return &Invalid{Field: "password", Why: "Many people use this password, so it is tried first. Choose another."}
	}
	if s.Leaked == nil {
		return nil
	}
	if times, err := s.Leaked.Leaked(ctx, password); err == nil && times > 0 {
		return &Invalid{Field: "password", Why: "This password is in a list that was stolen somewhere. Choose another, and change it wherever you use it."}
	}
	return nil
}

func sameCharacter(s string) bool {
	runes := []rune(s)
	return len(runes) > 0 && len(runes) < 20 && !slices.ContainsFunc(runes, func(r rune) bool { return r != runes[0] })
}

// tells says whether a password is no more than what everybody knows: the
// username, the address, the name, the service, perhaps with digits behind.
func (s *Service) tells(user User, folded string) bool {
	bare := strings.TrimRight(folded, "0123456789!.")
	local, _, _ := strings.Cut(user.Email, "@")
	for _, word := range []string{user.Username, user.Email, local, user.Name, s.Brand, strings.ReplaceAll(user.Name, " ", ""), strings.ReplaceAll(s.Brand, " ", "")} {
		if word = strings.ToLower(word); word != "" && (folded == word || len(word) > 2 && bare == word) {
			return true
		}
	}
	return false
}
