package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// signIn is a running `valetkey login`.
type signIn struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	failed strings.Builder // all of standard error, once ended
	lines  *bufio.Reader
}

func login(t *testing.T, stdin string, args ...string) *signIn {
	t.Helper()
	s := &signIn{cmd: exec.Command(harness.Binary(t), append([]string{"login"}, args...)...)}
	s.cmd.Env = append(os.Environ(), "BROWSER=true") // a program that does nothing
	s.cmd.Stdin, s.cmd.Stdout = strings.NewReader(stdin), &s.out
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.lines = bufio.NewReader(io.TeeReader(stderr, &s.failed))
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// shown is the next line that stands by itself, as addresses and codes do.
func (s *signIn) shown(t *testing.T) string {
	t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if text, ok := strings.CutPrefix(line, "  "); ok {
			return strings.TrimSpace(text)
		}
		if err != nil {
			t.Fatalf("nothing was shown: %s", s.failed.String())
		}
	}
}

// ended is how it ended.
func (s *signIn) ended(t *testing.T) (code int, out, failed string) {
	t.Helper()
	late := time.AfterFunc(time.Minute, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	_, _ = io.Copy(io.Discard, s.lines)
	_ = s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode(), s.out.String(), s.failed.String()
}

// loginServer is a server with an app for the command line, and one that keeps
// a secret.
func loginServer(t *testing.T) *harness.Server {
	t.Helper()
	srv := start(t)
	for _, n := range []valetkey.NewClient{
		{ID: "cli", Metadata: oauth.Metadata{Name: "Terminal", Type: oauth.TypeNative, RedirectURIs: []string{"http://127.0.0.1/callback"}}},
		{ID: "keeper", Secret: harness.Secret, Metadata: oauth.Metadata{
			Name: "Keeper", Type: oauth.TypeNative, AuthMethod: oauth.AuthPost, RedirectURIs: []string{"http://127.0.0.1/callback"},
		}},
	} {
		if _, err := srv.Admin().CreateClient(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	return srv
}

// TestLogin: CONTRACT §1: the code flow with PKCE through the browser and a
// loopback redirect, RFC 8252 §7.3, on a free port.
func TestLogin(t *testing.T) {
	srv := loginServer(t)
	for _, c := range []struct {
		name, stdin string
		args        []string
		check       func(t *testing.T, answer map[string]any)
	}{
		{"public", "", []string{"--client-id", "cli", "--scope", "openid orgs:read offline_access", "--resource", "https://api.example"}, func(t *testing.T, answer map[string]any) {
			if answer["scope"] != "openid orgs:read offline_access" || answer["id_token"] == nil || answer["refresh_token"] == nil {
				t.Errorf("%v", answer)
			}
		}},
		{"with a secret", harness.Secret + "\n", []string{"--client-id", "keeper", "--client-secret-stdin", "--scope", ""}, func(t *testing.T, answer map[string]any) {
			if answer["id_token"] != nil || answer["token_type"] != "Bearer" {
				t.Errorf("%v", answer)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := login(t, c.stdin, append(c.args, "--issuer", srv.URL, "--no-browser", "--json")...)
			page, err := srv.Browser(t).SignIn(s.shown(t), "ada", harness.Password)
			if err != nil || page.Location == nil {
				t.Fatalf("%v %s", err, outcome(page))
			}
			if status, body := land(t, page.Location); status != 200 || !strings.Contains(body, "You are signed in.") {
				t.Errorf("%d %s", status, body)
			}
			code, out, failed := s.ended(t)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, failed)
			}
			var answer map[string]any
			if err := json.Unmarshal([]byte(out), &answer); err != nil || answer["access_token"] == nil {
				t.Fatalf("%v: %s", err, out)
			}
			c.check(t, answer)
			if strings.Contains(failed, answer["access_token"].(string)) {
				t.Error("the token is on standard error too")
			}
		})
	}
}

// TestLoginForPeople: what stands in a terminal.
func TestLoginForPeople(t *testing.T) {
	srv := loginServer(t)
	s := login(t, "", "--issuer", srv.URL, "--client-id", "cli", "--scope", "openid profile")
	page, err := srv.Browser(t).SignIn(s.shown(t), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, outcome(page))
	}
	land(t, page.Location)
	code, out, failed := s.ended(t)
	for _, want := range []string{"signed in", "scope         openid profile", "access token", "ID token", "expires in    10m0s"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q: %s%s", code, want, out, failed)
		}
	}
}

