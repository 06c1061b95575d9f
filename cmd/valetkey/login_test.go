package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"
)

// peer is a server whose documents a test writes.
type peer struct {
	*httptest.Server

	metadata map[string]any
	token    func(n int, form url.Values) (status int, body string) // the nth answer
	asked    []url.Values                                           // forms that came to /token
	device   url.Values
	pushed   url.Values
}

func newPeer(t *testing.T, path string) *peer {
	t.Helper()
	p := &peer{}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.metadata = map[string]any{
		"issuer": p.URL + path, "authorization_endpoint": p.URL + "/authorize?tenant=1", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
		"device_authorization_endpoint": p.URL + "/device", "pushed_authorization_request_endpoint": p.URL + "/par", "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"authorization_response_iss_parameter_supported": true,
	}
	mux.HandleFunc("GET "+path+"/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(p.metadata) })
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if id, secret, ok := r.BasicAuth(); ok {
			r.PostForm.Set("basic", id+":"+secret)
		}
		p.asked = append(p.asked, r.PostForm)
		status, body := p.token(len(p.asked), r.PostForm)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		p.device = r.PostForm
		fmt.Fprintf(w, `{"device_code":"dc","user_code":"WDJB-MJHT","verification_uri":"%[1]s/device","verification_uri_complete":"%[1]s/device?user_code=WDJB-MJHT","expires_in":600}`, p.URL)
	})
	mux.HandleFunc("POST /par", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		p.pushed = r.PostForm
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"request_uri":"urn:ietf:params:oauth:request_uri:x","expires_in":60}`)
	})
	return p
}

const someTokens = `{"access_token":"at","token_type":"Bearer","expires_in":600,"scope":"read","refresh_token":"rt"}`

func (p *peer) party(t *testing.T, issuer string) *party {
	t.Helper()
	k := loginCmd{ClientID: "cli", Scope: "read", Resource: []string{"https://a.example", "https://b.example"}}
	made, err := k.party(issuer, console{})
	if err != nil {
		t.Fatal(err)
	}
	if made.about, err = discover(t.Context(), made.web, issuer); err != nil {
		t.Fatal(err)
	}
	return made
}

// TestDiscovery: RFC 8414 §3.1 and §3.3: where the document is looked for, and
// that it is about the issuer, to the letter.
func TestDiscovery(t *testing.T) {
	for issuer, want := range map[string][]string{
		"https://a.example":          {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example/":         {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example/tenant/1": {"https://a.example/.well-known/oauth-authorization-server/tenant/1", "https://a.example/tenant/1/.well-known/openid-configuration"},
	} {
		if got := wellKnown(issuer); !slices.Equal(got, want) {
			t.Errorf("%s: %v", issuer, got)
		}
	}
	p := newPeer(t, "/tenant")
	web := p.Client()
	if _, err := discover(t.Context(), web, p.URL+"/tenant"); err != nil {
		t.Error(err)
	}
	if _, err := discover(t.Context(), web, p.URL+"/nothing"); err == nil || !strings.Contains(err.Error(), "answered 404") {
		t.Error(err)
	}
	if _, err := discover(t.Context(), web, p.URL+"/tenant/"); err == nil || !strings.Contains(err.Error(), "equal to the letter") {
		t.Errorf("a slash more: %v", err)
	}
	for name, value := range map[string]any{
		"issuer": "https://evil.example", "token_endpoint": "http://auth.example/token", "authorization_endpoint": "javascript:alert(1)",
		"jwks_uri": "file:///etc/passwd", "device_authorization_endpoint": 7,
	} {
		stood := p.metadata[name]
		p.metadata[name] = value
		if _, err := discover(t.Context(), web, p.URL+"/tenant"); err == nil {
			t.Errorf("%s: %v was taken", name, value)
		}
		p.metadata[name] = stood
	}
	for issuer, ok := range map[string]bool{
		"https://a.example": true, "https://a.example/x": true, "http://localhost:8080": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"": false, "http://a.example": false, "ftp://a.example": false, "a.example": false, "https://a.example?x": false, "https://a.example?": false,
		"https://a.example#x": false, "https://u@a.example": false, "http://127.0.0.1.example": false,
	} {
		if err := judgeRemote(issuer); (err == nil) != ok {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

// TestRequestOfLogin: what stands in the address: RFC 7636 §4.3, RFC 8707 §2;
// and pushed where the server wants that: RFC 9126 §3.
func TestRequestOfLogin(t *testing.T) {
	p := newPeer(t, "")
	client := p.party(t, p.URL)
	client.scope = "openid read"
	try := attempt{redirect: "http://127.0.0.1:5/callback", state: "s", nonce: "n", verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	address, err := client.start(t.Context(), try)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"tenant": {"1"}, "response_type": {"code"}, "client_id": {"cli"}, "redirect_uri": {try.redirect}, "state": {"s"}, "nonce": {"n"}, "scope": {"openid read"},
		"resource": client.resource, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	if got, rest, _ := strings.Cut(address, "?"); got != p.URL+"/authorize" || rest != "tenant=1&"+without(want, "tenant").Encode() {
		t.Errorf("%s?%s", got, rest)
	}
	client.about.MustPush = true
	address, err = client.start(t.Context(), try)
	if err != nil || address != p.URL+"/authorize?tenant=1&client_id=cli&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Ax" {
		t.Errorf("%s %v", address, err)
	}
	if p.pushed.Encode() != without(want, "tenant").Encode() {
		t.Errorf("%v", p.pushed)
	}
	client.about.Challenges = []string{"plain"}
	if err := client.canBrowse(); err == nil {
		t.Error("a server without S256")
	}
}

func without(v url.Values, name string) url.Values {
	out := url.Values{}
	for n, values := range v {
		if n != name {
			out[n] = values
		}
	}
	return out
}

// TestAnswerOfLogin: RFC 6749 §4.1.2, RFC 9207 §2.4: what the browser brings
// back is judged before a code goes anywhere.
func TestAnswerOfLogin(t *testing.T) {
	p := newPeer(t, "")
	client := p.party(t, p.URL)
	iss := "&iss=" + url.QueryEscape(p.URL)
	for _, c := range []struct{ query, want string }{
		{"code=c&state=s" + iss, ""},
		{"code=c" + iss, "state differs"},
		{"code=c&state=" + iss, "state differs"},
		{"code=c&state=t" + iss, "state differs"},
		{"error=access_denied&state=t" + iss, "state differs"},
		{"code=c&state=s&state=s" + iss, "more than one state"},
		{"code=c&code=d&state=s" + iss, "more than one code"},
		{"code=c&state=s", "has no iss"},
		{"code=c&state=s&iss=", "its iss is"},
		{"code=c&state=s" + iss + "%2f", "its iss is"},
		{"state=s" + iss, "no code"},
		{"error=access_denied&error_description=no%1b%5b2J&state=s" + iss, "access_denied: no?[2J"},
		{"error=access_denied&state=s", "has no iss"},
	} {
		answer, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		code, err := client.judge(attempt{state: "s"}, answer)
		if c.want == "" && (err != nil || code != "c") || c.want != "" && (err == nil || code != "" || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %q %v", c.query, code, err)
		}
	}
	client.about.NamesItself = false
	if _, err := client.judge(attempt{state: "s"}, url.Values{"state": {"s"}, "code": {"c"}}); err != nil {
		t.Errorf("a server that doesn't name itself: %v", err)
	}
}

// TestSecretOfLogin: RFC 6749 §2.3.1: in the header, form-urlencoded, else in
// the body; never in both.
func TestSecretOfLogin(t *testing.T) {
	p := newPeer(t, "")
	client := p.party(t, p.URL)
	client.secret = "a b&c"
	p.token = func(_ int, form url.Values) (int, string) {
		if form.Has("basic") {
			return 401, `{"error":"invalid_client"}`
		}
		return 200, someTokens
	}
	if _, err := client.post(t.Context(), p.URL+"/token", url.Values{"grant_type": {"x"}}); err != nil {
		t.Fatal(err)
	}
	if got := p.asked; len(got) != 2 || got[0].Get("basic") != "cli:a+b%26c" || got[0].Has("client_secret") || got[1].Get("client_secret") != "a b&c" || got[1].Has("basic") {
		t.Errorf("%v", got)
	}
	p.asked, client.inBody, client.about.Methods = nil, false, nil
	if _, err := client.post(t.Context(), p.URL+"/token", url.Values{}); err == nil || len(p.asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(p.asked))
	}
	for _, answer := range []string{`{}`, `[]`, `nothing`, `{"access_token":"x"}`, `{"access_token":7,"token_type":"Bearer"}`} {
		if _, err := readTokens([]byte(answer), ""); err == nil {
			t.Errorf("%s was taken", answer)
		}
	}
}

// TestDevicePolls: RFC 8628 §3.5: the interval, slow_down for good, ever longer
// while nobody answers, and how it ends.
func TestDevicePolls(t *testing.T) {
	refuse := func(code string) string { return `{"error":"` + code + `"}` }
	for _, c := range []struct {
		name    string
		answers []string // "" is no answer at all, "503" a proxy's
		waits   []int    // seconds
		want    string   // of the error
	}{
		{"at once", []string{someTokens}, []int{5}, ""},
		{"pending", []string{refuse("authorization_pending"), refuse("authorization_pending"), someTokens}, []int{5, 5, 5}, ""},
		{"slower", []string{refuse("slow_down"), refuse("authorization_pending"), refuse("slow_down"), someTokens}, []int{5, 10, 10, 15}, ""},
		{"unreachable", []string{"", "", "503", refuse("authorization_pending"), someTokens}, []int{5, 10, 20, 40, 5}, ""},
		{"denied", []string{refuse("access_denied")}, []int{5}, "denied"},
		{"expired", []string{refuse("expired_token")}, []int{5}, "expired"},
		{"refused", []string{refuse("invalid_grant")}, []int{5}, "invalid_grant"},
		{"nonsense", []string{"{}"}, []int{5}, "no access_token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t, "")
			client := p.party(t, p.URL)
			var waits []int
			client.wait = func(_ context.Context, d time.Duration) error {
				waits = append(waits, int(d/time.Second))
				return nil
			}
			p.token = func(n int, form url.Values) (int, string) {
				if form.Get("device_code") != "dc" || form.Get("client_id") != "cli" || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:device_code" {
					t.Errorf("%v", form)
				}
				switch answer := c.answers[n-1]; {
				case answer == "":
					panic(http.ErrAbortHandler)
				case answer == "503":
					return 503, "<html>"
				case strings.Contains(answer, "error"):
					return 400, answer
				default:
					return 200, answer
				}
			}
			var shown strings.Builder
			got, err := client.device(t.Context(), console{err: &shown})
			if c.want == "" && (err != nil || got.Access != "at") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%+v %v", got, err)
			}
			if !slices.Equal(waits, c.waits) {
				t.Errorf("waited %v, want %v", waits, c.waits)
			}
			if !strings.Contains(shown.String(), "  WDJB-MJHT\n") || !strings.Contains(shown.String(), p.URL+"/device?user_code=WDJB-MJHT\n") {
				t.Error(shown.String())
			}
			if p.device.Get("scope") != "read" || len(p.device["resource"]) != 2 {
				t.Errorf("%v", p.device)
			}
		})
	}
	p := newPeer(t, "")
	delete(p.metadata, "device_authorization_endpoint")
	if _, err := p.party(t, p.URL).device(t.Context(), console{err: io.Discard}); err == nil || !strings.Contains(err.Error(), "device_authorization_endpoint") {
		t.Error(err)
	}
}

// TestLanding: one answer is taken, at one path, under one name.
func TestLanding(t *testing.T) {
	l := newLanding("127.0.0.1:5")
	ask := func(method, address string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, address, nil))
		return w
	}
	for want, r := range map[int][2]string{
		404: {"GET", "http://127.0.0.1:5/favicon.ico"}, 421: {"GET", "http://rebound.example:5/callback?code=c"}, 405: {"POST", "http://127.0.0.1:5/callback"},
	} {
		if got := ask(r[0], r[1]); got.Code != want {
			t.Errorf("%v: %d", r, got.Code)
		}
	}
	for _, c := range []struct {
		err    error
		status int
		words  string
	}{{nil, 200, "You are signed in."}, {errors.New("<b>no</b>"), 400, "Signing in didn't work."}} {
		l = newLanding("127.0.0.1:5")
		go func() {
			if answer := <-l.got; answer.Get("code") != "c" {
				t.Errorf("%v", answer)
			}
			l.done <- c.err
		}()
		got := ask("GET", "http://127.0.0.1:5/callback?code=c&error_description=%3Cb%3E")
		h := got.Header()
		if got.Code != c.status || !strings.Contains(got.Body.String(), c.words) || strings.Contains(got.Body.String(), "<b>") ||
			h.Get("Cache-Control") != "no-store" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
			t.Errorf("%d %v\n%s", got.Code, h, got.Body)
		}
		if got := ask("GET", "http://127.0.0.1:5/callback?code=c"); got.Code != 410 {
			t.Errorf("a second answer: %d", got.Code)
		}
	}
}

// TestStopped: Ctrl-C and the end of patience are one line each.
func TestStopped(t *testing.T) {
	p := newPeer(t, "")
	client := p.party(t, p.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.browse(ctx, console{err: io.Discard}, 0, false); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Error(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	for _, run := range []func() (tokens, error){
		func() (tokens, error) { return client.browse(ctx, console{err: io.Discard}, 0, false) },
		func() (tokens, error) { return client.device(t.Context(), console{err: io.Discard}) },
	} {
		client.wait = func(context.Context, time.Duration) error { return wait(ctx, time.Minute) }
		if _, err := run(); err == nil || !strings.Contains(err.Error(), "stopped") {
			t.Error(err)
		}
	}
}

// TestBrowsers: BROWSER wins, and may name several.
func TestBrowsers(t *testing.T) {
	list := strings.Join([]string{"a --new %s x", "", "b"}, string(os.PathListSeparator))
	for wanted, want := range map[string]string{
		"": "[[xdg-open https://a.example]]", "firefox": "[[firefox https://a.example]]",
		list: "[[a --new https://a.example x] [b https://a.example]]",
	} {
		if got := fmt.Sprint(browsers(wanted, "https://a.example")); got != want && (wanted != "" || runtime.GOOS == "linux") {
			t.Errorf("%q: %s", wanted, got)
		}
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "browser")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf %s \"$1\" > "+dir+"/new && mv "+dir+"/new "+dir+"/opened\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BROWSER", filepath.Join(dir, "missing")+":"+script)
	if err := openBrowser(t.Context(), "https://a.example/?x=1&y=$(id)"); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if opened, err := os.ReadFile(filepath.Join(dir, "opened")); err == nil {
			if string(opened) != "https://a.example/?x=1&y=$(id)" {
				t.Errorf("%s", opened)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the browser wasn't opened")
}

// TestDraw: each half block is two modules of the code, in a white frame.
func TestDraw(t *testing.T) {
	const text = "https://auth.example.com/device?user_code=WDJB-MJHT"
	drawn, err := draw(text)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	for row, line := range strings.Split(strings.TrimSuffix(drawn, "\n"), "\n") {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
		for column, r := range []rune(line) {
			x, y := column-quiet, 2*row-quiet
			if code.Black(x, y) != (r == '█' || r == '▀') || code.Black(x, y+1) != (r == '█' || r == '▄') {
				t.Fatalf("row %d column %d is %q", row, column, r)
			}
		}
	}
}
