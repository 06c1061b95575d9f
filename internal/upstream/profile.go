package upstream

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/valetkey/valetkey/internal/jose"
)

// profile is a JSON object that a provider sent, taken apart one level at a
// time: what isn't asked for isn't looked at, and numbers stay as written.
type profile map[string]json.RawMessage

// readProfile is strict JSON: exact names, none of them twice.
func readProfile(body []byte) (p profile, err error) {
	if err := jose.DecodeUpTo(maxBody, body, &p); err != nil {
		return nil, errors.New("the answer isn't a JSON object, or has a name twice")
	}
	if p == nil {
		return nil, errors.New("the answer is null")
	}
	return p, nil
}

// at finds a value: a member of exactly that name (https://example.com/groups
// is one), else what the names between the dots lead to. A number picks from an
// array.
func (p profile) at(path string) json.RawMessage {
	if v, ok := p[path]; ok {
		return v
	}
	first, rest, nested := strings.Cut(path, ".")
	v, ok := p[first]
	if !nested || !ok {
		return nil
	}
	if inner, err := readProfile(v); err == nil {
		return inner.at(rest)
	}
	return pick(v, rest)
}

func pick(list json.RawMessage, path string) json.RawMessage {
	index, rest, nested := strings.Cut(path, ".")
	n, err := strconv.Atoi(index)
	var items []json.RawMessage
	if err != nil || n < 0 || jose.DecodeUpTo(maxBody, list, &items) != nil || n >= len(items) {
		return nil
	}
	if !nested {
		return items[n]
	}
	inner, err := readProfile(items[n])
	if err != nil {
		return nil
	}
	return inner.at(rest)
}

// text is a JSON string, else "".
func (p profile) text(path string) (s string) {
	if err := jose.DecodeUpTo(maxBody, p.at(path), &s); err != nil {
		return ""
	}
	return s
}

// short is a text of the length that claims have, else "".
func (p profile) short(path string) string {
	s, ok := clean(p.text(path))
	if !ok {
		return ""
	}
	return s
}

// texts is an array's strings, or a single one.
func (p profile) texts(path string) (list []string) {
	raw := p.at(path)
	if one := p.short(path); one != "" {
		return []string{one}
	}
	var items []json.RawMessage
	if raw == nil || jose.DecodeUpTo(maxBody, raw, &items) != nil {
		return nil
	}
	for _, item := range items {
		if s := (profile{"": item}).short(""); s != "" && len(list) < maxGroups {
			list = append(list, s)
		}
	}
	return list
}

// isTrue is JSON's true and nothing that resembles it.
func (p profile) isTrue(path string) bool { return string(p.at(path)) == "true" }

const maxSubject = 255

var wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,30})$`)

// subject reads an OAuth 2.0 provider's identifier, which may be a number: it
// is taken digit by digit, since as a float64 two people might become one.
func (p profile) subject(path string) (string, error) {
	raw := p.at(path)
	if wholeNumber.Match(raw) {
		return string(raw), nil
	}
	s := p.text(path)
	return s, checkSubject(s)
}

// checkSubject: OpenID Connect Core §2, sub.
func checkSubject(s string) error {
	switch {
	case s == "":
		return errors.New("no subject in the answer, or an empty one")
	case len(s) > maxSubject:
		return errors.New("the subject has more than 255 bytes")
	case strings.ContainsFunc(s, isControl):
		return errors.New("the subject has control characters")
	}
	return nil
}
