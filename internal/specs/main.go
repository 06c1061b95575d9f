// Command specs writes docs/specs.md: which section of which specification is
// kept where. It reads comments and decides nothing; a rule whose comment
// names no section isn't in the document.
//
//	go run ./internal/specs          writes docs/specs.md
//	go run ./internal/specs -check   fails when docs/specs.md isn't current
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// document is where the result stands, below the module's root.
const document = "docs/specs.md"

func main() {
	check := flag.Bool("check", false, "write nothing, fail when the document isn't current")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "specs:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	text, err := generate(root)
	if err != nil {
		return err
	}
	file := filepath.Join(root, document)
	if !check {
		return os.WriteFile(file, text, 0o600)
	}
	stands, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(stands, text) {
		return errors.New(document + " isn't current; run: make specs")
	}
	return nil
}

// moduleRoot is the nearest folder upward with a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod in this folder or above it")
		}
		dir = parent
	}
}

// generate reads the whole module and returns the document.
func generate(root string) ([]byte, error) {
	found, err := scan(root)
	if err != nil {
		return nil, err
	}
	return render(found), nil
}
