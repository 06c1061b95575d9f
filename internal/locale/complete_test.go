package locale_test

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/locale/scan"
)

//go:embed all:locales
var catalogues embed.FS

// complete lists the languages that lack nothing.
var complete = []string{"en", "de", "fr", "es", "ja", "ar"}

func TestComplete(t *testing.T) {
	root, err := scan.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := scan.Keys(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 100 {
		t.Errorf("only %d texts found", len(keys))
	}
	for _, tag := range complete {
		if !slices.Contains(locale.Tags(), tag) {
			t.Errorf("%s has no catalogue", tag)
		}
	}
	files, err := fs.Glob(catalogues, "locales/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		tag := strings.TrimSuffix(strings.TrimPrefix(file, "locales/"), ".json")
		t.Run(tag, func(t *testing.T) { judge(t, tag, file, keys) })
	}
}

func judge(t *testing.T, tag, file string, keys []scan.Key) {
	text, err := catalogues.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := scan.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(locale.Tags(), tag) {
		t.Errorf("nothing is known of how %s writes dates", tag)
	}
	for _, fault := range catalogue.Faults(tag, keys) {
		t.Error(fault)
	}
	if !slices.Contains(complete, tag) {
		t.Logf("%d lacking, %d stale", len(catalogue.Lacks(keys)), len(catalogue.Stale(keys)))
		return
	}
	for _, k := range catalogue.Lacks(keys) {
		t.Errorf("lacks %q (%s)", k.Text, strings.Join(k.Where, ", "))
	}
	for _, text := range catalogue.Stale(keys) {
		t.Errorf("%q is said nowhere any more", text)
	}
}
