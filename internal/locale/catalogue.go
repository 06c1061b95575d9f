package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/text/language"
)

//go:embed all:locales
var embedded embed.FS

// known are the languages whose manners we know, in the order of lists for
// people. One is spoken when there is a catalogue of it too.
var known = []Locale{
	{Tag: "en", Dir: "ltr", Name: "English"},
	{Tag: "de", Dir: "ltr", Name: "Deutsch"},
	{Tag: "es", Dir: "ltr", Name: "Español"},
	{Tag: "fr", Dir: "ltr", Name: "Français"},
	{Tag: "ja", Dir: "ltr", Name: "日本語"},
	{Tag: "ar", Dir: "rtl", Name: "العربية"},
}

// set is what is spoken.
type set struct {
	spoken  []*Locale // English first
	matcher func() language.Matcher
}

var current atomic.Pointer[set]

func init() {
	files, err := fs.Sub(embedded, "locales")
	if err != nil { // the directory is embedded
		panic(err)
	}
	current.Store(newSet(files))
}

// Use speaks from other catalogues and returns what takes it back. It is for
// tests, which need a language that says what they expect.
func Use(files fs.FS) (undo func()) {
	old := current.Swap(newSet(files))
	return func() { current.Store(old) }
}

func newSet(files fs.FS) *set {
	s := &set{}
	for i := range known {
		if _, err := fs.Stat(files, known[i].Tag+".json"); err == nil || known[i].Tag == "en" {
			s.spoken = append(s.spoken, open(files, &known[i]))
		}
	}
	s.matcher = sync.OnceValue(func() language.Matcher {
		var tags []language.Tag
		for _, l := range s.spoken {
			tags = append(tags, l.tag)
		}
		return language.NewMatcher(tags)
	})
	return s
}

func open(files fs.FS, row *Locale) *Locale {
	l := &Locale{Tag: row.Tag, Dir: row.Dir, Name: row.Name, tag: language.MustParse(row.Tag), manners: mannersOf[row.Tag]}
	l.texts = sync.OnceValue(func() map[string]message {
		if l.Tag == "en" {
			return nil
		}
		texts, err := read(files, l.Tag)
		if err != nil { // a test reads every catalogue that is built in
			panic(err)
		}
		return texts
	})
	return l
}

func (s *set) find(tag string) *Locale {
	for _, l := range s.spoken {
		if l.Tag == tag {
			return l
		}
	}
	return nil
}

// message is one entry of a catalogue: a text, or one for each plural form.
type message struct {
	text  string
	forms map[string]string
}

// UnmarshalJSON takes "text" and {"one": "…", "other": "…"}.
func (m *message) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		return json.Unmarshal(data, &m.forms)
	}
	return json.Unmarshal(data, &m.text)
}

func read(files fs.FS, tag string) (map[string]message, error) {
	text, err := fs.ReadFile(files, tag+".json")
	if err != nil {
		return nil, fmt.Errorf("locale %s: %w", tag, err)
	}
	texts := map[string]message{}
	if err := json.Unmarshal(text, &texts); err != nil {
		return nil, fmt.Errorf("locale %s: %w", tag, err)
	}
	return texts, nil
}

// maxMissed bounds what is remembered of keys that a catalogue lacks.
const maxMissed = 1000

type missed struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (m *missed) note(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = map[string]bool{}
	}
	if len(m.keys) < maxMissed {
		m.keys[key] = true
	}
}

// Missing lists the texts that were asked of a language and that its catalogue
// lacks, so that a test of pages can say what stayed in English.
func Missing(tag string) []string {
	m := &Get(tag).missed
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for key := range m.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
