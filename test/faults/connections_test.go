//go:build linux

package faults

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// secured is a server that speaks TLS, with a client that needs no browser.
func secured(t *testing.T, p *harness.Process) (*loadgen.Target, *tls.Config) {
	t.Helper()
	authority, err := harness.TestAuthority()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Server()
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, private := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600),
		os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)); err != nil {
		t.Fatal(err)
	}
	p.Environment = append(p.Environment, "VALETKEY_TLS_CERT="+cert, "VALETKEY_TLS_KEY="+private, "VALETKEY_ISSUER=https://"+p.Address)
	var app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	p.CLI(t, "", &app, "client", "create", "--name", "Job", "--id", "job", "--type", "service", "--json")
	p.Start(t)
	config := &tls.Config{RootCAs: authority.Pool, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	return &loadgen.Target{
		URL: "https://" + p.Address, Client: app.ID, Secret: app.Secret,
		HTTP: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: config}},
	}, config
}

// ask sends a request on a connection that stays open, and reads the answer.
func ask(c net.Conn, host string) error {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// crowd opens connections, of which each has been answered once and is idle.
func crowd(t *testing.T, address string, config *tls.Config, size int) []net.Conn {
	t.Helper()
	all := make([]net.Conn, size)
	t.Cleanup(func() {
		for _, c := range all {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	var next atomic.Int64
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= size || t.Failed() {
					return
				}
				c, err := tls.Dial("tcp", address, config)
				if err == nil {
					all[i] = c
					err = ask(c, address)
				}
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	running.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// p99 is how long a token takes that is asked for on a connection of its own,
// in the best of three rounds: the machine has others to serve.
func p99(t *testing.T, target *loadgen.Target, rounds int) time.Duration {
	t.Helper()
	best := time.Hour
	for range 3 {
		took := make([]time.Duration, rounds)
		for i := range took {
			target.HTTP.CloseIdleConnections()
			began := time.Now()
			if _, err := target.Token(context.Background(), url.Values{"grant_type": {"client_credentials"}}); err != nil {
				t.Fatal(err)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		best = min(best, took[rounds*99/100])
	}
	return best
}

// TestIdleConnections: case 330 and 3.6. Ten thousand idle TLS connections cost
// 450 MiB at most; neither they nor a thousand that are slow with their headers
// keep anybody waiting.
func TestIdleConnections(t *testing.T) {
	p := harness.NewProcess(t, harness.Binary(t))
	target, config := secured(t, p)
	pid := p.Cmd.Process.Pid
	if soft, hard := limitOf(t, pid); soft != hard {
		t.Errorf("the server may have %s files open, and up to %s", soft, hard)
	}
	p99(t, target, 20) // it is warm
	base, err := loadgen.Memory(pid)
	if err != nil {
		t.Fatal(err)
	}
	size := either(2000, 10_000)
	if own := openFiles(t); size > own-500 {
		t.Logf("%d connections instead of %d: no more files may be open", own-500, size)
		size = own - 500
	}
	began := time.Now()
	all := crowd(t, p.Address, config, size)
	took := time.Since(began)
	full, err := loadgen.Memory(pid)
	if err != nil {
		t.Fatal(err)
	}
	slow := slowHeaders(t, p.Address, config, size/10)
	wait := p99(t, target, 100)
	slow.Wait()
	t.Logf("%d connections in %s: %.0f MiB before, %.0f with them (%.0f KiB each), a new one's token within %s beside %d more that are slow with their headers",
		size, took, base, full, (full-base)*1024/float64(size), wait, size/10)
	// In the short form what the handshakes left behind isn't collected yet.
	if most := either(base+40+450*float64(size)/10_000, 450); full > most {
		t.Errorf("%.0f MiB, more than %.0f", full, most)
	}
	if wait > 100*time.Millisecond {
		t.Errorf("a token takes %s", wait)
	}
	for i := 0; i < size; i += size / 20 {
		if err := ask(all[i], p.Address); err != nil {
			t.Errorf("an idle connection: %v", err)
		}
	}
}

// slowHeaders opens connections of which each begins a request and never ends it.
func slowHeaders(t *testing.T, address string, config *tls.Config, size int) *sync.WaitGroup {
	t.Helper()
	var opened, running sync.WaitGroup
	opened.Add(size)
	for range size {
		running.Go(func() {
			c, err := tls.Dial("tcp", address, config)
			opened.Done()
			if err != nil {
				t.Errorf("a slow peer: %v", err)
				return
			}
			if _, err := cut(c, "POST /token HTTP/1.1\r\nHost: "+address+"\r\nX: ", "x"); err != nil {
				t.Errorf("a slow peer: %v", err)
			}
		})
	}
	opened.Wait()
	return &running
}

func openFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(limit.Max)
}

// limitOf reads how many files a process may have open: proc(5), limits.
func limitOf(t *testing.T, pid int) (soft, hard string) {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			fields := strings.Fields(rest)
			return fields[0], fields[1]
		}
	}
	t.Fatal("no limit of open files")
	return "", ""
}

// cut says after how long the server ends a connection on which somebody writes
// a byte from time to time.
func cut(c net.Conn, begin string, drip string) (time.Duration, error) {
	defer c.Close()
	began := time.Now()
	if _, err := io.WriteString(c, begin); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.SetReadDeadline(began.Add(90 * time.Second))
		_, _ = io.Copy(io.Discard, c) // an answer may come first
	}()
	for {
		select {
		case <-ended:
			return time.Since(began), nil
		case <-time.After(200 * time.Millisecond):
			if drip != "" {
				_, _ = io.WriteString(c, drip)
			}
		}
	}
}

// TestSlowPeers: case 329 and 3.6. Whoever is slow with a request is left after
// the time that it may take, and meanwhile nobody else waits.
func TestSlowPeers(t *testing.T) {
	t.Parallel()
	p := harness.NewProcess(t, harness.Binary(t))
	target, config := secured(t, p)
	quiet := p99(t, target, 50)
	dial := func() (net.Conn, error) { return tls.Dial("tcp", p.Address, config) }
	bare := func() (net.Conn, error) { return net.Dial("tcp", p.Address) }
	host := "Host: " + p.Address + "\r\n"
	var running sync.WaitGroup
	for _, slow := range []struct {
		what        string
		count       int
		dial        func() (net.Conn, error)
		begin, drip string
		within      time.Duration
	}{
		{"handshake", either(20, 300), bare, "", "", 5 * time.Second},
		{"headers", either(20, 700), dial, "POST /token HTTP/1.1\r\n" + host + "X: ", "x", 5 * time.Second},
		{"body", either(20, 300), dial, "POST /token HTTP/1.1\r\n" + host + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n", "x", 10 * time.Second},
		{"keep-alive", either(0, 50), dial, "GET /healthz HTTP/1.1\r\n" + host + "\r\n", "", time.Minute},
	} {
		for range slow.count {
			running.Go(func() {
				c, err := slow.dial()
				if err != nil {
					t.Errorf("%s: %v", slow.what, err)
					return
				}
				took, err := cut(c, slow.begin, slow.drip)
				if err != nil || took < slow.within-time.Second || took > slow.within+3*time.Second {
					t.Errorf("%s: ended after %s, %v", slow.what, took, err)
				}
			})
		}
	}
	beside := p99(t, target, 50)
	t.Logf("a token within %s, and %s beside the slow", quiet, beside)
	if beside > max(2*quiet, either(250*time.Millisecond, 100*time.Millisecond)) { // short forms run side by side
		t.Errorf("a token takes %s beside the slow, else %s", beside, quiet)
	}
	running.Wait()
}

// TestUnreadAnswers: case 329. Whoever asks and asks and reads no answer is left
// after ten seconds. It is the server's files that tell: a client whose window
// is shut doesn't hear of it.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	p := harness.NewProcess(t, harness.Binary(t))
	target, config := secured(t, p)
	p99(t, target, 20)
	target.HTTP.CloseIdleConnections()
	time.Sleep(time.Second)
	size := either(6, 50)
	before := socketsOf(t, p.Cmd.Process.Pid)
	began := time.Now()
	for i := range 2 * size {
		unread(t, p.Address, config, i%2 == 0)
	}
	all := time.Now()
	time.Sleep(time.Until(began.Add(8 * time.Second)))
	if held := socketsOf(t, p.Cmd.Process.Pid) - before; held < 2*size {
		t.Errorf("%d of %d are left before their time", 2*size-held, 2*size)
	}
	for socketsOf(t, p.Cmd.Process.Pid) > before {
		if time.Since(all) > 20*time.Second { // a server without patience holds them for forty
			t.Fatalf("%d of %d are still held", socketsOf(t, p.Cmd.Process.Pid)-before, 2*size)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d were left after %s", 2*size, time.Since(all).Round(100*time.Millisecond))
}

// unread asks for more than the kernels on the way hold, by HTTP/2 or 1.1, and
// reads nothing of it.
func unread(t *testing.T, address string, config *tls.Config, two bool) {
	t.Helper()
	const path = "/there-is-no-such-page"
	if two {
		s := openStreams(t, address, config)
		for range 100 {
			if _, err := s.begin("GET", path, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.out.Flush(); err != nil {
			t.Fatal(err)
		}
		return
	}
	c, err := dialSmall(address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: "+address+"\r\n\r\n", 100)); err != nil {
		t.Fatal(err)
	}
}

// dialSmall connects by a socket that holds little.
func dialSmall(address string, config *tls.Config) (*tls.Conn, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address)
	config = config.Clone()
	config.ServerName = host
	secure := tls.Client(c, config)
	return secure, errors.Join(c.(*net.TCPConn).SetReadBuffer(16<<10), secure.Handshake())
}

func socketsOf(t *testing.T, pid int) (n int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range open {
		if to, _ := os.Readlink(filepath.Join(dir, file.Name())); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// TestNoFilesLeft: case 330. A server that may open no more files goes on with
// the connections it has, and accepts again as soon as it can.
func TestNoFilesLeft(t *testing.T) {
	t.Parallel()
	p := harness.NewProcess(t, harness.Binary(t))
	p.Binary = wrapped(t, `ulimit -n 64; exec "$0" "$@"`, p.Binary)
	p.Start(t)
	target := p.Target(t)
	attend(t, target)
	ctx := context.Background()
	var warm sync.WaitGroup
	for range 8 { // what the database needs is open
		warm.Go(func() {
			if _, err := target.Flow(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	warm.Wait()
	tokens, err := target.Flow(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range either(3, 30) {
		var all []net.Conn
		for range 150 {
			c, err := net.Dial("tcp", p.Address)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		exhausted(t, p.Cmd.Process.Pid)
		for range 20 {
			if err := target.Introspect(ctx, tokens.Access); err != nil {
				t.Errorf("a connection that was open: %v", err)
			}
			if tokens, err = target.Refresh(ctx, tokens.Refresh); err != nil {
				t.Fatalf("a connection that was open: %v", err)
			}
		}
		for _, c := range all {
			_ = c.Close()
		}
		began := time.Now()
		if !p.Ready(5 * time.Second) {
			t.Fatal("no connection is accepted")
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the first connection was accepted after %s", took)
		}
	}
	if !strings.Contains(p.Out.String(), "too many open files") {
		t.Error("there was room for all")
	}
}

// exhausted waits until a process has all its files open.
func exhausted(t *testing.T, pid int) {
	t.Helper()
	for range 200 {
		if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil && len(open) >= 64 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("there are files left")
}
