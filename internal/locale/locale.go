// Package locale puts words for people into their language. The English text
// itself is the key: a page reads naturally where it is written, and a
// language that lacks a text shows the English one rather than a riddle.
package locale

import (
	"fmt"
	"strings"
)

// Locale is one language in which everything is said.
type Locale struct {
	Tag  string // BCP 47: en, de, fr, es, ja, ar
	Dir  string // ltr or rtl
	Name string // what its speakers call it: Deutsch
}

var english = &Locale{Tag: "en", Dir: "ltr", Name: "English"}

// Get returns the locale of a tag; English for one that isn't spoken here.
func Get(tag string) *Locale { return english }

// Tags lists what is spoken here, English first.
func Tags() []string { return []string{"en"} }

// Match picks a language: what the request names (OpenID Connect Core §3.1.2.1,
// ui_locales), else what the person chose before, else what the browser asks
// for (RFC 9110 §12.5.4).
func Match(uiLocales []string, chosen, acceptLanguage string) *Locale { return english }

// T says key, an English text in which {0}, {1} … stand for args.
func (l *Locale) T(key string, args ...any) string {
	for i, a := range args {
		key = strings.ReplaceAll(key, fmt.Sprintf("{%d}", i), fmt.Sprint(a))
	}
	return key
}
