package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// startServer runs `valetkey serve` with a configuration and returns its
// issuer.
func startServer(t *testing.T, config string, flags ...string) string {
	t.Helper()
	if strings.Contains(","+os.Getenv("TEST_SKIP")+",", ",browser,") {
		t.Skip("TEST_SKIP leaves the browser out")
	}
	dir, listen := t.TempDir(), free(t)
	_, port, _ := net.SplitHostPort(listen)
	issuer := "http://localhost:" + port
	file := filepath.Join(dir, "valetkey.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"serve", "--config", file, "--data-dir", dir, "--listen", listen, "--issuer", issuer, "--log-level", "warn"}, flags...)
	cmd := exec.Command(build(t), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if s := out.String(); strings.Contains(s, "panic") || strings.Contains(s, "level=ERROR") {
			t.Errorf("the server complained: %s", s)
		}
	})
	for range 500 {
		if resp, err := http.Get(issuer + "/readyz"); err == nil {
			_ = resp.Body.Close()
			return issuer
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the server didn't start: %s", out.String())
	return ""
}

const people = `
users:
  - {username: ada, name: Ada Lovelace, email: ada@example.com, password: analytical engine}
scopes:
  photos:read: {title: See your photos}
  photos:write: {title: Add photos, optional: true}
`

const television = people + `
clients:
  - client_id: tv
    client_name: Living room TV
    client_type: native
    client_uri: https://tv.example
    owner: ada
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
    scope: openid photos:read photos:write
`

// askForCode does what a device does: RFC 8628 §3.1.
func askForCode(t *testing.T, issuer string) (code, link string) {
	t.Helper()
	resp, err := http.PostForm(issuer+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid photos:read photos:write"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		UserCode string `json:"user_code"`
		Complete string `json:"verification_uri_complete"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.UserCode == "" {
		t.Fatalf("%s %v", resp.Status, err)
	}
	return answer.UserCode, answer.Complete
}

// TestDevice: by hand and by link, allowed and denied, and by keys alone.
func TestDevice(t *testing.T) {
	issuer := startServer(t, television)
	ctx := open(t)
	code, _ := askForCode(t, issuer)

	do(t, ctx, chromedp.Navigate(issuer+"/device"), visible("#user-code"))
	everywhere(t, ctx, "device")
	size := get(t, ctx, chromedp.Evaluate[string](`(s => s.fontFamily + " " + s.fontSize)(getComputedStyle(document.getElementById("user-code")))`))
	if !strings.Contains(size, "monospace") || !strings.HasSuffix(size, "28px") {
		t.Errorf("the code is typed in %s", size)
	}
	do(t, ctx, chromedp.KeyEvent("wdjb mjht"), chromedp.KeyEvent(kb.Enter), visible("#device-problem"))
	everywhere(t, ctx, "device-wrong")

	// By keys alone, in small letters with a space: the field has the focus.
	do(t, ctx, chromedp.Navigate(issuer+"/device"), visible("#user-code"),
		chromedp.KeyEvent(strings.ToLower(strings.ReplaceAll(code, "-", " "))), chromedp.KeyEvent(kb.Enter), see("Sign in to continue to Living room TV"))
	everywhere(t, ctx, "device-login")
	do(t, ctx, signIn("ada", "analytical engine"), visible("#device-warning"), see(code))
	everywhere(t, ctx, "device-consent")
	tabTo(t, ctx, "consent-allow")
	do(t, ctx, chromedp.KeyEvent(kb.Enter), visible("#device-done"), see("is connected"))
	everywhere(t, ctx, "device-approved")

	// A link shows the code and decides nothing.
	code, link := askForCode(t, issuer)
	do(t, ctx, chromedp.Navigate(link), visible("#user-code"), see("Does your device show this code?"))
	if got := get(t, ctx, chromedp.Evaluate[string](`document.getElementById("user-code").value`)); got != code {
		t.Errorf("the page shows %q, not %q", got, code)
	}
	everywhere(t, ctx, "device-link")
	tabTo(t, ctx, "device-submit")
	do(t, ctx, chromedp.KeyEvent(kb.Enter), visible("#consent-deny"), click("#consent-deny"), see("was not connected"))
	everywhere(t, ctx, "device-denied")
	do(t, ctx, chromedp.Navigate(link), click("#device-submit"), see("answered already"))

	// Whoever goes on guessing is stopped.
	for range 9 {
		if strings.Contains(bodyText(t, ctx), "Too many tries") {
			break
		}
		do(t, ctx, chromedp.Navigate(issuer+"/device?user_code=WDJB-MJHT"), click("#device-submit"), chromedp.WaitNotPresent(chromedp.CSS("[readonly]")))
	}
	do(t, ctx, visible("#error-page"), see("Too many tries"))
	everywhere(t, ctx, "device-slow")
}

// everywhere is look, on a tablet and on the narrowest phone too.
func everywhere(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	kept := views
	defer func() { views = kept }()
	views = append(append([]view(nil), views...),
		view{"tablet-light", 768, 1024, "light"}, view{"tablet-dark", 768, 1024, "dark"}, view{"narrow-light", 320, 640, "light"})
	look(t, ctx, name)
}
