package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// kept is what a stopping server acknowledged: codes that nobody redeemed yet,
// and the last tokens of each flow.
type kept struct {
	mu     sync.Mutex
	codes  []string
	tokens []loadgen.Tokens
	failed []time.Time // when requests weren't answered
}

// work runs flows until its context is done; every second code is left for later.
func (k *kept) work(ctx context.Context, target *loadgen.Target) {
	note := func(add func()) {
		k.mu.Lock()
		defer k.mu.Unlock()
		add()
	}
	for n := 0; ctx.Err() == nil; n++ {
		code, err := target.Code(ctx)
		var tokens loadgen.Tokens
		switch {
		case err != nil:
		case n%2 == 0:
			note(func() { k.codes = append(k.codes, code) })
			continue
		default:
			tokens, err = target.Redeem(ctx, code)
		}
		if err == nil {
			if next, failed := target.Refresh(ctx, tokens.Refresh); failed == nil {
				tokens = next
			} else {
				err = failed
			}
			note(func() { k.tokens = append(k.tokens, tokens) })
		}
		if err != nil && ctx.Err() == nil {
			note(func() { k.failed = append(k.failed, time.Now()) })
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// TestStop: 338: a server that is asked to stop under load tells it at once by
// /readyz, serves on for stop-delay, then takes no new connection, answers what
// is under way and ends well; nothing that it acknowledged is lost.
func TestStop(t *testing.T) {
	const delay = 1500 * time.Millisecond
	p := newProcess(t, "VALETKEY_STOP_DELAY="+delay.String())
	p.Start(t)
	target := p.Target(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ledger kept
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() { ledger.work(ctx, target) })
	}
	time.Sleep(500 * time.Millisecond)
	if status := answer(t, p.Address, "/readyz", ""); status != http.StatusOK {
		t.Errorf("ready: %d", status)
	}
	pending := begin401(t, p.Address)
	ended := make(chan error, 1)
	stopped := time.Now()
	go func() { ended <- p.Stop() }()
	for answer(t, p.Address, "/readyz", "") != http.StatusServiceUnavailable {
		if time.Since(stopped) > time.Second {
			t.Fatalf("/readyz isn't 503 after %v", time.Since(stopped))
		}
		time.Sleep(5 * time.Millisecond)
	}
	if status, why := ask(t.Context(), p.Address, "/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(why, "stopping") {
		t.Errorf("/readyz: %d %s", status, why)
	}
	if status := answer(t, p.Address, "/healthz", ""); status != http.StatusOK {
		t.Errorf("/healthz while stopping: %d", status)
	}
	time.Sleep(delay - time.Since(stopped) - 100*time.Millisecond)
	ledger.mu.Lock()
	if len(ledger.failed) > 0 {
		t.Errorf("%d requests failed within stop-delay", len(ledger.failed))
	}
	ledger.mu.Unlock()
	for time.Since(stopped) < 5*time.Second {
		if conn, err := net.DialTimeout("tcp", p.Address, time.Second); err != nil {
			break
		} else {
			_ = conn.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
	if closed := time.Since(stopped); closed < delay || closed > delay+2*time.Second {
		t.Errorf("new connections are refused after %v", closed)
	}
	if status := pending(); status != http.StatusUnauthorized {
		t.Errorf("the request under way was answered %d", status)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10*time.Second - time.Since(stopped)):
		t.Fatal("still there after 10 s")
	}
	t.Logf("ended after %v with %d codes and %d flows acknowledged", time.Since(stopped), len(ledger.codes), len(ledger.tokens))
	cancel()
	workers.Wait()
	p.Start(t)
	ledger.settle(t, target)
}

// settle uses all that was acknowledged, at the server's next life.
func (k *kept) settle(t *testing.T, target *loadgen.Target) {
	t.Helper()
	if len(k.codes) == 0 || len(k.tokens) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	for _, code := range k.codes {
		if _, err := target.Redeem(t.Context(), code); err != nil {
			t.Errorf("an acknowledged code is lost: %v", err)
		}
	}
	for _, tokens := range k.tokens {
		if _, err := target.Refresh(t.Context(), tokens.Refresh); err != nil {
			t.Errorf("an acknowledged refresh token is lost: %v", err)
		}
	}
}

// begin401 sends a request but for the end of its body; what it returns sends
// the rest and reads the answer's status.
func begin401(t *testing.T, address string) func() int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	const body = "grant_type=client_credentials&client_id=web&client_secret=wrong"
	fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", address, len(body), body[:20])
	return func() int {
		_, _ = conn.Write([]byte(body[20:]))
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
}

// TestPanic: 337: a mistake of ours costs the one request that met it; the log
// has it with the request's id, and the metrics count it.
func TestPanic(t *testing.T) {
	p := &process{harness.NewProcess(t, harness.Binary(t, "failpoints"), "VALETKEY_FAILPOINT=before-answer:2:panic", "VALETKEY_LOG_FORMAT=json")}
	log := apart(t, p)
	srv := inhabited(t, p)
	ask := func() *harness.Answer {
		return call(t, srv, "/token", "job:"+harness.Secret, one("grant_type", "client_credentials"))
	}
	if first := ask(); first.Status != http.StatusOK {
		t.Fatalf("%d %s", first.Status, first.Body)
	}
	var answers sync.WaitGroup
	statuses := make(chan *harness.Answer, 8)
	for range 8 {
		answers.Go(func() {
			a, err := srv.Call("/token", "job:"+harness.Secret, url.Values{"grant_type": {"client_credentials"}})
			if err != nil {
				t.Error(err)
				return
			}
			statuses <- a
		})
	}
	answers.Wait()
	close(statuses)
	var hit *harness.Answer
	for a := range statuses {
		if a.Status == http.StatusInternalServerError {
			if hit != nil {
				t.Error("two were hit")
			}
			hit = a
		} else if a.Status != http.StatusOK {
			t.Errorf("another got %d", a.Status)
		}
	}
	if hit == nil || hit.Body != "500 internal server error\n" || hit.Header.Get("X-Request-Id") == "" {
		t.Fatalf("%+v", hit)
	}
	got := lookAt(t, p.Address)
	if got["valetkey_http_panics_total"] != 1 || got["valetkey_http_requests_total{method=POST,route=/token,status=5xx}"] != 1 || got["valetkey_http_requests_in_flight"] != 1 {
		t.Errorf("panics %v, 5xx %v, in flight %v", got["valetkey_http_panics_total"], got["valetkey_http_requests_total{method=POST,route=/token,status=5xx}"], got["valetkey_http_requests_in_flight"])
	}
	if err := p.Cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process is gone: %v", err)
	}
	for line := range strings.Lines(string(log.bytes())) {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if said["msg"] == "panic" && said["request"] == hit.Header.Get("X-Request-Id") && strings.Contains(fmt.Sprint(said["stack"]), "internal/endpoint") {
			return
		}
	}
	t.Errorf("the log doesn't say it: %s", log.bytes())
}
