//go:build linux

package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// silent accepts connections, reads what comes and never says a word.
func silent(t *testing.T) (address string, came *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	came = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			go func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String(), came
}

// deaf is an address where nobody accepts and the line is full: no handshake
// comes to its end.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	v4, _ := name.(*syscall.SockaddrInet4)
	address := "127.0.0.1:" + strconv.Itoa(v4.Port)
	for range 8 {
		c, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatalf("%s goes on accepting", address)
	return ""
}

// deafDNS has a program ask a name server that never answers; "" where no name
// server of its own can be given to it.
func deafDNS(t *testing.T, program string) string {
	t.Helper()
	const server = "127.9.9.9"
	l, err := net.ListenPacket("udp", server+":53")
	if err != nil {
		t.Logf("names are left out: %v", err)
		return ""
	}
	t.Cleanup(func() { _ = l.Close() })
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+server+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mount := "mount --bind '" + file + "' /etc/resolv.conf"
	if out, err := exec.Command("unshare", "--mount", "sh", "-c", mount).CombinedOutput(); err != nil {
		t.Logf("names are left out: %v: %s", err, out)
		return ""
	}
	return wrapped(t, `exec unshare --mount sh -c "`+mount+` && exec \"\$0\" \"\$@\"" "$0" "$@"`, program)
}

// lost is one thing that depends on somebody who doesn't answer.
type lost struct {
	what   string
	ask    func(b *harness.Browser) (*harness.Page, error)
	want   int
	within time.Duration
}

const blackHoles = `connectors:
  silent: {kind: oidc, issuer: "https://%s", client_id: x, client_secret: y, allow_private: true}
  deaf: {kind: oidc, issuer: "https://%s", client_id: x, client_secret: y, allow_private: true}
  named: {kind: oidc, issuer: "https://login.partner.example", client_id: x, client_secret: y}
  staff: {kind: ldap, url: "ldaps://%s", base: "dc=example,dc=com", allow_private: true}
  away: {kind: ldap, url: "ldaps://%s", base: "dc=away,dc=com", allow_private: true}
`

