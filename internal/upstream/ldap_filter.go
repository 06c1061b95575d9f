package upstream

import (
	"errors"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// filter is a search filter (RFC 4515). A search takes nothing else, and only
// template.filter makes one of a value: so no value gets in unescaped.
type filter struct{ text string }

// everything matches each entry, for a search whose base is the entry.
var everything = filter{"(objectClass=*)"}

// dn is a distinguished name (RFC 4514): from the server, the configuration, or
// template.dn. Its escapes are others than a filter's, and one isn't good where
// the other is needed.
type dn string

// normal makes one text of all spellings of a name, to tell whether it was met
// before.
func (d dn) normal() string {
	if parsed, err := ldap.ParseDN(string(d)); err == nil {
		return strings.ToLower(parsed.String())
	}
	return strings.ToLower(string(d))
}

// below tells whether d is base or under it.
func (d dn) below(base dn) bool {
	inner, err1 := ldap.ParseDN(string(d))
	outer, err2 := ldap.ParseDN(string(base))
	return err1 == nil && err2 == nil && (outer.EqualFold(inner) || outer.AncestorOfFold(inner))
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// template is a filter or a name with holes.
type template string

// fill puts values into the holes, each through escape. It goes over the
// template once, so that a value with a hole's name in it stays a value.
func (t template) fill(values map[string]string, escape func(string) string) string {
	return placeholder.ReplaceAllStringFunc(string(t), func(hole string) string { return escape(values[hole]) })
}

func (t template) filter(values map[string]string) filter {
	return filter{t.fill(values, ldap.EscapeFilter)}
}

func (t template) dn(values map[string]string) dn { return dn(t.fill(values, ldap.EscapeDN)) }

// check looks for holes where a value belongs, and nowhere else: a name of an
// attribute isn't the person's to choose.
func (t template) check(open string, holes ...string) error {
	found := placeholder.FindAllStringIndex(string(t), -1)
	if len(found) == 0 {
		return errors.New("needs " + strings.Join(holes, " or "))
	}
	for _, at := range found {
		hole, before := string(t[at[0]:at[1]]), string(t[:at[0]])
		if i := strings.LastIndexAny(before, open); i >= 0 {
			before = before[i:]
		}
		switch {
		case !strings.Contains(strings.Join(holes, " "), hole):
			return errors.New("knows " + strings.Join(holes, " and ") + ", not " + hole)
		case !strings.Contains(before, "="):
			return errors.New("has " + hole + " before the = ; it stands for a value")
		}
	}
	return nil
}

func (t template) has(hole string) bool { return strings.Contains(string(t), hole) }
