// Command keys writes the texts that the server may say to people, in the form
// of a catalogue, for whoever translates them:
//
//	go run ./internal/locale/keys          every text
//	go run ./internal/locale/keys de       those that German lacks
//	go run ./internal/locale/keys -where   every text, with the files that say it
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/locale/scan"
)

func main() {
	where := flag.Bool("where", false, "say which files have each text")
	flag.Parse()
	if err := write(os.Stdout, flag.Arg(0), *where); err != nil {
		fmt.Fprintln(os.Stderr, "keys:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, tag string, where bool) error {
	root, err := scan.Root(".")
	if err != nil {
		return err
	}
	keys, err := scan.Keys(root)
	if err != nil {
		return err
	}
	if tag != "" {
		if keys, err = lacking(root, tag, keys); err != nil {
			return err
		}
	}
	out := map[string]any{} // encoding/json sorts it
	for _, k := range keys {
		if out[k.Text] = entry(k, tag); where {
			out[k.Text] = k.Where
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// lacking are the keys that the catalogue of a language hasn't, all of them
// when there is none.
func lacking(root, tag string, keys []scan.Key) ([]scan.Key, error) {
	text, err := os.ReadFile(filepath.Join(root, "internal", "locale", "locales", filepath.Base(tag)+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return keys, nil
	}
	if err != nil {
		return nil, err
	}
	have, err := scan.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tag, err)
	}
	return have.Lacks(keys), nil
}

// entry is the English, with the plural forms that the language has.
func entry(k scan.Key, tag string) any {
	text, _, _ := strings.Cut(k.Text, "|") // what tells two meanings apart is never shown
	if !k.Plural() {
		return text
	}
	if tag == "" {
		tag = "en"
	}
	forms := map[string]string{}
	for name := range locale.Forms(tag) {
		forms[name] = text
	}
	if _, ok := forms["one"]; ok {
		forms["one"] = k.One
	}
	return forms
}
