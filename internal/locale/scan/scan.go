// Package scan finds every text that the module may say to a person: in the
// templates and in the Go sources. It is for a test and for translators, and
// no part of the server.
package scan

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Key is one text, as a catalogue must have it.
type Key struct {
	Text  string   // English; of a plural the form for other numbers
	One   string   // English for 1, "" when the text depends on no number
	Where []string // files, relative to the module
}

// Plural tells whether the text depends on a number.
func (k Key) Plural() bool { return k.One != "" }

// keys collects them, and what is wrong with how they are written.
type keys struct {
	found  map[string]*Key
	faults []error
}

func (k *keys) fault(where, format string, args ...any) {
	k.faults = append(k.faults, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

func (k *keys) add(where, text, one string) {
	key := k.found[text]
	switch {
	case text == "":
		k.fault(where, "an empty text")
		return
	case key == nil:
		key = &Key{Text: text, One: one}
		k.found[text] = key
	case key.One != one:
		k.fault(where, "%q stands with %q for one, and elsewhere (%s) with %q", text, one, key.Where[0], key.One)
	}
	if !slices.Contains(key.Where, where) {
		key.Where = append(key.Where, where)
	}
}

// Keys reads the module at root and returns its texts, sorted.
func Keys(root string) ([]Key, error) {
	k := &keys{found: map[string]*Key{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(d.Name()) && path != root:
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		return k.file(root, path)
	})
	if err != nil {
		return nil, err
	}
	if len(k.faults) > 0 {
		return nil, k.faults[0]
	}
	var out []Key
	for _, key := range k.found {
		out = append(out, *key)
	}
	slices.SortFunc(out, func(a, b Key) int { return strings.Compare(a.Text, b.Text) })
	return out, nil
}

// skipped are directories that say nothing to anybody.
func skipped(name string) bool {
	switch name {
	case "testdata", "node_modules", "vendor", "bin", "test", "tools", "examples", "docs":
		return true
	}
	return strings.HasPrefix(name, ".")
}

func (k *keys) file(root, path string) error {
	where, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	isGo := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
	isTemplate := strings.Contains(filepath.ToSlash(where), "/templates/")
	if !isGo && !isTemplate {
		return nil
	}
	text, err := os.ReadFile(path)
	switch {
	case err != nil:
		return err
	case isGo:
		return k.source(filepath.ToSlash(where), text)
	}
	return k.template(filepath.ToSlash(where), string(text))
}

// Root is the directory of the module that dir lies in.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
		dir = parent
	}
}
