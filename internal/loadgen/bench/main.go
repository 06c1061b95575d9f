// Command bench starts a server of its own, loads it, and prints what each
// operation cost, beside an RSA-2048 signature timed in the same run.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

func main() {
	count := flag.Int("n", 12000, "operations of each kind")
	connections := flag.Int("c", 64, "connections")
	database := flag.String("database", "", "sqlite:PATH or postgres://…; default SQLite in a temporary folder")
	check := flag.Bool("check", false, "fail when a number is above its limit")
	flag.Parse()
	if err := run(context.Background(), *count, *connections, *database, *check); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

const (
	user     = "ada"
	password = "correct horse battery"
	callback = "https://app.example/cb"
)

// limits in RSA-2048 signatures; on the machine they were set on such a
// signature takes 1.6 ms.
var limits = map[string]float64{"code flow": 0.25, "refresh": 0.19, "introspection, opaque": 0.075}

// server is the process under load.
type server struct {
	binary, dir, address string
	environment          []string
	command              *exec.Cmd
	ready                time.Duration
}

func run(ctx context.Context, count, connections int, database string, check bool) error {
	dir, err := os.MkdirTemp("", "valetkey-bench-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := build(ctx, dir, database)
	if err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.stop()
	target, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	results, err := measure(ctx, target, count, connections)
	if err != nil {
		return err
	}
	return report(s, target, results, check)
}

func build(ctx context.Context, dir, database string) (*server, error) {
	s := &server{binary: filepath.Join(dir, "valetkey"), dir: dir, address: "127.0.0.1:18080"}
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", s.binary, "./cmd/valetkey").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	s.environment = append(os.Environ(), "VALETKEY_DATA_DIR="+filepath.Join(dir, "data"), "VALETKEY_LISTEN="+s.address,
		"VALETKEY_ISSUER=http://"+s.address, "VALETKEY_THROTTLE=off")
	if database != "" {
		s.environment = append(s.environment, "VALETKEY_DATABASE="+database)
	}
	return s, nil
}

// start measures the time to the first answer of a server on a fresh database.
func (s *server) start(ctx context.Context) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	s.command = exec.CommandContext(ctx, s.binary, "serve")
	s.command.Env, s.command.Stderr = s.environment, log
	began := time.Now()
	if err := s.command.Start(); err != nil {
		return err
	}
	for time.Since(began) < 10*time.Second {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/.well-known/openid-configuration", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			s.ready = time.Since(began)
			return resp.Body.Close()
		}
		time.Sleep(2 * time.Millisecond)
	}
	return errors.New("the server didn't start")
}

func (s *server) stop() {
	_ = s.command.Process.Signal(os.Interrupt)
	_ = s.command.Wait()
}

// cli runs one of the binary's commands beside the server.
func (s *server) cli(ctx context.Context, stdin string, into any, args ...string) error {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Env, cmd.Stdin = s.environment, strings.NewReader(stdin)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, failed.String())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out, into)
}

