package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/cluster"
	"github.com/valetkey/valetkey/test/harness"
)

const (
	user     = "ada"
	other    = "bob" // who signs in and has no apps yet
	password = "correct horse battery"
	callback = "https://app.example/cb"
)

// house is what is under load: a database and the nodes on it.
type house struct {
	setting

	dir, url    string
	environment []string
	nodes       []*node
	postgres    *cluster.Cluster
	meter       loadgen.Meter
	targets     map[string]*loadgen.Target // by client
	ready       time.Duration
}

type node struct {
	address, ops string
	more         []string // arguments
	command      *exec.Cmd
}

func build(ctx context.Context) (binary string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "valetkey-bench-*")
	if err != nil {
		return "", nil, err
	}
	binary = filepath.Join(dir, "valetkey")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/valetkey").CombinedOutput()
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("build: %w: %s", err, out), os.RemoveAll(dir))
	}
	return binary, func() { _ = os.RemoveAll(dir) }, nil
}

// open fills a fresh database and starts its nodes.
func open(ctx context.Context, o options, s setting) (_ *house, err error) {
	h := &house{setting: s, targets: map[string]*loadgen.Target{}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.dir, err = os.MkdirTemp("", "valetkey-bench-*"); err != nil {
		return nil, err
	}
	database, err := h.database()
	if err != nil {
		return nil, err
	}
	for range max(o.nodes, 1) {
		address, err := free()
		if err != nil {
			return nil, err
		}
		ops, err := free()
		if err != nil {
			return nil, err
		}
		n := &node{address: address, ops: ops, more: []string{"--ops-listen", ops}}
		if o.profile != "" {
			n.more = append(n.more, "--profiling", "on")
		}
		h.nodes = append(h.nodes, n)
	}
	scheme := map[bool]string{false: "http", true: "https"}[o.tls]
	h.url = scheme + "://" + h.nodes[0].address
	h.environment = append(os.Environ(), "VALETKEY_DATA_DIR="+filepath.Join(h.dir, "data"), "VALETKEY_ISSUER="+h.url,
		"VALETKEY_DATABASE="+database, "VALETKEY_THROTTLE=off", "VALETKEY_MASTER_SECRET_FILE="+filepath.Join(h.dir, "master-secret"))
	made, err := exec.CommandContext(ctx, h.binary, "secret").Output()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(h.dir, "master-secret"), made, 0o600); err != nil {
		return nil, err
	}
	if err := h.cli(ctx, "", nil, "migrate"); err != nil {
		return nil, err
	}
	if o.partitions > 0 {
		if err := loadgen.Partition(ctx, database, o.partitions); err != nil {
			return nil, err
		}
	}
	if err := loadgen.Fill(ctx, database, s.rows, o.sweep, time.Now()); err != nil {
		return nil, err
	}
	roots, err := h.certificate(o.tls)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for _, n := range h.nodes {
		if err := h.start(ctx, n, roots); err != nil {
			return nil, err
		}
	}
	h.ready = time.Since(began)
	return h, h.prepare(ctx, roots)
}

// database is a fresh one of the kind that was asked for.
func (h *house) database() (string, error) {
	switch h.setting.database {
	case "sqlite":
		if err := os.Mkdir(filepath.Join(h.dir, "data"), 0o700); err != nil {
			return "", err
		}
		return "sqlite:" + filepath.Join(h.dir, "data", "valetkey.db"), nil
	case "postgres":
		c, err := cluster.New()
		if err != nil {
			return "", err
		}
		h.postgres, h.meter.Database = c, c.CPU
		return c.URL("bench"), c.Exec("CREATE DATABASE bench")
	}
	return h.setting.database, nil
}

func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// certificate makes the nodes' and returns whom to trust.
func (h *house) certificate(wanted bool) (*x509.CertPool, error) {
	if !wanted {
		return nil, nil
	}
	authority, err := harness.TestAuthority()
	if err != nil {
		return nil, err
	}
	pair, err := authority.Server()
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	cert, private := filepath.Join(h.dir, "cert.pem"), filepath.Join(h.dir, "key.pem")
	h.environment = append(h.environment, "VALETKEY_TLS_CERT="+cert, "VALETKEY_TLS_KEY="+private)
	return authority.Pool, errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600),
		os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}

