package test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/valetkey/valetkey/test/harness"
)

// collector is an OTLP collector on this machine.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	raw   []byte // all that arrived
	spans []*tracepb.Span
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var data collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &data); err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "400", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	for _, in := range data.GetResourceSpans() {
		for _, scope := range in.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

func (c *collector) got() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// partner is a configuration with another provider, which answers nothing but
// failures that quote what they shouldn't.
func partner(t *testing.T) (file string) {
	t.Helper()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "canary of the other provider", http.StatusInternalServerError)
	}))
	t.Cleanup(broken.Close)
	file = filepath.Join(t.TempDir(), "valetkey.yaml")
	content := "connectors:\n  partner: {kind: oidc, title: Partner, issuer: '" + broken.URL + "', client_id: valetkey, client_secret: canary of the connector}\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestNothingSecretIsTold: 313: whole flows, mistakes and a panic, with the log
// at its most talkative and every request traced; then no secret stands in the
// log, the metrics or the traces, and each line of the log is one document.
func TestNothingSecretIsTold(t *testing.T) {
	c := newCollector(t)
	p := &process{harness.NewProcess(t, harness.Binary(t, "failpoints"), "VALETKEY_FAILPOINT=before-answer:1:panic", "VALETKEY_LOG_FORMAT=json", "VALETKEY_LOG_LEVEL=debug",
		"VALETKEY_REGISTRATION=open", "VALETKEY_FETCH_ALLOW_LOOPBACK=true", "VALETKEY_CONFIG="+partner(t),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=api-key=canary-of-the-collector", "OTEL_BSP_SCHEDULE_DELAY=50")}
	log := apart(t, p)
	srv := inhabited(t, p)
	found := canaries{}
	for what, secret := range map[string]string{
		"user's password": harness.Password, "client secret": harness.Secret, "collector's key": "canary-of-the-collector",
		"connector's secret": "canary of the connector", "other provider's answer": "canary of the other provider",
	} {
		found.add(what, secret)
	}
	// A panic on the way out has all of a request in its hands.
	if a := call(t, srv, "/token", "job:"+harness.Secret, one("grant_type", "client_credentials")); a.Status != http.StatusInternalServerError {
		t.Fatalf("no panic: %d", a.Status)
	}
	ada := srv.Browser(t)
	flowOf(t, srv, ada, "web", url.Values{"scope": {"openid offline_access orgs:read"}, "state": {"the state canary"}}, found)
	found.add("session cookie", cookieOf(ada, "session"))
	found.add("browser cookie", cookieOf(ada, "browser"))
	registered(t, srv, found)
	misbehave(t, srv, found)
	if _, err := srv.Browser(t).Get("/login/with/partner"); err != nil {
		t.Fatal(err)
	}
	metrics := httpBody(t, p.Address, "/metrics")
	if err := p.Stop(); err != nil { // sends what is left
		t.Errorf("%v", err)
	}
	found.in(t, "the log", log.bytes())
	found.in(t, "the metrics", []byte(metrics))
	found.in(t, "the traces", c.raw)
	for _, word := range []string{"PRIVATE KEY", "password=", "client_secret=", "code_verifier", "Bearer ", "Basic ", "set-up"} {
		if bytes.Contains(log.bytes(), []byte(word)) || bytes.Contains(c.raw, []byte(word)) {
			t.Errorf("%q is told", word)
		}
	}
	if requests := oneDocumentALine(t, log.bytes()); requests < 20 {
		t.Errorf("%d requests in the log", requests)
	}
	parts(t, c.got())
}

// registered is an app that registered itself.
func registered(t *testing.T, srv *harness.Server, found canaries) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/register", strings.NewReader(`{"redirect_uris":["https://new.example/cb"]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	a, err := harness.Do(req)
	if err != nil || a.Status != http.StatusCreated {
		t.Fatalf("%v %+v", err, a)
	}
	found.add("registered app's secret", a.String("client_secret"))
	found.add("registration token", a.String("registration_access_token"))
}

func httpBody(t *testing.T, address, path string) string {
	t.Helper()
	status, body := ask(t.Context(), address, path, "")
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, body)
	}
	return body
}

// oneDocumentALine checks that each line of a log stands for itself, and counts
// those of requests, which have an id.
func oneDocumentALine(t *testing.T, log []byte) (requests int) {
	t.Helper()
	for line := range bytes.Lines(log) {
		var said map[string]any
		if err := json.Unmarshal(line, &said); err != nil || said["level"] == nil || said["msg"] == nil {
			t.Errorf("%s: %v", line, err)
		}
		if said["msg"] != "request" {
			continue
		}
		requests++
		if id, _ := said["request"].(string); len(id) < 20 {
			t.Errorf("no id: %s", line)
		}
	}
	return requests
}