// prepare makes a user and two apps, signs in and lets both act.
func (s *server) prepare(ctx context.Context) (*loadgen.Target, error) {
	if err := s.cli(ctx, password+"\n", nil, "user", "create", "--username", user, "--password-stdin"); err != nil {
		return nil, err
	}
	if err := s.cli(ctx, "", nil, "scope", "create", "orgs:read", "--title", "See your organizations"); err != nil {
		return nil, err
	}
	target := &loadgen.Target{
		URL: "http://" + s.address, PID: s.command.Process.Pid, Callback: callback, Scope: "orgs:read",
		HTTP: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	time.Sleep(time.Second) // until the server has seen what the commands made
	browser, err := harness.OpenBrowser(target.URL)
	if err != nil {
		return nil, err
	}
	for _, format := range []string{"jwt", "opaque"} {
		var made struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		err := s.cli(ctx, "", &made, "client", "create", "--name", "Bench "+format, "--id", format, "--redirect-uri", callback,
			"--grant", "authorization_code", "--grant", "refresh_token", "--grant", "client_credentials", "--token-format", format, "--json")
		if err != nil {
			return nil, err
		}
		page, err := browser.SignIn("/authorize?"+url.Values{
			"response_type": {"code"}, "client_id": {format}, "redirect_uri": {callback}, "scope": {"orgs:read"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		}.Encode(), user, password)
		if err != nil || page.Location == nil {
			return nil, fmt.Errorf("sign-in: %w", err)
		}
		if format == "jwt" {
			target.Client, target.Secret = made.ID, made.Secret
		} else {
			opaqueSecret = made.Secret
		}
	}
	target.Cookies = browser.Cookies()
	return target, nil
}

var opaqueSecret string

func measure(ctx context.Context, t *loadgen.Target, count, connections int) ([]loadgen.Result, error) {
	signature, err := loadgen.Signature()
	if err != nil {
		return nil, err
	}
	opaque := *t
	opaque.Client, opaque.Secret = "opaque", opaqueSecret
	sample, err := opaque.Flow(ctx)
	if err != nil {
		return nil, err
	}
	// A token of its own for each connection: one is rotated by one at a time.
	refresh := make([]string, connections)
	for i := range refresh {
		tokens, err := t.Flow(ctx)
		if err != nil {
			return nil, err
		}
		refresh[i] = tokens.Refresh
	}
	var results []loadgen.Result
	for _, op := range []struct {
		name string
		do   func(context.Context, int) error
	}{
		{"warm-up", func(ctx context.Context, _ int) error { _, err := t.Flow(ctx); return err }},
		{"code flow", func(ctx context.Context, _ int) error { _, err := t.Flow(ctx); return err }},
		{"refresh", func(ctx context.Context, i int) error {
			tokens, err := t.Refresh(ctx, refresh[i%connections])
			refresh[i%connections] = tokens.Refresh
			return err
		}},
		{"client_credentials", func(ctx context.Context, _ int) error {
			_, err := t.Token(ctx, url.Values{"grant_type": {"client_credentials"}, "scope": {"orgs:read"}})
			return err
		}},
		{"introspection, opaque", func(ctx context.Context, _ int) error { return opaque.Introspect(ctx, sample.Access) }},
	} {
		result, err := t.Run(ctx, op.name, count, connections, op.do)
		if err != nil {
			return nil, err
		}
		result.Signatures = float64(result.CPU) / float64(signature)
		if op.name != "warm-up" {
			results = append(results, result)
		}
	}
	return results, nil
}

func report(s *server, t *loadgen.Target, results []loadgen.Result, check bool) error {
	memory, err := loadgen.Memory(t.PID)
	if err != nil {
		return err
	}
	info, err := os.Stat(s.binary)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(w, "first answer after %s, %.0f MiB resident after the load, binary %.1f MB\n\n", s.ready.Round(time.Millisecond), memory, float64(info.Size())/1e6)
	fmt.Fprintf(w, "%-24s %12s %12s %10s %10s %10s %10s\n", "operation", "CPU/op", "signatures", "ops/s", "p50", "p95", "p99")
	var above []string
	for _, r := range results {
		fmt.Fprintf(w, "%-24s %12s %12.3f %10.0f %10s %10s %10s\n", r.Name, r.CPU.Round(time.Microsecond), r.Signatures,
			float64(r.Count)/r.Elapsed.Seconds(), r.Quantile(.5).Round(10*time.Microsecond), r.Quantile(.95).Round(10*time.Microsecond), r.Quantile(.99).Round(10*time.Microsecond))
		if limit, ok := limits[r.Name]; ok && r.Signatures > limit {
			above = append(above, fmt.Sprintf("%s takes %.3f signatures, more than %.3f", r.Name, r.Signatures, limit))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if check && len(above) > 0 {
		return errors.New(strings.Join(above, "; "))
	}
	return nil
}