func (h *house) start(ctx context.Context, n *node, roots *x509.CertPool) error {
	log, err := os.OpenFile(filepath.Join(h.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n.command = exec.CommandContext(ctx, h.binary, append([]string{"serve", "--listen", n.address}, n.more...)...)
	n.command.Env, n.command.Stderr = h.environment, log
	if err := n.command.Start(); err != nil {
		return err
	}
	h.meter.Servers = append(h.meter.Servers, n.command.Process.Pid)
	client := h.client(roots, n)
	for range 2000 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/.well-known/openid-configuration", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			return resp.Body.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
	said, _ := os.ReadFile(filepath.Join(h.dir, "log"))
	return fmt.Errorf("the server didn't start: %s", said)
}

// client opens its connections to the nodes in turn.
func (h *house) client(roots *x509.CertPool, nodes ...*node) *http.Client {
	var turn atomic.Int64
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 1024, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", nodes[int(turn.Add(1))%len(nodes)].address)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (h *house) close() {
	for _, n := range h.nodes {
		if n.command != nil && n.command.Process != nil {
			_ = n.command.Process.Signal(os.Interrupt)
			_ = n.command.Wait()
		}
	}
	if h.postgres != nil {
		_ = h.postgres.Remove()
	}
	_ = os.RemoveAll(h.dir)
}

// cli runs one of the binary's commands beside the server.
func (h *house) cli(ctx context.Context, stdin string, into any, args ...string) error {
	cmd := exec.CommandContext(ctx, h.binary, args...)
	cmd.Env, cmd.Stdin = h.environment, strings.NewReader(stdin)
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

// apps are who asks for tokens, by what their answers are made of.
var apps = map[string][]string{
	"jwt":    nil,
	"opaque": {"--token-format", "opaque"},
	"rs256":  nil,
	"es256":  nil,
}

// prepare makes a user and the apps, signs in and lets them act.
func (h *house) prepare(ctx context.Context, roots *x509.CertPool) error {
	for _, name := range []string{user, other} {
		if err := h.cli(ctx, password+"\n", nil, "user", "create", "--username", name, "--password-stdin"); err != nil {
			return err
		}
	}
	if err := h.cli(ctx, "", nil, "scope", "create", "orgs:read", "--title", "See your organizations"); err != nil {
		return err
	}
	metadata := filepath.Join(h.dir, "es256.json")
	if err := os.WriteFile(metadata, []byte(`{"id_token_signed_response_alg":"ES256"}`), 0o600); err != nil {
		return err
	}
	made := map[string]string{}
	for id, more := range apps {
		var answer struct {
			Secret string `json:"client_secret"`
		}
		args := append([]string{
			"client", "create", "--name", "Bench " + id, "--id", id, "--redirect-uri", callback,
			"--grant", "authorization_code", "--grant", "refresh_token", "--grant", "client_credentials", "--json",
		}, more...)
		if id == "es256" {
			args = append(args, "--metadata", metadata)
		}
		if err := h.cli(ctx, "", &answer, args...); err != nil {
			return err
		}
		made[id] = answer.Secret
	}
	time.Sleep(1200 * time.Millisecond) // until the servers have seen what the commands made
	client := h.client(roots, h.nodes...)
	browser, err := harness.OpenBrowser(h.url)
	if err != nil {
		return err
	}
	browser.Use(client.Transport)
	for id, secret := range made {
		scope := map[bool]string{true: "openid orgs:read", false: "orgs:read"}[strings.HasSuffix(id, "256")]
		page, err := browser.SignIn("/authorize?"+url.Values{
			"response_type": {"code"}, "client_id": {id}, "redirect_uri": {callback}, "scope": {scope}, "nonce": {"n"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		}.Encode(), user, password)
		if err != nil || page.Location == nil {
			return fmt.Errorf("sign-in: %w", err)
		}
		h.targets[id] = &loadgen.Target{URL: h.url, Callback: callback, Scope: scope, HTTP: client, Client: id, Secret: secret}
	}
	for _, t := range h.targets {
		t.Cookies = browser.Cookies()
	}
	return nil
}
