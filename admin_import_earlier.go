package valetkey

import (
	"crypto/sha256"
	"fmt"

	"github.com/valetkey/valetkey/internal/imports"
	"github.com/valetkey/valetkey/internal/login"
)

// earlier remembers what the users so far have that only one may, each with its
// line: a dry run can't ask the database for it. It takes some 100 bytes a user.
// Only who was taken counts; so nobody is judged by somebody who still waits.
type earlier struct {
	taken   map[claimed]int32
	waiting map[claimed]bool
}

// claimed is the hash of a name to sign in by, or of an account elsewhere.
type claimed [16]byte

func newEarlier() earlier { return earlier{map[claimed]int32{}, map[claimed]bool{}} }

func (row importRow) name() claimed { return claim("n", row.User.UsernameKey) }

// email counts when it is verified, and is a name like the other: store.Import's
// standing judges alike.
func (row importRow) email() (claimed, bool) {
	return claim("n", login.Canonical(row.User.Email)), row.User.EmailVerified
}

func claim(kind, key string) claimed {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return claimed(sum[:16])
}

// claims is all that somebody has.
func (row importRow) claims() []claimed {
	out := []claimed{row.name()}
	if email, ok := row.email(); ok {
		out = append(out, email)
	}
	if row.Kept {
		out = append(out, claim("s", row.User.Subject))
	}
	for _, one := range row.Identities {
		out = append(out, claim("i", one.Issuer+"\x00"+one.Upstream))
	}
	return out
}

// awaits tells whether somebody who waits has the same.
func (e earlier) awaits(row importRow) bool {
	for _, c := range row.claims() {
		if e.waiting[c] {
			return true
		}
	}
	return false
}

func (e earlier) wait(row importRow) {
	for _, c := range row.claims() {
		e.waiting[c] = true
	}
}

// settled: nobody waits any more.
func (e earlier) settled() { clear(e.waiting) }

func (e earlier) take(row importRow) {
	line := int32(min(row.from.Line, 1<<31-1)) //nolint:gosec // bounded
	for _, c := range row.claims() {
		e.taken[c] = line
	}
}

// before says which user of the file has the same.
func (e earlier) before(row importRow) *imports.RowError {
	if line, ok := e.taken[row.name()]; ok {
		return sameAs("username", "another user of this file signs in by this name", line)
	}
	if email, ok := row.email(); ok && e.taken[email] != 0 {
		return sameAs("email", "another user of this file signs in by this verified address", e.taken[email])
	}
	if line, ok := e.taken[claim("s", row.User.Subject)]; ok {
		return sameAs("sub", "another user of this file has the same", line)
	}
	for _, c := range row.claims() {
		if line, ok := e.taken[c]; ok {
			return sameAs("identities", "another user of this file has the same", line)
		}
	}
	return nil
}

func sameAs(field, why string, line int32) *imports.RowError {
	return &imports.RowError{Field: field, Why: why, Detail: fmt.Sprintf("see line %d", line)}
}
