package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/test/harness"
)

// TestTestingGuide runs the programs of docs/guide/testing.md as they stand.
func TestTestingGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/guide/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(harness.Binary(t), filepath.Join(dir, "valetkey")); err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
	write := func(language, name, around string) string {
		found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(guide)
		if found == nil {
			t.Fatalf("the guide has nothing in %s", language)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(around+string(found[1])), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	run := func(where string, name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = where, append(os.Environ(), path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	if !slices.Contains(strings.Split(os.Getenv("TEST_SKIP"), ","), "node") {
		run(dir, "node", "--test", write("js", "order.test.mjs", ""))
	}
	if _, err := exec.LookPath("java"); err == nil {
		run(dir, "java", write("java", "OrderTest.java", ""))
	} else {
		t.Log("no java here: its program wasn't run")
	}
	source := write("go", "order_test.go", `package guide

import (
	"bufio"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

`)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "test", "guide", "order_test.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "order.test")
	run(root, "go", "test", "-c", "-vet=off", "-o", program, "-overlay", filepath.Join(dir, "overlay.json"), "./test/guide")
	run(dir, program)
}
