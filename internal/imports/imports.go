// Package imports reads the users that other systems export, each kind of file
// in its own source, into one neutral record.
//
// It reads row by row, never a file whole, and strictly: UTF-8, no name twice
// in an object, at most 1 MiB a row. A row that can't be taken is a *RowError,
// which says where it stands, which field is wrong and what would be right; the
// rows after it go on. No error repeats a value of a row: it might be a hash.
//
// The package knows no database, and nothing of what is in one: whether a name
// is free, its caller finds out. Hashes it only rewrites into a form that
// package secret verifies.
package imports

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode"
)

// Format names a kind of file.
type Format string

// The kinds of files.
const (
	JSONLines Format = "jsonl"    // our own, one object a line
	Keycloak  Format = "keycloak" // of kc.sh export
	Auth0     Format = "auth0"    // bulk export, one object a line
	Firebase  Format = "firebase" // of firebase auth:export
)

// Formats are those that Read knows.
func Formats() []Format { return []Format{JSONLines, Keycloak, Auth0, Firebase} }

// User is somebody as another system knew them.
type User struct {
	Line   int // where it stands in the file, from 1
	Record int // the how-many-th it is, from 1

	Subject       string // by which apps know them; "" when they get a new one
	Username      string
	Email         string
	EmailVerified bool
	Name          string
	Claims        map[string]any // standard claims of OpenID Connect Core §5.1
	Hash          string         // as package secret knows it; "" for no password
	HashKind      string         // its format's name
	Groups        []string
	Admin         bool
	Disabled      bool
	MustChange    bool
	CreatedAt     time.Time // zero: the file doesn't say
	Identities    []Identity
	TOTPs         []TOTP

	// Skip says why this is nobody to import; "" for people.
	Skip string
	// Left names what the file has of them and we don't take, for a report.
	Left []string
}

// Identity is who somebody is at another provider.
type Identity struct {
	Issuer, Subject, Connector string
	Label                      string // what the person recognises
}

// Options say what the file doesn't.
type Options struct {
	// Connectors are ours for the providers of the source, by the name that the
	// source has for each.
	Connectors map[string]Connector
	// Firebase has the parameters of the project's hashes; nil when the file has
	// none.
	Firebase *FirebaseKey
	// KeepSubjects has people keep the ids by which apps know them: Keycloak's id,
	// Auth0's user_id, Firebase's localId. Who has none is refused.
	KeepSubjects bool
}

// Connector is one of ours, with the issuer under which it knows people.
type Connector struct{ Name, Issuer string }

// RowError says why one row can't be taken. Its words are few and alike for
// alike rows, so that they can be counted; Detail is of this row alone.
type RowError struct {
	Line, Record int
	Field        string
	Why          string
	Detail       string
}

func (e *RowError) Error() string {
	where := fmt.Sprintf("line %d", e.Line)
	if e.Field != "" {
		where += ": " + e.Field
	}
	if e.Detail != "" {
		return where + ": " + e.Why + " (" + e.Detail + ")"
	}
	return where + ": " + e.Why
}

// maxRow is how long one user may be in the file.
const maxRow = 1 << 20

// source makes a record of a row; what is wrong it says to the row.
type source func(r *row, o Options) User

// Read reads users in their order. An error that is no *RowError ends it.
func Read(from io.Reader, format Format, o Options) iter.Seq2[User, error] {
	switch format {
	case JSONLines:
		return read(newLines(from), readJSONLine, o)
	case Auth0:
		return read(newLines(from), readAuth0, o)
	case Keycloak:
		return read(newDocument(from), readKeycloak, o)
	case Firebase:
		return read(newDocument(from), readFirebase, o)
	}
	return func(yield func(User, error) bool) {
		yield(User{}, fmt.Errorf("format %q is none of %v", format, Formats()))
	}
}

// rows cuts a file into users. An error of a single row is a *RowError, and
// io.EOF is the end.
type rows interface {
	next() (raw []byte, line int, err error)
}

func read(from rows, take source, o Options) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for n := 1; ; n++ {
			raw, line, err := from.next()
			if errors.Is(err, io.EOF) {
				return
			}
			u, err := readOne(raw, line, n, take, o, err)
			var bad *RowError
			if !yield(u, err) || err != nil && !errors.As(err, &bad) {
				return
			}
		}
	}
}

func readOne(raw []byte, line, n int, take source, o Options, err error) (User, error) {
	var bad *RowError
	if errors.As(err, &bad) {
		bad.Line, bad.Record = line, n
		return User{}, bad
	}
	if err != nil {
		return User{}, err
	}
	r := newRow(raw)
	var u User
	if r.bad == nil {
		u = take(r, o)
	}
	if r.bad != nil {
		r.bad.Line, r.bad.Record = line, n
		return User{}, r.bad
	}
	u.Line, u.Record = line, n
	return u, nil
}

// identity maps one of a provider that the operator has a connector for; what
// has none is left.
func (u *User) identity(o Options, label, subject string, aliases ...string) {
	for _, alias := range aliases {
		if c, ok := o.Connectors[alias]; ok && subject != "" {
			u.Identities = append(u.Identities, Identity{Issuer: c.Issuer, Subject: subject, Connector: c.Name, Label: label})
			return
		}
	}
	u.left("account at " + aliases[0] + ", for which there is no --connector")
}

// keep is for formats whose ids were made to be told to apps.
func (u *User) keep(r *row, o Options, name string) {
	if !o.KeepSubjects {
		return
	}
	if u.Subject = r.text(name); u.Subject == "" {
		r.refuse(name, "it is missing, so that no sub can be kept")
	}
}

// left notes what isn't carried over.
func (u *User) left(name string) { u.Left = append(u.Left, shown(name)) }

// shown is a name from the file as it may stand in a report: short, and without
// what a terminal would obey.
func shown(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	if runes := []rune(name); len(runes) > 80 {
		name = string(runes[:80]) + "…"
	}
	return name
}

// claim notes a standard claim that isn't empty.
func (u *User) claim(name, value string) {
	if value == "" {
		return
	}
	if u.Claims == nil {
		u.Claims = map[string]any{}
	}
	u.Claims[name] = value
}
