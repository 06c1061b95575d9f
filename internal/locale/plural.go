package locale

import (
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// formNames are CLDR's, as catalogues write them.
var formNames = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two",
	plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

// formOf names the form that a language uses for n.
func formOf(tag language.Tag, n int) string {
	if n < 0 {
		n = -n
	}
	return formNames[plural.Cardinal.MatchPlural(tag, n%10_000_000, 0, 0, 0, 0)]
}

// form is the text for n, in English where the catalogue has none.
func (l *Locale) form(n int, one, other string) string {
	forms := l.texts()[other].forms
	if text := forms[formOf(l.tag, n)]; text != "" {
		return text
	}
	if text := forms["other"]; text != "" {
		return text
	}
	if l.Tag != "en" {
		l.missed.note(other)
	}
	if n == 1 || n == -1 {
		return plain(one)
	}
	return plain(other)
}

// Forms lists the plural forms of a language, and for each whether it stands
// for one number alone, whose text may then do without {n}: Arabic's "two" is
// a dual, French's "one" is nought too.
func Forms(tag string) map[string]bool {
	counts := map[string]int{"other": 2}
	for n := range 200 {
		counts[formOf(language.Make(tag), n)]++
	}
	out := map[string]bool{}
	for name, n := range counts {
		out[name] = n == 1
	}
	return out
}
