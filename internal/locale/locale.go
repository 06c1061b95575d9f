// Package locale puts words for people into their language. The English text
// itself is the key: a page reads naturally where it is written, and a
// language that lacks a text shows the English one rather than a riddle. It
// knows no page and no markup, and nothing of who reads.
//
// Where English has one text for two meanings, the key says which after a bar:
// "none|of the keys". English shows what stands before it.
package locale

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// Locale is one language in which everything is said. It is safe for
// concurrent use, and there is one of each: two of the same set are the same
// pointer.
type Locale struct {
	Tag  string // BCP 47: en, de, fr, es, ja, ar
	Dir  string // ltr or rtl
	Name string // what its speakers call it: Deutsch

	tag     language.Tag
	manners *manners
	texts   func() map[string]message // read when it is first spoken; nil for English
	missed  missed
}

// Get returns the locale of a tag; English for one that isn't spoken here.
func Get(tag string) *Locale {
	s := current.Load()
	if l := s.find(tag); l != nil {
		return l
	}
	return s.spoken[0]
}

// Tags lists what is spoken here, English first.
func Tags() []string {
	var tags []string
	for _, l := range current.Load().spoken {
		tags = append(tags, l.Tag)
	}
	return tags
}

// All is every locale that is spoken here, English first.
func All() []*Locale { return slices.Clone(current.Load().spoken) }

// Key marks an English text that is kept in a table and translated later, so
// that whoever collects the keys finds it. It returns the text.
func Key(text string) string { return text }

// T says key, an English text in which {0}, {1} … stand for args.
func (l *Locale) T(key string, args ...any) string { return l.fill(l.text(key), "", args) }

// N says one or other, in which {n} stands for the number and {0}, {1} … for
// args. The catalogue has it under other, in as many forms as the language
// has (Unicode CLDR, plural rules).
func (l *Locale) N(n int, one, other string, args ...any) string {
	return l.fill(l.form(n, one, other), l.Number(n), args)
}

// Try says text if it is a key that the catalogue has; else it is somebody's
// own words, which stay as they are.
func (l *Locale) Try(text string) string {
	if m := l.texts()[text]; m.text != "" {
		return m.text
	}
	return text
}

// Markup is a locale that speaks into a document: each text passes escape
// before its placeholders are filled, and args are fit for the document
// already.
type Markup struct {
	*Locale

	Escape func(string) string
}

// T is Locale.T for a document.
func (m Markup) T(key string, args ...any) string {
	return m.fill(m.Escape(m.text(key)), "", args)
}

// N is Locale.N for a document.
func (m Markup) N(n int, one, other string, args ...any) string {
	return m.fill(m.Escape(m.form(n, one, other)), m.Number(n), args)
}

// text is the translation of key, or its English.
func (l *Locale) text(key string) string {
	if m := l.texts()[key]; m.text != "" {
		return m.text
	}
	if l.Tag != "en" {
		l.missed.note(key)
	}
	return plain(key)
}

// plain is a key as English shows it: without what tells two meanings apart.
func plain(key string) string {
	if i := strings.IndexByte(key, '|'); i >= 0 {
		return key[:i]
	}
	return key
}

// fill puts args and the number in, in one pass: what stands in an argument
// is never taken for a placeholder.
func (l *Locale) fill(text, number string, args []any) string {
	if number == "" && len(args) == 0 || !strings.Contains(text, "{") {
		return text
	}
	var out strings.Builder
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 || i+2 >= len(text) {
			break
		}
		value, ok := "", text[i+2] == '}'
		if ok {
			value, ok = l.value(text[i+1], number, args)
		}
		if !ok {
			out.WriteString(text[:i+1])
			text = text[i+1:]
			continue
		}
		out.WriteString(text[:i])
		out.WriteString(value)
		text = text[i+3:]
	}
	out.WriteString(text)
	return out.String()
}

// value is what a placeholder's letter stands for.
func (l *Locale) value(name byte, number string, args []any) (string, bool) {
	i := int(name - '0')
	switch {
	case name == 'n' && number != "":
		return number, true
	case name < '0' || name > '9' || i >= len(args):
		return "", false
	}
	if n, ok := args[i].(int); ok {
		return l.Number(n), true
	}
	return l.Isolate(fmt.Sprint(args[i])), true
}

// Isolate keeps a name or an address of the other direction from reordering
// the sentence around it: Unicode Bidirectional Algorithm §2.4, FSI and PDI.
// Text that is read from the left within such text has no need of it.
func (l *Locale) Isolate(s string) string {
	if s == "" || l.Dir != "rtl" && !strings.ContainsFunc(s, turns) {
		return s
	}
	return "\u2068" + s + "\u2069"
}

// turns tells whether a character is of a script that is read from the right,
// or is a control that makes others so.
func turns(r rune) bool {
	switch {
	case r < 0x590:
		return false
	case r <= 0x8FF, r >= 0xFB1D && r <= 0xFDFF, r >= 0xFE70 && r <= 0xFEFC, r >= 0x10800 && r <= 0x10FFF, r >= 0x1E800 && r <= 0x1EFFF:
		return true
	}
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

// Number writes n with the separators of the language.
func (l *Locale) Number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	if len(digits) < l.manners.groupFrom {
		return sign + digits
	}
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteString(l.manners.group)
		}
		out.WriteRune(d)
	}
	return sign + out.String()
}
