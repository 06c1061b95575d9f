package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
)

// binaries are made once for all tests of a package, by their build tags.
var binaries struct {
	mu   sync.Mutex
	made map[string]string
}

// Binary is the real binary, built with these tags.
func Binary(t testing.TB, tags ...string) string {
	t.Helper()
	binaries.mu.Lock()
	defer binaries.mu.Unlock()
	key := strings.Join(tags, ",")
	if path, ok := binaries.made[key]; ok {
		return path
	}
	path, err := build(key)
	if err != nil {
		t.Fatal(err)
	}
	if binaries.made == nil {
		binaries.made = map[string]string{}
	}
	binaries.made[key] = path
	return path
}

func build(tags string) (string, error) {
	dir, err := os.MkdirTemp("", "valetkey-test-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "valetkey")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-tags="+tags, "-o", path, "github.com/valetkey/valetkey/cmd/valetkey")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
}

// Process is the binary serving a data folder of its own.
type Process struct {
	Binary, Address string
	Environment     []string
	Arguments       []string // behind serve
	Cmd             *exec.Cmd
	Out             *bytes.Buffer
}

// NewProcess prepares a server; Start runs it.
func NewProcess(t testing.TB, binary string, environment ...string) *Process {
	t.Helper()
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{Binary: binary, Address: address}
	p.Environment = append(append(os.Environ(), "VALETKEY_DATA_DIR="+filepath.Join(t.TempDir(), "data"), "VALETKEY_LISTEN="+address,
		"VALETKEY_ISSUER=http://"+address, "VALETKEY_THROTTLE=off"), environment...)
	t.Cleanup(p.Kill)
	return p
}

// Start runs the server and returns how long its first answer took.
func (p *Process) Start(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	p.Launch(t)
	if !p.Ready(10 * time.Second) {
		_ = p.Cmd.Process.Signal(syscall.SIGQUIT) // it says where its goroutines are
		_ = p.Cmd.Wait()
		t.Fatalf("the server didn't start: %s", p.Out)
	}
	return time.Since(began)
}

// Launch runs the server and doesn't wait for it.
func (p *Process) Launch(t testing.TB) {
	t.Helper()
	p.Out = &bytes.Buffer{}
	p.Cmd = exec.Command(p.Binary, append([]string{"serve"}, p.Arguments...)...)
	p.Cmd.Env, p.Cmd.Stdout, p.Cmd.Stderr = p.Environment, p.Out, p.Out
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// Ready waits for the first answer; false when none comes.
func (p *Process) Ready(patience time.Duration) bool {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		if resp, err := http.Get("http://" + p.Address + "/healthz"); err == nil {
			_ = resp.Body.Close()
			return true
		}
	}
	return false
}

// Kill ends the server as a power cut would.
func (p *Process) Kill() {
	if p.Cmd != nil && p.Cmd.Process != nil {
		_ = p.Cmd.Process.Kill()
		_ = p.Cmd.Wait()
		p.Cmd = nil
	}
}

// Stop asks the server to end, and says how it did.
func (p *Process) Stop() error {
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := p.Cmd.Wait()
	p.Cmd = nil
	return err
}

// CLI runs a command beside the server and reads its JSON.
func (p *Process) CLI(t testing.TB, stdin string, into any, args ...string) {
	t.Helper()
	cmd := exec.Command(p.Binary, args...)
	cmd.Env, cmd.Stdin = p.Environment, strings.NewReader(stdin)
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, failed.String())
	}
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
}

// Target makes a user, a scope and an app, and signs in.
func (p *Process) Target(t testing.TB) *loadgen.Target {
	t.Helper()
	p.CLI(t, Password+"\n", nil, "user", "create", "--username", "ada", "--password-stdin")
	p.CLI(t, "", nil, "scope", "create", "orgs:read", "--title", "See your organizations")
	var app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	p.CLI(t, "", &app, "client", "create", "--name", "App", "--id", "web", "--redirect-uri", Callback, "--json")
	time.Sleep(time.Second)
	browser := NewBrowser(t, "http://"+p.Address)
	page, err := browser.SignIn("/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {app.ID}, "redirect_uri": {Callback}, "scope": {"orgs:read"}, "state": {"s"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode(), "ada", Password)
	if err != nil || page.Location == nil || page.Location.Query().Get("code") == "" {
		t.Fatalf("sign-in: %v %+v", err, page)
	}
	return &loadgen.Target{
		URL: "http://" + p.Address, Client: app.ID, Secret: app.Secret, Callback: Callback, Scope: "orgs:read",
		Cookies: browser.Cookies(),
		HTTP: &http.Client{
			Timeout: 8 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Say runs a command and returns what it prints.
func (p *Process) Say(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(p.Binary, args...)
	cmd.Env = p.Environment
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}