// TestLoginFails: one line on standard error, exit 1, and the browser is told.
func TestLoginFails(t *testing.T) {
	srv := loginServer(t)
	begin := func(t *testing.T, args ...string) (*signIn, *harness.Browser, *harness.Page) {
		s := login(t, "", append(args, "--issuer", srv.URL, "--client-id", "cli", "--no-browser", "--json")...)
		b := srv.Browser(t)
		page, err := b.Get(s.shown(t))
		if err != nil {
			t.Fatal(err)
		}
		return s, b, page
	}
	fails := func(t *testing.T, s *signIn, want string) {
		t.Helper()
		code, out, failed := s.ended(t)
		if lines := strings.Split(strings.TrimSpace(failed), "\n"); code != 1 || out != "" || !strings.HasPrefix(lines[len(lines)-1], "valetkey: ") || !strings.Contains(lines[len(lines)-1], want) {
			t.Errorf("exit %d, %q, %s", code, out, failed)
		}
	}
	deny := func(t *testing.T, b *harness.Browser, page *harness.Page) *url.URL {
		t.Helper()
		page, err := b.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
		if err == nil {
			page, err = b.Submit(page, "consent-form", "consent-deny", nil)
		}
		if err != nil || page.Location == nil {
			t.Fatalf("%v %s", err, outcome(page))
		}
		return page.Location
	}
	t.Run("denied", func(t *testing.T) {
		s, b, page := begin(t)
		if status, body := land(t, deny(t, b, page)); status != 400 || !strings.Contains(body, "Signing in didn't work.") {
			t.Errorf("%d %s", status, body)
		}
		fails(t, s, "access_denied")
	})
	t.Run("another state", func(t *testing.T) {
		s, b, page := begin(t)
		to := deny(t, b, page)
		to.RawQuery = url.Values{"code": {"stolen"}, "state": {"made up"}, "iss": {srv.URL}}.Encode()
		if status, _ := land(t, to); status != 400 {
			t.Error(status)
		}
		fails(t, s, "state differs")
	})
	t.Run("another server", func(t *testing.T) {
		s, b, page := begin(t)
		to := deny(t, b, page)
		query := to.Query()
		query.Set("iss", "https://evil.example")
		to.RawQuery = query.Encode()
		land(t, to)
		fails(t, s, "iss")
	})
	t.Run("unknown scope", func(t *testing.T) {
		s := login(t, "", "--issuer", srv.URL, "--client-id", "cli", "--no-browser", "--scope", "audit")
		page, err := srv.Browser(t).Get(s.shown(t))
		if err != nil || page.Location == nil {
			t.Fatalf("%v %s", err, outcome(page))
		}
		land(t, page.Location)
		fails(t, s, "invalid_scope")
	})
	t.Run("stopped", func(t *testing.T) {
		s, _, _ := begin(t)
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		fails(t, s, "stopped")
	})
}

// land is the browser's last hop, to the program that waits.
func land(t *testing.T, to *url.URL) (status int, body string) {
	t.Helper()
	if !strings.HasPrefix(to.String(), "http://127.0.0.1:") || to.Path != "/callback" {
		t.Fatalf("sent to %s", to)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}

// TestLoginDevice: RFC 8628 §3: the code is entered on another device, and the
// program that polls gets its tokens.
func TestLoginDevice(t *testing.T) {
	srv := loginServer(t)
	if _, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: "tv", Metadata: oauth.Metadata{
		Name: "Television", Type: oauth.TypeNative, GrantTypes: []string{oauth.GrantDeviceCode},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, button, want string
		code               int
	}{{"allowed", "consent-allow", "access_token", 0}, {"denied", "consent-deny", "access was denied", 1}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := login(t, "", "--issuer", srv.URL, "--client-id", "tv", "--device", "--json", "--scope", "openid orgs:read")
			address, code := s.shown(t), s.shown(t)
			b := srv.Browser(t)
			page, err := b.Get(address)
			if err == nil && page.ByID("device-form") == nil {
				page, err = b.SignIn(address, "ada", harness.Password)
			}
			if err != nil {
				t.Fatal(err)
			}
			page, err = b.Submit(page, "device-form", "device-submit", url.Values{"user_code": {strings.ToLower(code)}})
			if err == nil && page.ByID("login-form") != nil {
				page, err = b.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
			}
			if err == nil {
				page, err = b.Submit(page, "consent-form", c.button, nil)
			}
			if err != nil || page.ByID("device-done") == nil {
				t.Fatalf("%v %s", err, outcome(page))
			}
			exit, out, failed := s.ended(t)
			if exit != c.code || !strings.Contains(out+failed, c.want) {
				t.Errorf("exit %d: %s%s", exit, out, failed)
			}
		})
	}
}
