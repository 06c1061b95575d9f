package test

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/harness"
)

// try runs a command that may fail and returns its exit code and output.
func (p *process) try(t testing.TB, stdin string, args ...string) (code int, out, failed string) {
	t.Helper()
	cmd := exec.Command(p.Binary, args...)
	cmd.Env, cmd.Stdin = p.Environment, strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// TestCLI: CONTRACT §1: users, apps, scopes, resources and keys, beside a
// running server, which follows within a second.
func TestCLI(t *testing.T) {
	p := newProcess(t)
	p.Start(t)
	claims := filepath.Join(t.TempDir(), "claims.json")
	if err := os.WriteFile(claims, []byte(`{"given_name":"Ada","email_verified":true,"address":{"country":"UK"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var user map[string]any
	p.CLI(t, harness.Password+"\n", &user, "user", "create", "--username", "ada", "--email", "ada@example.com", "--name", "Ada Lovelace", "--password-stdin", "--claims", claims, "--json")
	if user["username"] != "ada" || user["email_verified"] != true || user["sub"] == "" {
		t.Errorf("user create: %v", user)
	}
	if code, _, failed := p.try(t, "x\n", "user", "create", "--username", "ADA ", "--password-stdin"); code != 1 || failed == "" {
		t.Errorf("a taken name or short password: %d %s", code, failed)
	}
	var users []map[string]any
	p.CLI(t, "", &users, "user", "list", "--json")
	if len(users) != 1 {
		t.Errorf("user list: %v", users)
	}
	p.CLI(t, "", nil, "scope", "create", "orgs:read", "--title", "See your organizations", "--resource", "https://api.example")
	p.CLI(t, "", nil, "resource", "create", "https://api.example", "--name", "API", "--client", "api")

	metadata := filepath.Join(t.TempDir(), "app.json")
	if err := os.WriteFile(metadata, []byte(`{"client_name":"From a file","redirect_uris":["https://file.example/cb"],"token_endpoint_auth_method":"client_secret_post","software_statement":"ignored"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var app map[string]any
	p.CLI(t, "", &app, "client", "create", "--metadata", metadata, "--name", "Saleswave", "--id", "web", "--redirect-uri", harness.Callback, "--json")
	if app["client_id"] != "web" || app["client_name"] != "Saleswave" || app["token_endpoint_auth_method"] != "client_secret_post" || app["client_secret"] == "" ||
		app["client_secret_expires_at"] != 0.0 || app["profile"] != "oauth21" {
		t.Errorf("client create: %v", app)
	}
	var chosen map[string]any
	p.CLI(t, "a chosen secret\n", &chosen, "client", "create", "--name", "Chosen", "--type", "service", "--scope", "orgs:read", "--secret-stdin", "--json")
	for _, bad := range [][]string{
		{"client", "create", "--name", "X", "--redirect-uri", "http://app.example/cb"},
		{"client", "create", "--name", "X", "--redirect-uri", "https://app.example/*"},
		{"client", "create", "--name", "X"},
		{"client", "show", "nobody"},
		{"user", "show", "nobody"},
	} {
		if code, out, failed := p.try(t, "", bad...); code != 1 || out != "" || strings.Count(failed, "\n") != 1 {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", bad, code, out, failed)
		}
	}
	for _, bad := range [][]string{{"client"}, {"client", "create", "--nonsense"}, {"user", "create"}, {"--listen", "x", "user", "list"}} {
		if code, _, failed := p.try(t, "", bad...); code != 2 || failed == "" {
			t.Errorf("usage %v: exit %d, %q", bad, code, failed)
		}
	}

	// The running server knows them.
	time.Sleep(time.Second)
	b := harness.NewBrowser(t, "http://"+p.Address)
	page, err := b.SignIn("/authorize?"+request(url.Values{"scope": {"openid orgs:read"}}).Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil || page.Location.Query().Get("code") == "" {
		t.Fatalf("%v %s", err, outcome(page))
	}
	var changed map[string]any
	p.CLI(t, "", &changed, "client", "update", "web", "--redirect-uri", "https://app.example/new", "--json")
	if uris, _ := changed["redirect_uris"].([]any); len(uris) != 1 || uris[0] != "https://app.example/new" || changed["client_secret"] != nil {
		t.Errorf("client update: %v", changed)
	}
	time.Sleep(time.Second)
	if page, err := b.Hop("GET", "/authorize?"+request(nil).Encode(), nil); err != nil || !strings.HasPrefix(outcome(page), "PAGE400") {
		t.Errorf("the old address: %v %s", err, outcome(page))
	}
	var rotated map[string]any
	p.CLI(t, "", &rotated, "client", "rotate-secret", "web", "--json")
	if rotated["client_secret"] == app["client_secret"] || rotated["client_secret"] == nil {
		t.Errorf("rotate-secret: %v", rotated)
	}
	p.CLI(t, "", nil, "user", "disable", "ada")
	if page, err := b.Get("/account"); err != nil || page.URL.Path != "/login" {
		t.Errorf("a disabled user: %v %s", err, page.URL)
	}
	p.CLI(t, "", nil, "user", "enable", "ada")
	p.CLI(t, "another password\n", nil, "user", "set-password", "ada", "--password-stdin")
	if page, err := b.SignIn("/login", "ada", "another password"); err != nil || page.URL.Path != "/account" {
		t.Errorf("the new password: %v %s", err, page.URL)
	}
	p.CLI(t, "", nil, "client", "delete", "web")
	if code, _, _ := p.try(t, "", "client", "create", "--name", "Again", "--id", "web", "--redirect-uri", harness.Callback); code != 1 {
		t.Error("174: the id of a deleted client was given out again")
	}
	p.CLI(t, "", nil, "user", "delete", "ada")

	var keys []map[string]any
	p.CLI(t, "", &keys, "key", "list", "--json")
	p.CLI(t, "", &keys, "key", "rotate", "--json")
	states := map[any]int{}
	for _, k := range keys {
		if k["alg"] == "ES256" {
			states[k["state"]]++
		}
	}
	if states["signing"] != 1 || states["published"] != 1 {
		t.Errorf("key rotate: %v", keys)
	}
}

// TestSetup: 309: the link makes one administrator, once; a restart shows none.
func TestSetup(t *testing.T) {
	p := newProcess(t)
	p.Start(t)
	time.Sleep(100 * time.Millisecond)
	link := regexp.MustCompile(`http://\S+/setup\?token=\S+`).FindString(p.Out.String())
	if link == "" {
		t.Fatalf("no link: %s", p.Out)
	}
	b := harness.NewBrowser(t, "http://"+p.Address)
	page, err := b.Get(link)
	if err != nil || page.Status != 200 {
		t.Fatalf("%v %d", err, page.Status)
	}
	id := regexp.MustCompile(`<form[^>]* id="([^"]+)"`).FindStringSubmatch(page.Body)
	if id == nil {
		t.Fatalf("no form: %s", page.Body)
	}
	fields := url.Values{"username": {"root"}, "email": {"root@example.com"}, "name": {"Root"}, "password": {harness.Password}}
	done, err := b.Submit(page, id[1], "", fields)
	if err != nil || !strings.HasPrefix(done.URL.Path, "/account") {
		t.Fatalf("%v %s %s", err, done.URL, done.Text())
	}
	again := harness.NewBrowser(t, "http://"+p.Address)
	if page, err = again.Get(link); err == nil && page.ByID(id[1]) != nil {
		fields.Set("username", "second")
		page, err = again.Submit(page, id[1], "", fields)
	}
	if err != nil || page.Status < 400 {
		t.Errorf("the link worked twice: %v %d", err, page.Status)
	}
	var users []map[string]any
	p.CLI(t, "", &users, "user", "list", "--json")
	if len(users) != 1 || users[0]["admin"] != true {
		t.Errorf("users: %v", users)
	}
	p.Kill()
	p.Start(t)
	time.Sleep(100 * time.Millisecond)
	if strings.Contains(p.Out.String(), "/setup?token=") {
		t.Error("a link although there is an administrator")
	}
	// 310: the last administrator stays.
	if code, _, failed := p.try(t, "", "user", "delete", "root"); code != 1 || !strings.Contains(failed, "last administrator") {
		t.Errorf("310: %d %s", code, failed)
	}
}
