package test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/valetkey/valetkey/test/harness"
)

// told are the metrics of one look: name{label=value,…}, labels in order, to the
// value; of a histogram its count.
type told map[string]float64

// lookAt reads /metrics as Prometheus does.
func lookAt(t *testing.T, address string) told {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", resp.StatusCode, err)
	}
	all := told{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			all[name+labelsOf(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func labelsOf(m *dto.Metric) string {
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, l.GetName()+"="+l.GetValue())
	}
	if slices.Sort(labels); labels == nil {
		return ""
	}
	return "{" + strings.Join(labels, ",") + "}"
}

// apart starts a process whose log stands apart from what it prints for people.
func apart(t *testing.T, p *process) *journal {
	t.Helper()
	var log journal
	p.Out = &bytes.Buffer{}
	p.Cmd = exec.Command(p.Binary, append([]string{"serve"}, p.Arguments...)...)
	p.Cmd.Env, p.Cmd.Stdout, p.Cmd.Stderr = p.Environment, p.Out, &log
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !p.Ready(10 * time.Second) {
		t.Fatalf("the server didn't start: %s", log.bytes())
	}
	return &log
}

// inhabited makes who the tests of operations speak of: ada, the app web and the
// service job.
func inhabited(t *testing.T, p *process) *harness.Server {
	t.Helper()
	p.CLI(t, harness.Password+"\n", nil, "user", "create", "--username", "ada", "--password-stdin")
	p.CLI(t, "", nil, "scope", "create", "orgs:read", "--title", "See your organizations")
	p.CLI(t, harness.Secret+"\n", nil, "client", "create", "--name", "App", "--id", "web", "--redirect-uri", harness.Callback, "--secret-stdin")
	p.CLI(t, harness.Secret+"\n", nil, "client", "create", "--name", "Job", "--id", "job", "--type", "service", "--scope", "orgs:read", "--secret-stdin")
	time.Sleep(500 * time.Millisecond) // the server hears of them
	return &harness.Server{URL: "http://" + p.Address}
}

// TestMetricsOfFlows: after flows of every outcome each is counted once, and no
// label is made of what somebody sent.
func TestMetricsOfFlows(t *testing.T) {
	p := newProcess(t)
	p.Start(t)
	srv := inhabited(t, p)
	const web, job = "web:" + harness.Secret, "job:" + harness.Secret
	agreed := srv.Browser(t)
	page, err := agreed.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	code := page.Location.Query().Get("code")
	refused := srv.Browser(t)
	page, err = refused.Get("/authorize?" + request(one("scope", "openid")).Encode())
	if err == nil {
		page, err = refused.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
	}
	if err == nil {
		page, err = refused.Submit(page, "consent-form", "consent-deny", nil)
	}
	if err != nil || page.Location == nil || page.Location.Query().Get("error") != "access_denied" {
		t.Fatalf("%v %s", err, outcome(page))
	}
	try(t, srv.Browser(t), "ada", "canary password")
	try(t, srv.Browser(t), "canary-username", "canary password")
	tokens := call(t, srv, "/token", web, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
	call(t, srv, "/token", web, url.Values{"grant_type": {"authorization_code"}, "code": {"ac_canary"}, "code_verifier": {verifier}})
	call(t, srv, "/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}})
	call(t, srv, "/token", "web:canary secret", one("grant_type", "refresh_token"))
	call(t, srv, "/token", web, one("grant_type", "urn:canary:grant"))
	access := call(t, srv, "/token", job, one("grant_type", "client_credentials")).String("access_token")
	call(t, srv, "/introspect", job, one("token", access))
	call(t, srv, "/introspect", job, one("token", "at_canary"))
	stranger(t, srv, "CANARY", "/token", "")
	stranger(t, srv, "GET", "/canary-path", "")
	stranger(t, srv, "GET", "/login", "canary.example")
	bearer(t, srv, "GET", "/authorize?client_id=canary-client", "", "")

	got := lookAt(t, p.Address)
	for name, want := range map[string]float64{
		"valetkey_authorizations_total{outcome=code}":                            1,
		"valetkey_authorizations_total{outcome=access_denied}":                   1,
		"valetkey_authorizations_total{outcome=page}":                            1,
		"valetkey_consents_total{decision=allowed}":                              1,
		"valetkey_consents_total{decision=denied}":                               1,
		"valetkey_sign_ins_total{outcome=ok,way=password}":                       2,
		"valetkey_sign_ins_total{outcome=wrong,way=password}":                    2,
		"valetkey_tokens_total{grant=authorization_code,outcome=ok}":             1,
		"valetkey_tokens_total{grant=authorization_code,outcome=invalid_grant}":  1,
		"valetkey_tokens_total{grant=refresh_token,outcome=ok}":                  1,
		"valetkey_tokens_total{grant=client_credentials,outcome=ok}":             1,
		"valetkey_introspections_total{active=true}":                             1,
		"valetkey_introspections_total{active=false}":                            1,
		"valetkey_http_requests_total{method=POST,route=/token,status=2xx}":      3,
		"valetkey_http_requests_total{method=POST,route=/token,status=4xx}":      3,
		"valetkey_http_requests_total{method=POST,route=/introspect,status=2xx}": 2,
		"valetkey_http_requests_total{method=GET,route=none,status=4xx}":         1,
		"valetkey_http_requests_in_flight":                                       1, // the look itself
		"valetkey_http_panics_total":                                             0,
		"valetkey_hashes_waiting":                                                0,
		"valetkey_hashes_running":                                                0,
		"valetkey_store_cache_stale":                                             0,
		"valetkey_hashes_refused_total":                                          0,
		"valetkey_store_errors_total{kind=unavailable}":                          0,
		"valetkey_store_errors_total{kind=other}":                                0,
		"valetkey_signing_key_age_seconds{alg=ES256}":                            got["valetkey_signing_key_age_seconds{alg=ES256}"],
		"valetkey_build_info{database=sqlite,go=" + goOf(got) + ",version=dev}":  1,
	} {
		if had, ok := got[name]; !ok || had != want {
			t.Errorf("%s is %v, not %v (there: %v)", name, had, want, ok)
		}
	}
	for _, name := range []string{"valetkey_store_commit_duration_seconds", "valetkey_store_read_duration_seconds", "valetkey_hash_duration_seconds", "valetkey_hash_wait_seconds"} {
		if got[name] < 2 {
			t.Errorf("%s was observed %v times", name, got[name])
		}
	}
	for name := range got {
		if strings.Contains(strings.ToLower(name), "canary") {
			t.Errorf("%s is of a stranger's making", name)
		}
	}
	if t.Failed() {
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if strings.HasPrefix(name, "valetkey_") {
				t.Log(name, got[name])
			}
		}
	}
}

func goOf(got told) string {
	for name := range got {
		if _, rest, ok := strings.Cut(name, "valetkey_build_info{database=sqlite,go="); ok {
			return strings.TrimSuffix(rest, ",version=dev}")
		}
	}
	return "?"
}

// stranger asks for what isn't there.
func stranger(t *testing.T, srv *harness.Server, method, path, host string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	a, err := harness.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return a.Status
}

// TestWhoSeesMetrics: the server's own address tells this machine only, and
// nobody behind a proxy of it.
func TestWhoSeesMetrics(t *testing.T) {
	p := newProcess(t)
	p.Start(t)
	for _, header := range []string{"", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		want := http.StatusOK
		if header != "" {
			want = http.StatusNotFound
		}
		if status := answer(t, p.Address, "/metrics", header); status != want {
			t.Errorf("with %q: %d", header, status)
		}
		if status := answer(t, p.Address, "/readyz", header); status != http.StatusOK {
			t.Errorf("/readyz with %q: %d", header, status)
		}
	}
}

// answer is the status of a path, asked for with one header of a proxy.
func answer(t *testing.T, address, path, header string) int {
	t.Helper()
	status, _ := ask(t.Context(), address, path, header)
	return status
}

// ask answers 0 when nobody does.
func ask(ctx context.Context, address, path, header string) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Close = true
	if header != "" {
		req.Header.Set(header, "for=127.0.0.1")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// TestOpsListen: probes and metrics have a listener of their own, and the public
// one knows them no more.
func TestOpsListen(t *testing.T) {
	ops, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "VALETKEY_OPS_LISTEN="+ops)
	p.Start(t)
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if status := answer(t, p.Address, path, ""); status != http.StatusNotFound {
			t.Errorf("%s on the public address: %d", path, status)
		}
		if status := answer(t, ops, path, "X-Forwarded-For"); status != http.StatusOK {
			t.Errorf("%s on its own: %d", path, status)
		}
	}
	for _, path := range []string{"/login", "/jwks", "/token", "/debug/pprof/"} {
		if status := answer(t, ops, path, ""); status != http.StatusNotFound {
			t.Errorf("%s among operations: %d", path, status)
		}
	}
	if _, body := ask(t.Context(), ops, "/readyz?verbose", ""); !strings.Contains(body, `{"name":"database","ok":true}`) {
		t.Errorf("%s", body)
	}
}

// TestHealth: exit 0 for a server that lives, 1 for one that doesn't, 2 for what
// is no address.
func TestHealth(t *testing.T) {
	ops, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string][]string{"public": nil, "ops-listen": {"VALETKEY_OPS_LISTEN=" + ops}} {
		p := newProcess(t, more...)
		expect := func(want int, args ...string) {
			t.Helper()
			if code, out, failed := p.try(t, "", append([]string{"health"}, args...)...); code != want || (code == 0) != (out == "ok\n") || (code == 0) != (failed == "") {
				t.Errorf("%s %v: exit %d, %q %q", name, args, code, out, failed)
			}
		}
		expect(1)
		p.Start(t)
		expect(0)
		expect(1, "--url", "http://"+p.Address+"/nothing")
		expect(2, "--url", p.Address)
		expect(2, "--url", "http://%zz")
		p.Kill()
		expect(1)
	}
}
