package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a.go", "a_test.go", "b.sql", "web/c.css", "web/page.html", "node_modules/d.js", ".git/e.go"} {
		write(name)
	}
	before, err := times(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 3 {
		t.Errorf("watches %v, want a.go, b.sql and web/c.css", before)
	}
	if err := os.Chtimes(filepath.Join(dir, "b.sql"), time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if after, err := times(dir); err != nil || same(before, after) {
		t.Errorf("a changed file wasn't seen: %v", err)
	}
}
