package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/harness"
)

// ephemeral starts `serve --ephemeral` and answers it with the time until its
// first answer.
func ephemeral(t *testing.T, arguments ...string) (*process, time.Duration) {
	t.Helper()
	p := newProcess(t)
	p.Environment = append(os.Environ(), "VALETKEY_LISTEN="+p.Address, "VALETKEY_LOG_LEVEL=warn")
	p.Arguments = append([]string{"--ephemeral"}, arguments...)
	return p, p.Start(t)
}

func (p *process) issuer() string {
	_, port, _ := strings.Cut(p.Address, ":")
	return "http://localhost:" + port
}

// asTest asks for a code as one whom headers name.
func (p *process) asTest(t *testing.T, user, consent string, more url.Values) *http.Response {
	t.Helper()
	q := url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {"http://localhost:3000/callback"}, "scope": {"openid read write offline_access"},
		"state": {"s"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	for name, values := range more {
		q[name] = values
	}
	req, err := http.NewRequest(http.MethodGet, p.issuer()+"/authorize?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Test-User": user, "X-Test-Consent": consent} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

func (p *process) token(t *testing.T, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.issuer()+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("web", "web-secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// TestEphemeral: a whole flow in two requests, the clock moved, and people who
// sign in by their password all the same.
func TestEphemeral(t *testing.T) {
	p, _ := ephemeral(t)
	to, err := p.asTest(t, "ada", "allow", nil).Location()
	if err != nil || to.Query().Get("code") == "" || to.Query().Get("state") != "s" {
		t.Fatalf("%v %v", to, err)
	}
	status, got := p.token(t, url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "code_verifier": {verifier}})
	if status != 200 || got["scope"] != "openid read write offline_access" {
		t.Fatalf("%d %v", status, got)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {fmt.Sprint(got["refresh_token"])}}
	if status, got := p.token(t, refresh); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	for _, tt := range []struct {
		user, consent string
		more          url.Values
		want          string
	}{
		{"ada", "deny", url.Values{"prompt": {"consent"}}, "302 error=access_denied"},
		{"ada", "deny", nil, "302 error=access_denied"}, // though it is remembered
		{"ada", "deny", url.Values{"prompt": {"none"}}, "302 error=access_denied"},
		{"ada", "deny", url.Values{"prompt": {"none"}, "response_mode": {"query.jwt"}}, "302 response="},
		{"ada", "allow", url.Values{"prompt": {"none"}}, "302 code="}, // and stays so
		{"grace", "", nil, "302 /consent"},
		{"nobody", "allow", nil, "400 "},
		{"ada", "perhaps", url.Values{"prompt": {"consent"}}, "400 "},
		{"", "allow", nil, "302 /login"},
		{"", "allow", url.Values{"prompt": {"none"}}, "302 error=login_required"},
	} {
		resp := p.asTest(t, tt.user, tt.consent, tt.more)
		was := fmt.Sprintf("%d ", resp.StatusCode)
		if to, err := resp.Location(); err == nil {
			was += to.String()
		}
		status, rest, _ := strings.Cut(tt.want, " ")
		if !strings.HasPrefix(was, status) || !strings.Contains(was, rest) {
			t.Errorf("%q, %q: %s, not %s", tt.user, tt.consent, was, tt.want)
		}
	}

	// The clock.
	move := func(form url.Values) (int, string) {
		resp, err := http.PostForm(p.issuer()+"/test/clock", form)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return resp.StatusCode, b.String()
	}
	code, _ := p.asTest(t, "ada", "allow", nil).Location()
	if status, text := move(url.Values{"advance": {"61s"}}); status != 200 || !strings.Contains(text, `"offset_seconds":61`) {
		t.Errorf("%d %s", status, text)
	}
	if status, got := p.token(t, url.Values{"grant_type": {"authorization_code"}, "code": {code.Query().Get("code")}, "code_verifier": {verifier}}); status != 400 || got["error"] != "invalid_grant" {
		t.Errorf("a code of 61 seconds ago: %d %v", status, got)
	}
	for _, tt := range []struct{ name, value, want string }{
		{"set", "2040-01-02T03:04:05Z", `"now":"2040-01-02T03:04:0`},
		{"reset", "true", `"offset_seconds":0`},
		{"advance", "soon", "duration"},
		{"set", "noon", "2030-01-02"},
		{"advance", "2000000h", "hundred years"},
		{"by", "1s", "advance=61s"},
	} {
		if _, text := move(url.Values{tt.name: {tt.value}}); !strings.Contains(text, tt.want) {
			t.Errorf("%s=%s: %s", tt.name, tt.value, text)
		}
	}
	page, err := harness.NewBrowser(t, p.issuer()).SignIn("/account", "grace", "nanosecond wire")
	if err != nil || page.URL.Path != "/account" {
		t.Errorf("by password: %v %s", err, outcome(page))
	}
}

// TestEphemeralSeed: forty people and twenty apps of a file, and ready in under
// 200 ms all the same.
func TestEphemeralSeed(t *testing.T) {
	var text strings.Builder
	text.WriteString("users:\n")
	for i := range 40 {
		fmt.Fprintf(&text, "  - {username: user%d, password: a secret of user %d, email: user%d@example.com}\n", i, i, i)
	}
	text.WriteString("clients:\n")
	for i := range 20 {
		fmt.Fprintf(&text, "  - {id: app%d, name: App %d, secret: secret of app %d, redirect_uris: [\"http://localhost:3000/%d\"]}\n", i, i, i, i)
	}
	text.WriteString("scopes:\n  orders: {title: See your orders}\n")
	file := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for range 4 { // other work on the machine only ever adds
		p, took := ephemeral(t, "--seed", file)
		best = min(best, took)
		to, err := p.asTest(t, "user39", "allow", url.Values{"client_id": {"app19"}, "redirect_uri": {"http://localhost:3000/19"}, "scope": {"orders"}}).Location()
		if err != nil || to.Query().Get("code") == "" {
			t.Fatalf("%v %v", to, err)
		}
		p.Kill()
	}
	t.Logf("ready after %s", best)
	if best > 200*time.Millisecond {
		t.Errorf("ready after %s", best)
	}
}

// TestEphemeralRefuses: what would let strangers in, and what can't be read.
func TestEphemeralRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(bad, []byte("users: []\nlisten: 0.0.0.0:80\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--listen", "0.0.0.0:0"}, "not on this machine"},
		{[]string{"--listen", "127.0.0.1:0", "--issuer", "https://auth.example.com"}, "loopback"},
		{[]string{"--listen", "127.0.0.1:0", "--database", "sqlite:kept.db"}, "in memory"},
		{[]string{"--listen", "127.0.0.1:0", "--seed", bad}, bad + ":2"},
		{[]string{"--listen", "127.0.0.1:0", "--seed", "/no/such/file"}, "no such file"},
	} {
		out, err := exec.Command(harness.Binary(t), append([]string{"serve", "--ephemeral"}, tt.args...)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(string(out), tt.want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %v: %s", tt.args, err, out)
		}
	}
}

// TestOthersDontBelieveHeaders: a server that isn't ephemeral takes the headers
// for nothing and has no clock to move.
func TestOthersDontBelieveHeaders(t *testing.T) {
	srv := harness.Start(t, setup("sqlite::memory:"))
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	b := srv.Browser(t)
	b.Header.Set("X-Test-User", "ada")
	b.Header.Set("X-Test-Consent", "allow")
	page, err := b.Get("/authorize?" + request(nil).Encode())
	if err != nil || page.ByID("login-form") == nil {
		t.Errorf("%v %s", err, outcome(page))
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		req, _ := http.NewRequest(method, srv.URL+"/test/clock", nil)
		if a, err := harness.Do(req); err != nil || a.Status != http.StatusNotFound && a.Status != http.StatusMethodNotAllowed && a.Status != http.StatusForbidden {
			t.Errorf("%s: %v %v", method, a, err)
		}
	}
	if _, err := valetkey.New(t.Context(), valetkey.Config{Issuer: "https://auth.example.com", Ephemeral: true}); err == nil {
		t.Error("an ephemeral server for everybody")
	}
}
