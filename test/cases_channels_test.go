package test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// mailbox is an app's back channel.
type mailbox struct {
	*httptest.Server

	mu     sync.Mutex
	tokens []string
	status int
	delay  time.Duration
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{status: 200}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		status, delay := m.status, m.delay
		m.mu.Unlock()
		time.Sleep(delay)
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		m.mu.Lock()
		m.tokens = append(m.tokens, form.Get("logout_token"))
		m.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mailbox) got() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.tokens...)
}

func (m *mailbox) answers(status int, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status, m.delay = status, delay
}

// channels starts a server with an app on the back channel and one on the front.
func channels(t *testing.T, m *mailbox) *harness.Server {
	t.Helper()
	srv := open(t, nil)
	secret := func(id string, meta oauth.Metadata) {
		meta.Type, meta.RedirectURIs = oauth.TypeWeb, []string{harness.Callback}
		meta.PostLogoutRedirectURIs = []string{"https://app.example/bye"}
		if _, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: id, Secret: harness.Secret, Metadata: meta}); err != nil {
			t.Fatal(err)
		}
	}
	secret("back", oauth.Metadata{Name: "Back Channel", BackchannelURI: m.URL + "/logout", BackchannelSession: true})
	secret("front", oauth.Metadata{Name: "Front Channel", FrontchannelURI: "https://app.example/out", FrontchannelSession: true})
	return srv
}

// signInto signs ada in to apps in one browser and returns their ID tokens.
func signInto(t *testing.T, srv *harness.Server, b *harness.Browser, clients ...string) (ids []string) {
	t.Helper()
	for _, client := range clients {
		page, err := b.SignIn("/authorize?"+request(url.Values{"client_id": {client}, "scope": {"openid offline_access"}}).Encode(), "ada", harness.Password)
		if err != nil || page.Location == nil {
			t.Fatalf("%s: %v %s", client, err, page.Text())
		}
		a := call(t, srv, "/token", client+":"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}})
		if a.Status != 200 {
			t.Fatalf("%s: %s", client, a.Body)
		}
		ids = append(ids, a.String("id_token"))
	}
	return ids
}

// Test201LogoutToken: 196, 197, 201 and the page that says who was reached.
// OpenID Connect Back-Channel Logout §2.2, §2.4, Front-Channel Logout §2, RP-Initiated Logout §2, §4.
func Test201LogoutToken(t *testing.T) {
	m := newMailbox(t)
	srv := channels(t, m)
	b := srv.Browser(t)
	ids := signInto(t, srv, b, "back", "front", "web")
	// 196: without a hint a question, and the session stays.
	page, err := b.Get("/logout")
	if err != nil || page.ByID("logout-confirm") == nil || len(m.got()) > 0 {
		t.Fatalf("196: %v %s", err, page.Text())
	}
	// 197: an expired hint of ours is good.
	srv.Clock.Advance(time.Hour)
	page, err = b.Get("/logout?id_token_hint=" + url.QueryEscape(ids[0]))
	if err != nil || page.ByID("logout-done") == nil || !strings.Contains(page.TextOf("logout-done"), "signed out") {
		t.Fatalf("197: %v %s", err, page.Text())
	}
	if told := page.TextOf("logout-told"); !strings.Contains(told, "Back Channel") || !strings.Contains(page.TextOf("logout-other"), "Saleswave") {
		t.Errorf("page: told %q, other %q", told, page.TextOf("logout-other"))
	}
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-src https://app.example") || !strings.Contains(page.Body, "https://app.example/out?iss=") {
		t.Errorf("front channel: %s", csp)
	}
	tokens := m.got()
	if len(tokens) != 1 {
		t.Fatalf("%d logout tokens", len(tokens))
	}
	claims, id := payload(t, tokens[0]), payload(t, ids[0])
	events, _ := claims["events"].(map[string]any)
	if header(t, tokens[0])["typ"] != "logout+jwt" || claims["aud"] != "back" || claims["iss"] != srv.URL || claims["sid"] != id["sid"] || claims["sub"] != id["sub"] ||
		claims["iat"] == nil || claims["jti"] == nil || claims["exp"] == nil || claims["nonce"] != nil || events["http://schemas.openid.net/event/backchannel-logout"] == nil {
		t.Errorf("201: %v", claims)
	}
}

