package imports

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/jose"
)

// row is one object of a file. Its getters take null for absent; the first that
// finds another type than it wants notes what would be right, and a source need
// not look before it has read everything.
type row struct {
	members map[string]json.RawMessage
	path    string // of a member: "identities[0]."
	bad     *RowError
	up      *row // whose member this is
}

func newRow(raw []byte) *row {
	r := &row{}
	switch {
	case !utf8.Valid(raw):
		r.bad = &RowError{Why: "it is not UTF-8"}
	case !bytes.HasPrefix(raw, []byte("{")):
		r.bad = &RowError{Why: "it is no JSON object"}
	case jose.DecodeUpTo(maxRow, raw, &r.members) != nil:
		r.bad = &RowError{Why: "it is no JSON object in which every name comes once"}
	}
	return r
}

// refuse notes what is wrong, unless something was before.
func (r *row) refuse(field, why string) {
	for r.up != nil {
		field, r = r.path+field, r.up
	}
	if r.bad == nil {
		r.bad = &RowError{Field: shown(field), Why: why}
	}
}

// decode reads a member; false when it is absent, null or of another type.
func (r *row) decode(name string, into any, want string) bool {
	raw, ok := r.members[name]
	if !ok || string(raw) == "null" {
		return false
	}
	if jose.DecodeUpTo(maxRow, raw, into) != nil {
		r.refuse(name, "it must be "+want)
		return false
	}
	return true
}

func (r *row) text(name string) (s string) {
	r.decode(name, &s, "a string")
	return s
}

func (r *row) yes(name string) (b bool) {
	r.decode(name, &b, "true or false")
	return b
}

func (r *row) list(name string) (l []string) {
	r.decode(name, &l, "a list of strings")
	return l
}

// id is a string or a whole number, which some systems write for the same thing.
func (r *row) id(name string) string {
	raw := bytes.TrimSpace(r.members[name])
	if len(raw) > 0 && len(raw) <= 20 && !bytes.ContainsFunc(raw, func(c rune) bool { return c < '0' || c > '9' }) {
		return string(raw)
	}
	return r.text(name)
}

// child is a member that is an object; nil when it is absent.
func (r *row) child(name string) *row {
	c := &row{path: name + ".", up: r}
	if !r.decode(name, &c.members, "an object in which every name comes once") {
		return nil
	}
	return c
}

// children are the objects of a list.
func (r *row) children(name string) []*row {
	var list []map[string]json.RawMessage
	r.decode(name, &list, "a list of objects in which every name comes once")
	out := make([]*row, len(list))
	for i := range list {
		out[i] = &row{members: list[i], path: fmt.Sprintf("%s[%d].", name, i), up: r}
	}
	return out
}

// has tells whether there is such a member at all.
func (r *row) has(name string) bool {
	raw, ok := r.members[name]
	return ok && string(raw) != "null"
}

// filled is has for what may be there and empty.
func (r *row) filled(name string) bool {
	switch string(bytes.TrimSpace(r.members[name])) {
	case "", "null", "[]", "{}", `""`, "false":
		return false
	}
	return true
}

// millis is a time in milliseconds since 1970, as a number or in a string.
func (r *row) millis(name string) time.Time {
	text := r.id(name)
	if text == "" {
		return time.Time{}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxMillis {
		r.refuse(name, "it must be a number of milliseconds since 1970")
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

const maxMillis = 253402300799999 // the end of the year 9999

// moment is a time as RFC 3339 writes it.
func (r *row) moment(name string) time.Time {
	text := r.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.refuse(name, "it must be a time such as 2020-01-31T12:00:00Z")
	}
	return t.UTC()
}

// bytes is base64, of either alphabet, with or without padding.
func (r *row) bytes(name string) []byte {
	b, err := readBase64(r.text(name))
	if err != nil {
		r.refuse(name, "it must be base64")
	}
	return b
}

func readBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/", "\r", "?", "\n", "?").Replace(strings.TrimRight(text, "="))
	return base64.RawStdEncoding.DecodeString(text)
}
