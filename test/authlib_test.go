package test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// python finds one that has Authlib: Debian's package is for Debian's own.
func python(t *testing.T) string {
	t.Helper()
	var last error
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if last = exec.Command(name, "-c", "import authlib, requests").Run(); last == nil {
			return name
		}
	}
	t.Fatalf("python3 with authlib and requests is needed; `make test` installs it: %v", last)
	return ""
}

// TestPythonClient drives the server by Python's Authlib, which registers itself
// and authenticates in each way that it has.
func TestPythonClient(t *testing.T) {
	if left("python") {
		t.Skip("TEST_SKIP leaves python out")
	}
	c := setup(databases["sqlite"](t))
	c.Registration = oauth.RegistrationOpen
	srv := harness.Start(t, c)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python(t), "python/authlib_client.py", srv.URL, harness.Callback)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	browser, done := srv.Browser(t), []string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if method, is := strings.CutPrefix(lines.Text(), "done "); is {
			done = append(done, method)
			continue
		}
		page, err := browser.SignIn(lines.Text(), "ada", harness.Password)
		if err != nil || page.Location == nil {
			t.Fatalf("%v %s", err, outcome(page))
		}
		if _, err := io.WriteString(in, page.Location.String()+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Authlib: %v", err)
	}
	if got := strings.Join(done, " "); got != "client_secret_basic client_secret_post client_secret_jwt private_key_jwt" {
		t.Errorf("done: %s", got)
	}
}