// Test200BackChannel: slow, failing and redirecting apps keep nobody waiting; a
// failed delivery is made later.
// OpenID Connect Back-Channel Logout §2.5.
func Test200BackChannel(t *testing.T) {
	m := newMailbox(t)
	srv := channels(t, m)
	for name, c := range map[string]struct {
		status int
		delay  time.Duration
	}{"slow": {200, 3 * time.Second}, "failing": {500, 0}, "redirecting": {302, 0}} {
		m.answers(c.status, c.delay)
		b := srv.Browser(t)
		ids := signInto(t, srv, b, "back")
		began := time.Now()
		page, err := b.Get("/logout?id_token_hint=" + url.QueryEscape(ids[0]))
		if took := time.Since(began); err != nil || took > 2*time.Second || !strings.Contains(page.TextOf("logout-untold"), "Back Channel") {
			t.Errorf("200 %s: %v after %s: %s", name, err, took, page.Text())
		}
	}
	// With somewhere to go to, nobody waits at all.
	b := srv.Browser(t)
	ids := signInto(t, srv, b, "back")
	began := time.Now()
	page, err := b.Get("/logout?" + url.Values{"id_token_hint": {ids[0]}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {"s"}}.Encode())
	if err != nil || page.Location == nil || page.Location.String() != "https://app.example/bye?state=s" || time.Since(began) > time.Second {
		t.Errorf("redirect: %v %s after %s", err, page.Text(), time.Since(began))
	}
	time.Sleep(3500 * time.Millisecond) // the slow one has answered
	m.answers(200, 0)
	before := len(m.got())
	srv.Clock.Advance(time.Minute)
	if !soon(8*time.Second, func() bool { return len(m.got()) >= before+2 }) {
		t.Errorf("200: %d deliveries were made again, of 2 or more", len(m.got())-before)
	}
}

func soon(d time.Duration, is func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return is()
}

// Test198AfterLogout: an ended session's cookie is worth nothing.
func Test198AfterLogout(t *testing.T) {
	srv := start(t)
	b := signedIn(t, srv, "ada")
	cookies := b.Cookies()
	page, err := b.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password)
	if err != nil {
		t.Fatal(err)
	}
	tokens := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}})
	page, err = b.Get("/logout")
	if err == nil {
		_, err = b.Submit(page, "logout-form", "logout-confirm", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/account", nil)
	for _, c := range cookies {
		req.AddCookie(c)
	}
	a, err := harness.Do(req)
	if err != nil || a.Status != 302 || !strings.HasPrefix(a.Header.Get("Location"), "/login") {
		t.Errorf("198: %v %d %s", err, a.Status, a.Header.Get("Location"))
	}
	if a := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}}); a.String("error") != "invalid_grant" {
		t.Errorf("198 refresh: %s", a.Body)
	}
}

// TestRevocationFeed reads the feed as an API does: everything that ends is in
// it at once, and a waiting reader is answered.
func TestRevocationFeed(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			srv := harness.Start(t, setup(database(t)))
			if err := harness.Populate(srv); err != nil {
				t.Fatal(err)
			}
			token := call(t, srv, "/token", "api:"+harness.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {oauth.ScopeRevocations}}).String("access_token")
			if token == "" {
				t.Fatal("no token for the feed")
			}
			read := func(query string) map[string]any {
				a := bearer(t, srv, "GET", "/api/v1/revocations?"+query, "Bearer "+token, "")
				if a.Status != 200 {
					t.Fatalf("feed: %d %s", a.Status, a.Body)
				}
				return a.JSON
			}
			entries := func(answer map[string]any) string {
				content, _ := json.Marshal(answer["entries"])
				return string(content)
			}
			first := read("")
			access := grant(t, srv, "web", nil).String("access_token")
			id, _, _ := strings.Cut(payload(t, access)["jti"].(string), ".")
			seen := make(chan map[string]any, 1)
			go func() { seen <- read("wait=20&since=0&seen=" + first["cursor"].(string)) }()
			time.Sleep(200 * time.Millisecond)
			if err := harness.Operate(srv, []string{"disable-user", "ada"}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			select {
			case answer := <-seen:
				if !strings.Contains(entries(answer), id) {
					t.Errorf("disabled user: %s", entries(answer))
				}
			case <-time.After(5 * time.Second):
				t.Errorf("nothing after %s", time.Since(began))
			}
			if err := harness.Operate(srv, []string{"disable-client", "service"}); err != nil {
				t.Fatal(err)
			}
			if !soon(2*time.Second, func() bool { return strings.Contains(entries(read("")), `"client_id":"service"`) }) {
				t.Errorf("disabled client: %s", entries(read("")))
			}
			for id, header := range map[string]string{"nobody": "", "a person's": "Bearer " + bobsToken(t, srv), "another client's": "Bearer " + call(t, srv, "/token", "other:"+harness.Secret, one("grant_type", "client_credentials")).String("access_token")} {
				if a := bearer(t, srv, "GET", "/api/v1/revocations", header, ""); a.Status != 401 && a.Status != 403 {
					t.Errorf("304 %s: %d", id, a.Status)
				}
			}
		})
	}
}

// bobsToken is an access token of bob's.
func bobsToken(t *testing.T, srv *harness.Server) string {
	t.Helper()
	page, err := srv.Browser(t).SignIn("/authorize?"+request(nil).Encode(), "bob", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatal(err)
	}
	return call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}}).String("access_token")
}
