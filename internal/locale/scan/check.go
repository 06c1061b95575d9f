package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
)

// Catalogue is what a catalogue's file says: each entry is a string, or one
// for each plural form.
type Catalogue map[string]any

// Read parses a catalogue. A key that stands twice is a fault, since the
// second would win unseen.
func Read(text []byte) (Catalogue, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("a catalogue is a JSON object")
	}
	out := Catalogue{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%q stands twice", name)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
}

// Lacks lists the keys that a catalogue doesn't have.
func (c Catalogue) Lacks(keys []Key) []Key {
	var out []Key
	for _, k := range keys {
		if _, ok := c[k.Text]; !ok {
			out = append(out, k)
		}
	}
	return out
}

// Stale lists the entries that nobody says any more.
func (c Catalogue) Stale(keys []Key) []string {
	var out []string
	for _, text := range slices.Sorted(maps.Keys(c)) {
		if !slices.ContainsFunc(keys, func(k Key) bool { return k.Text == text }) {
			out = append(out, text)
		}
	}
	return out
}

// Faults lists what would be said wrongly: a placeholder that got lost or was
// made up, a plural form that the language has and the entry hasn't.
func (c Catalogue) Faults(tag string, keys []Key) []string {
	var out []string
	for _, k := range keys {
		entry, ok := c[k.Text]
		if !ok {
			continue
		}
		for _, fault := range faults(tag, k, entry) {
			out = append(out, fmt.Sprintf("%q %s", k.Text, fault))
		}
	}
	return out
}

func faults(tag string, k Key, entry any) []string {
	switch entry := entry.(type) {
	case string:
		if k.Plural() {
			return []string{"depends on a number and has no plural forms"}
		}
		return judge("", entry, Placeholders(k.Text), false)
	case map[string]any:
		if !k.Plural() {
			return []string{"has plural forms and depends on no number"}
		}
		return pluralFaults(tag, k, entry)
	}
	return []string{"is neither a text nor an object of plural forms"}
}

func pluralFaults(tag string, k Key, entry map[string]any) []string {
	var out []string
	forms := locale.Forms(tag)
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		text, _ := entry[form].(string)
		out = append(out, judge(form+": ", text, Placeholders(k.Text), forms[form])...)
	}
	for form := range entry {
		if _, ok := forms[form]; !ok {
			out = append(out, form+" is no form of this language")
		}
	}
	return out
}

// judge compares placeholders; single says that the form is of one number,
// which then may stand in words.
func judge(form, text string, want []string, single bool) []string {
	if strings.TrimSpace(text) == "" {
		return []string{form + "is empty"}
	}
	got := Placeholders(text)
	var out []string
	for _, p := range want {
		if !slices.Contains(got, p) && (p != "{n}" || !single) {
			out = append(out, form+"lacks "+p)
		}
	}
	for _, p := range got {
		if !slices.Contains(want, p) {
			out = append(out, form+"has "+p+", which the English hasn't")
		}
	}
	return out
}

var placeholder = regexp.MustCompile(`\{[0-9n]\}`)

// Placeholders are those of a text, each once, sorted.
func Placeholders(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}
