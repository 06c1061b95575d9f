package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/login"
)

// standings asks for all at once: on PostgreSQL each question is a round trip.
func standings(c conn, people []Import) ([]Standing, error) {
	known, err := knownTo(c, people)
	if err != nil {
		return nil, err
	}
	out := make([]Standing, len(people))
	for i, p := range people {
		if out[i] = p.standing(known); out[i] == StandsFree {
			known.add(p) // who comes after them in this batch meets them
		}
	}
	return out, nil
}

// acquaintances are the accounts that may be in somebody's way: by what they sign
// in by or are known to apps by, and the links that are taken.
type acquaintances struct {
	names    map[string][]named
	subjects map[string]named
	links    map[string]bool
}

// named is what an account is known by.
type named struct {
	name, email string // canonical; email "" when it isn't verified
	anyEmail    string // verified or not
	created     int64
	subject     string
}

func scanNamed(r scanner) (n named, err error) {
	var verified bool
	err = r.Scan(&n.name, &n.anyEmail, &verified, &n.created, &n.subject)
	if verified {
		n.email = n.anyEmail
	}
	return n, err
}

func (a acquaintances) know(n named) {
	a.names[n.name] = append(a.names[n.name], n)
	if n.email != "" && n.email != n.name {
		a.names[n.email] = append(a.names[n.email], n)
	}
}

func (a acquaintances) add(p Import) {
	a.know(p.named())
	a.subjects[p.User.Subject] = p.named()
	for _, i := range p.Identities {
		a.links[linkKey(i.Issuer, i.Upstream)] = true
	}
}

func (p Import) named() named {
	n := named{name: p.User.UsernameKey, anyEmail: login.Canonical(p.User.Email), created: unix(p.User.CreatedAt)}
	if p.User.EmailVerified {
		n.email = n.anyEmail
	}
	return n
}

func linkKey(issuer, upstream string) string { return issuer + "\x00" + upstream }

func knownTo(c conn, people []Import) (acquaintances, error) {
	a := acquaintances{names: map[string][]named{}, subjects: map[string]named{}, links: map[string]bool{}}
	var keys, links []any
	var subjects []string
	for _, p := range people {
		n := p.named()
		keys = append(keys, n.name, cmp.Or(n.email, n.name))
		if p.Kept {
			subjects = append(subjects, p.User.Subject)
		}
		for _, i := range p.Identities {
			links = append(links, i.Issuer, i.Upstream)
		}
	}
	for part := range slices.Chunk(subjects, importPart) {
		found, err := findNamed(c, "subject IN", part)
		if err != nil {
			return a, err
		}
		for _, n := range found {
			a.subjects[n.subject] = n
		}
	}
	for part := range slices.Chunk(keys, 2*importPart) {
		if err := a.askNames(c, padTo2(part, 1)); err != nil {
			return a, err
		}
	}
	for part := range slices.Chunk(links, 2*importPart) {
		if err := a.askLinks(c, padTo2(part, 2)); err != nil {
			return a, err
		}
	}
	return a, nil
}

// askNames finds first which keys are in use, by a subquery for each: PostgreSQL
// plans a statement for the size that a table has when it is prepared, and a join
// that reads an empty table whole goes on to read one that has grown.
func (a acquaintances) askNames(c conn, keys []any) error {
	used, err := all(c, scanKey, `WITH k (key) AS (VALUES `+numbered(len(keys), 1)+`) SELECT key FROM k
		WHERE (SELECT MIN(created_at) FROM users WHERE username_key = key) IS NOT NULL
		OR (SELECT MIN(created_at) FROM users WHERE email_key = key AND email_verified) IS NOT NULL`, keys...)
	if err != nil || len(used) == 0 {
		return err
	}
	if err := a.ask(c, "username_key IN", used); err != nil {
		return err
	}
	used = slices.DeleteFunc(used, func(key string) bool { return len(a.names[key]) > 0 })
	if len(used) == 0 {
		return nil
	}
	return a.ask(c, "email_verified AND email_key IN", used)
}

func (a acquaintances) ask(c conn, in string, used []string) error {
	found, err := findNamed(c, in, used)
	for _, n := range found {
		a.know(n)
	}
	return err
}

func findNamed(c conn, in string, values []string) ([]named, error) {
	var keys []any
	for _, one := range values {
		keys = append(keys, one)
	}
	keys = padTo2(keys, 1)
	return all(c, scanNamed, "SELECT username_key, email_key, email_verified, created_at, subject FROM users WHERE "+
		in+" ("+numbered(len(keys), 1)+")", keys...)
}

func scanKey(r scanner) (key string, err error) {
	err = r.Scan(&key)
	return key, err
}

func (a acquaintances) askLinks(c conn, links []any) error {
	found, err := all(c, func(r scanner) (key string, err error) {
		var issuer, upstream string
		err = r.Scan(&issuer, &upstream)
		return linkKey(issuer, upstream), err
	}, `WITH k (issuer, name) AS (VALUES `+numbered(len(links)/2, 2)+`) SELECT issuer, name FROM k
		WHERE (SELECT MIN(created_at) FROM identities WHERE identities.issuer = k.issuer AND upstream_subject = k.name) IS NOT NULL`, links...)
	for _, key := range found {
		a.links[key] = true
	}
	return err
}

// importPart bounds a question: SQLite takes 32,766 parameters.
const importPart = 1024

// padTo2 repeats the last group until there is a power of two of them, so that
// few statements are prepared whatever the batches.
func padTo2(args []any, size int) []any {
	last := args[len(args)-size:]
	padded := slices.Clone(args)
	for n := len(args) / size; n&(n-1) != 0; n++ {
		padded = append(padded, last...)
	}
	return padded
}

// numbered writes n groups of parameters: "($1), ($2)", or "($1, $2), ($3, $4)".
func numbered(n, size int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		if size == 1 {
			fmt.Fprintf(&b, "($%d)", i+1)
			continue
		}
		fmt.Fprintf(&b, "($%d, $%d)", 2*i+1, 2*i+2)
	}
	return b.String()
}

// standing: whatever somebody can write into the sign-in form, a username or a
// verified address, must be one account's. login.Service looks names up so.
func (p Import) standing(known acquaintances) Standing {
	n := p.named()
	standing := StandsFree
	if other, taken := known.subjects[p.User.Subject]; taken {
		if n.name == other.name || n.same(other) {
			return StandsHere
		}
		return StandsSubject
	}
	for _, other := range known.names[n.name] {
		if other.name == n.name && n.same(other) {
			return StandsHere
		}
		standing = StandsName
	}
	switch {
	case standing != StandsFree:
		return standing
	case n.email != "" && len(known.names[n.email]) > 0:
		return StandsEmail
	case slices.ContainsFunc(p.Identities, func(i login.Identity) bool { return known.links[linkKey(i.Issuer, i.Upstream)] }):
		return StandsIdentity
	}
	return StandsFree
}

// same: an account of that name is theirs when its address is, or when it was
// made in the same second there. Which is enough to leave it alone: neither
// changes anything.
func (n named) same(other named) bool {
	return n.anyEmail != "" && other.anyEmail == n.anyEmail || n.created != 0 && other.created == n.created ||
		n.anyEmail == "" && other.anyEmail == "" && n.created == 0
}