// TestBlackHoles: case 332. The mail server, the name server, another provider
// and a directory take what is sent and never answer, or don't even accept. Only
// who needs them is told so, within ten seconds; nobody else notices, and nothing
// stays behind.
func TestBlackHoles(t *testing.T) {
	t.Parallel()
	provider, _ := silent(t)
	directory, _ := silent(t)
	post, letters := silent(t)
	nobody := deaf(t)
	file := filepath.Join(t.TempDir(), "valetkey.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, blackHoles, provider, nobody, directory, nobody), 0o600); err != nil {
		t.Fatal(err)
	}
	operations, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(post)
	p := harness.NewProcess(t, harness.Binary(t), "VALETKEY_CONFIG="+file, "VALETKEY_OPS_LISTEN="+operations,
		"VALETKEY_SMTP=smtp://localhost:"+port+"?tls=none", "VALETKEY_SMTP_FROM=id@example.com")
	program := p.Binary
	names := deafDNS(t, p.Binary)
	if names != "" {
		p.Binary = names
	}
	p.Start(t)
	p.Binary = program // for the commands beside it
	target := p.Target(t)
	claims := filepath.Join(t.TempDir(), "claims.json")
	if err := os.WriteFile(claims, []byte(`{"email_verified":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p.CLI(t, harness.Password+"\n", nil, "user", "create", "--username", "bob", "--email", "bob@example.com", "--password-stdin", "--claims", claims)
	attend(t, target)

	with := func(name string) func(*harness.Browser) (*harness.Page, error) {
		return func(b *harness.Browser) (*harness.Page, error) { return b.Get("/login/with/" + name) }
	}
	password := func(name string) func(*harness.Browser) (*harness.Page, error) {
		return func(b *harness.Browser) (*harness.Page, error) {
			page, err := b.Get("/login/with/" + name)
			if err != nil {
				return page, err
			}
			return b.Submit(page, "directory-form", "", url.Values{"username": {"ada"}, "password": {harness.Password}})
		}
	}
	all := []lost{
		{"a provider that says nothing", with("silent"), http.StatusServiceUnavailable, 10 * time.Second},
		{"a provider that doesn't accept", with("deaf"), http.StatusServiceUnavailable, 10 * time.Second},
		{"a directory that says nothing", password("staff"), http.StatusServiceUnavailable, 10 * time.Second},
		{"a directory that doesn't accept", password("away"), http.StatusServiceUnavailable, 10 * time.Second},
		{"a letter", func(b *harness.Browser) (*harness.Page, error) {
			page, err := b.Get("/forgot")
			if err != nil {
				return page, err
			}
			return b.Submit(page, "forgot-form", "", url.Values{"username": {"bob"}})
		}, http.StatusOK, 2 * time.Second},
	}
	if names != "" {
		all = append(all,
			lost{"a provider by name", with("named"), http.StatusServiceUnavailable, 10 * time.Second},
			lost{"an app's document", func(b *harness.Browser) (*harness.Page, error) {
				return b.Get("/authorize?response_type=code&client_id=" + url.QueryEscape("https://apps.partner.example/client.json") + "&redirect_uri=https://apps.partner.example/cb")
			}, http.StatusBadRequest, 10 * time.Second})
	}
	target.HTTP.CloseIdleConnections()
	base := goroutines(t, operations)
	ended, most := beset(t, p, all, operations)
	beside := unharmed(t, p, target, ended)
	back := time.Now()
	for goroutines(t, operations) > base+8 {
		if time.Since(back) > 20*time.Second {
			t.Fatalf("%d goroutines, at first %d", goroutines(t, operations), base)
		}
		target.HTTP.CloseIdleConnections()
		time.Sleep(100 * time.Millisecond)
	}
	asked := len(all) * either(10, 200)
	if n := most.Load(); n > int64(base+8*asked) {
		t.Errorf("%d goroutines for %d requests", n, asked)
	}
	if letters.Load() == 0 {
		t.Error("no letter was ever tried")
	}
	t.Logf("%d goroutines, at most %d with %d requests that wait, back after %s; beside them %d flows, the slowest %s",
		base, most.Load(), asked, time.Since(back).Round(time.Millisecond), len(beside), slices.Max(beside))
}

// beset sends all at once, some times each.
func beset(t *testing.T, p *harness.Process, all []lost, operations string) (ended <-chan struct{}, most *atomic.Int64) {
	t.Helper()
	done, most := make(chan struct{}), &atomic.Int64{}
	var running sync.WaitGroup
	for _, l := range all {
		for range either(10, 200) {
			running.Go(func() {
				b := harness.NewBrowser(t, "http://"+p.Address)
				way := &http.Transport{DisableKeepAlives: true}
				b.Use(way)
				began := time.Now()
				page, err := l.ask(b)
				took := time.Since(began)
				switch {
				case err != nil:
					t.Errorf("%s: %v", l.what, err)
				case page.Status != l.want || took > l.within+either(2*time.Second, 3*time.Second):
					t.Errorf("%s: %d after %s: %s", l.what, page.Status, took, page.Text())
				}
			})
		}
	}
	go func() { running.Wait(); close(done) }()
	go func() {
		for {
			most.Store(max(most.Load(), int64(goroutines(t, operations))))
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return done, most
}

// unharmed goes on with everything else until it is over, and says how long each
// flow took.
func unharmed(t *testing.T, p *harness.Process, target *loadgen.Target, ended <-chan struct{}) (took []time.Duration) {
	t.Helper()
	for {
		began := time.Now()
		if err := across(target, target); err != nil {
			t.Errorf("somebody who needs none of it: %v", err)
			return took
		}
		took = append(took, time.Since(began))
		if len(took)%20 == 0 {
			deviceOf(t, p)
		}
		select {
		case <-ended:
			if _, err := target.Flow(context.Background()); err != nil {
				t.Error(err)
			}
			return took
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// goroutines reads what the server says of itself.
func goroutines(t *testing.T, operations string) int {
	t.Helper()
	return int(metric(t, operations, "go_goroutines"))
}

func metric(t *testing.T, operations, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + operations + "/metrics")
	if err != nil {
		t.Error(err)
		return 0
	}
	content, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(content)) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Error(err)
			}
			return n
		}
	}
	t.Errorf("no metric %s", name)
	return 0
}