// parts looks for what requests are made of: their spans hang below them.
func parts(t *testing.T, spans []*tracepb.Span) {
	t.Helper()
	byID := map[string]*tracepb.Span{}
	for _, s := range spans {
		byID[string(s.GetSpanId())] = s
	}
	seen := map[string]int{}
	for _, s := range spans {
		above := byID[string(s.GetParentSpanId())]
		switch {
		case len(s.GetParentSpanId()) == 0:
			seen[s.GetName()]++
		case above == nil:
			t.Errorf("%s hangs nowhere", s.GetName())
		case string(above.GetTraceId()) != string(s.GetTraceId()) || above.GetStartTimeUnixNano() > s.GetStartTimeUnixNano():
			t.Errorf("%s hangs below %s, which is another", s.GetName(), above.GetName())
		default:
			seen[above.GetName()+" > "+s.GetName()]++
		}
	}
	for _, want := range []string{
		"POST /token", "POST /token > store.commit", "POST /token > store.read", "POST /token > hash", "POST /login > hash", "GET /login/with/{name} > upstream",
	} {
		if seen[want] == 0 {
			t.Errorf("no %s among %v", want, seen)
		}
	}
}

// TestLogInjection: 314: what strangers write can't end a line of the log, nor
// begin one, nor colour it.
func TestLogInjection(t *testing.T) {
	const hostile = "\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\r\n\x1b[31mred\x1b]0;title\x07\u009b31m\u2028"
	p := newProcess(t, "VALETKEY_LOG_FORMAT=json", "VALETKEY_LOG_LEVEL=debug")
	log := apart(t, p)
	srv := inhabited(t, p)
	call(t, srv, "/token", hostile+":"+hostile, one("grant_type", hostile))
	call(t, srv, "/token", "", url.Values{"client_id": {hostile}, "grant_type": {"client_credentials"}})
	bearer(t, srv, "GET", "/authorize?"+request(one("client_id", hostile)).Encode(), "", "")
	bearer(t, srv, "GET", "/authorize?"+request(one("redirect_uri", "https://x.example/"+hostile)).Encode(), "", "")
	bearer(t, srv, "GET", "/"+url.PathEscape(hostile), "", "")
	try(t, srv.Browser(t), hostile, hostile)
	try(t, srv.Browser(t), "ada"+hostile, harness.Password)
	kid, _ := json.Marshal(hostile)
	assertion := unsigned(`{"alg":"ES256","kid":` + string(kid) + `}`)
	call(t, srv, "/token", "", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"job"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	rawHeader(t, p.Address, "User-Agent: a\x1b[31mred")
	rawHeader(t, p.Address, "User-Agent: a\r\n {\"msg\":\"forged\"}")
	if err := p.Stop(); err != nil {
		t.Errorf("%v", err)
	}
	if requests := oneDocumentALine(t, log.bytes()); requests < 9 {
		t.Errorf("%d requests in the log", requests)
	}
	for _, control := range []string{"\r", "\x1b", "\x07", "\n{\"level\":\"ERROR\",\"msg\":\"forged\"}"} {
		if bytes.Contains(log.bytes(), []byte(control)) {
			t.Errorf("%q stands in the log as it is", control)
		}
	}
	if !bytes.Contains(log.bytes(), []byte(`\u001b[31mred`)) {
		t.Error("nothing hostile was logged at all")
	}
}

// unsigned is a JWT with this header that nobody signed.
func unsigned(header string) string {
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return b64(header) + "." + b64(`{"iss":"job","sub":"job","jti":"1"}`) + "." + b64("signature")
}

// rawHeader sends a header that a client library wouldn't.
func rawHeader(t *testing.T, address, header string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /login HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n", address, header)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Errorf("%q: %v", header, err)
	}
}

// TestSlowCollector: a collector that hangs, or isn't there, costs requests
// nothing, and a stop hardly anything.
func TestSlowCollector(t *testing.T) {
	over := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer hanging.Close()
	defer close(over)
	nobody, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	for name, endpoint := range map[string]string{"hanging": hanging.URL, "nobody": "http://" + nobody} {
		p := newProcess(t, "VALETKEY_OTLP_ENDPOINT="+endpoint, "OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_BSP_EXPORT_TIMEOUT=300")
		p.Start(t)
		srv := inhabited(t, p)
		var took []time.Duration
		began := time.Now()
		for n := 0; n < 300 || time.Since(began) < time.Second; n++ {
			start := time.Now()
			if a := call(t, srv, "/token", "job:"+harness.Secret, one("grant_type", "client_credentials")); a.Status != http.StatusOK {
				t.Fatalf("%s: %d %s", name, a.Status, a.Body)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		// Other work on the machine delays a few; a collector would delay all.
		if most := took[len(took)*9/10]; most > 100*time.Millisecond {
			t.Errorf("%s: one request in ten took more than %v", name, most)
		}
		if got := lookAt(t, p.Address); got["valetkey_trace_spans_total{outcome=sent}"] != 0 || got["valetkey_trace_spans_total{outcome=dropped}"] == 0 {
			t.Errorf("%s: %v sent, %v dropped", name, got["valetkey_trace_spans_total{outcome=sent}"], got["valetkey_trace_spans_total{outcome=dropped}"])
		}
		stopping := time.Now()
		if err := p.Stop(); err != nil || time.Since(stopping) > 3*time.Second {
			t.Errorf("%s: ended after %v: %v", name, time.Since(stopping), err)
		}
		if n := strings.Count(p.Out.String(), "traces can't be sent"); n != 1 {
			t.Errorf("%s: the log says it %d times: %s", name, n, p.Out)
		}
		t.Logf("%s: one request in ten took more than %v, the slowest %v", name, took[len(took)*9/10], took[len(took)-1])
	}
}
