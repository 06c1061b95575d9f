// Package browser walks the pages in a real Chromium: the demo's whole story,
// the portal, both colour schemes, phone width, the keyboard alone, and axe.
package browser

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/test/harness"
)

// demo is the demo's three programs on free ports.
type demo struct {
	server, app, api string
	cmd              *exec.Cmd
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "valetkey")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "../../cmd/valetkey")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func free(t *testing.T) string {
	t.Helper()
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// startDemo runs `valetkey demo` and checks that it is ready within a second.
func startDemo(t *testing.T) *demo {
	t.Helper()
	if strings.Contains(","+os.Getenv("TEST_SKIP")+",", ",browser,") {
		t.Skip("TEST_SKIP leaves the browser out")
	}
	server, app, api := free(t), free(t), free(t)
	_, port, _ := net.SplitHostPort(server)
	d := &demo{server: "http://localhost:" + port, app: "http://" + app, api: "http://" + api}
	d.cmd = exec.Command(build(t), "demo", "--listen", server, "--app-listen", app, "--api-listen", api)
	var out bytes.Buffer
	d.cmd.Stdout, d.cmd.Stderr = &out, &out
	began := time.Now()
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(os.Interrupt)
		_ = d.cmd.Wait()
		if s := out.String(); strings.Contains(s, "panic") || strings.Contains(s, "level=ERROR") {
			t.Errorf("the demo complained: %s", s)
		}
	})
	for time.Since(began) < 10*time.Second {
		if resp, err := http.Get(d.api); err == nil {
			_ = resp.Body.Close()
			if took := time.Since(began); took > time.Second {
				t.Errorf("ready after %s", took)
			}
			return d
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the demo didn't start: %s", out.String())
	return nil
}

// open starts a Chromium that knows nothing.
func open(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is needed; `make test` installs it, TEST_SKIP=browser leaves it out")
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() { cancel(); stop() })
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

type action = chromedp.Action[chromedp.Void]

const patience = 15 * time.Second

// do runs actions and says where it went wrong.
func do(t *testing.T, ctx context.Context, actions ...action) {
	t.Helper()
	for i, a := range actions {
		step, cancel := context.WithTimeout(ctx, patience)
		err := chromedp.Do(step, a)
		cancel()
		if err != nil {
			t.Fatalf("action %d at %s: %v\n%s", i, get(t, ctx, chromedp.Location()), err, bodyText(t, ctx))
		}
	}
}

// get runs an action that has a value.
func get[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	step, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	value, err := chromedp.Run(step, a)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

const bodyScript = `document.body ? document.body.innerText : ""`

func bodyText(t *testing.T, ctx context.Context) string {
	t.Helper()
	return get(t, ctx, chromedp.Evaluate[string](bodyScript))
}

// see waits until the page shows a text.
func see(text string) action {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for {
			body, err := chromedp.Evaluate[string](bodyScript)(ctx, target)
			if err == nil && strings.Contains(body, text) {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("no %q on the page", text)
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

func visible(selector string) action { return chromedp.WaitVisible(chromedp.CSS(selector)) }

func click(selector string) action {
	return chromedp.Steps(visible(selector), chromedp.Click(chromedp.CSS(selector)))
}

func fill(selector, value string) action { return chromedp.SendKeys(chromedp.CSS(selector), value) }

// signIn fills the form in and submits it.
func signIn(username, password string) action {
	return chromedp.Steps(visible("#login-form"), chromedp.SetValue(chromedp.CSS("#username"), username),
		fill("#password", password), click("#login-submit"))
}
