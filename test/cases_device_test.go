package test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// television registers a device's client: public, without a redirect URI.
func television(t *testing.T, srv *harness.Server) {
	t.Helper()
	register(t, srv, "tv", oauth.Metadata{
		Name: "Television", Type: oauth.TypeNative, AuthMethod: oauth.AuthNone, GrantTypes: []string{oauth.GrantDeviceCode, oauth.GrantRefreshToken},
	})
	register(t, srv, "radio", oauth.Metadata{Name: "Radio", Type: oauth.TypeNative, AuthMethod: oauth.AuthNone, GrantTypes: []string{oauth.GrantDeviceCode}})
}

// beginDevice asks for a device code.
func beginDevice(t *testing.T, srv *harness.Server, scope string) *harness.Answer {
	t.Helper()
	a := post(t, srv, "/device_authorization", url.Values{"client_id": {"tv"}, "scope": {scope}})
	if a.Status != 200 {
		t.Fatalf("device_authorization: %d %s", a.Status, a.Body)
	}
	return a
}

func pollAs(client string, a *harness.Answer) url.Values {
	return url.Values{"grant_type": {oauth.GrantDeviceCode}, "client_id": {client}, "device_code": {a.String("device_code")}}
}

// enter types a code on the page and goes on to the consent page.
func enter(t *testing.T, srv *harness.Server, b *harness.Browser, username, code string) *harness.Page {
	t.Helper()
	page, err := b.Get("/device")
	if err == nil {
		page, err = b.Submit(page, "device-form", "device-submit", one("user_code", code))
	}
	if err == nil && page.ByID("login-form") != nil {
		page, err = b.Submit(page, "login-form", "login-submit", url.Values{"username": {username}, "password": {harness.Password}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// Test188To190Devices: 188, 190, 193 and the ways a device may end.
// RFC 8628 §3.1, §3.2, §3.3, §3.3.1, §3.4, §3.5, §5.4, §6.1.
func Test188To190Devices(t *testing.T) {
	srv := start(t)
	television(t, srv)
	a := beginDevice(t, srv, "orgs:read")
	if a.JSON["interval"] != float64(5) || a.JSON["expires_in"] != float64(600) || a.String("verification_uri") != srv.URL+"/device" ||
		a.String("verification_uri_complete") != srv.URL+"/device?user_code="+a.String("user_code") || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer: %s", a.Body)
	}
	if code := strings.ReplaceAll(a.String("user_code"), "-", ""); len(code) != 8 || strings.Trim(code, "BCDFGHJKLMNPQRSTVWXZ") != "" {
		t.Errorf("user code %s", code)
	}
	if got := result(post(t, srv, "/token", pollAs("tv", a))); got != "Bad Request authorization_pending" {
		t.Errorf("pending: %s", got)
	}
	if got := result(post(t, srv, "/token", pollAs("radio", a))); got != "Bad Request invalid_grant" {
		t.Errorf("188: %s", got)
	}
	// 190: the link shows the code and approves nothing.
	b := srv.Browser(t)
	for range 3 {
		if page, err := b.Get(a.String("verification_uri_complete")); err != nil || page.ByID("device-form") == nil || page.ByID("user-code") == nil {
			t.Fatalf("190: %v %s", err, page.Text())
		}
	}
	srv.Clock.Advance(6 * time.Second)
	if got := result(post(t, srv, "/token", pollAs("tv", a))); got != "Bad Request authorization_pending" {
		t.Errorf("190 pending still: %s", got)
	}
	// 193: lower case, spaces, hyphens.
	typed := " " + strings.ToLower(strings.Replace(a.String("user_code"), "-", " - ", 1))
	page := enter(t, srv, b, "ada", typed)
	if page.ByID("consent-form") == nil || page.TextOf("device-code") != a.String("user_code") || !strings.Contains(page.Text(), "127.0.0.1") || page.TextOf("client-name") != "Television" || page.ByID("device-warning") == nil {
		t.Fatalf("190 consent: %s", page.Text())
	}
	done, err := b.Submit(page, "consent-form", "consent-allow", nil)
	if err != nil || done.ByID("device-done") == nil || !strings.Contains(done.Text(), "Television is connected") {
		t.Fatalf("done: %v %s", err, done.Text())
	}
	srv.Clock.Advance(6 * time.Second)
	tokens := post(t, srv, "/token", pollAs("tv", a))
	if tokens.Status != 200 || tokens.String("refresh_token") == "" || !active(t, srv, "api", tokens.String("access_token")) {
		t.Fatalf("tokens: %s", tokens.Body)
	}
	srv.Clock.Advance(6 * time.Second)
	if got := result(post(t, srv, "/token", pollAs("tv", a))); got != "Bad Request invalid_grant" {
		t.Errorf("second redemption: %s", got)
	}
	if r := post(t, srv, "/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"tv"}, "refresh_token": {tokens.String("refresh_token")}}); r.Status != 200 {
		t.Errorf("refresh: %s", r.Body)
	}
	// 194: approve again, deny after: the first decision stands.
	if again, err := b.Submit(page, "consent-form", "consent-deny", nil); err != nil || again.Status != 400 {
		t.Errorf("194: %v %d %s", err, again.Status, again.Text())
	}
	// Denied, and expired.
	no := beginDevice(t, srv, "")
	page = enter(t, srv, b, "ada", no.String("user_code"))
	if page, err = b.Submit(page, "consent-form", "consent-deny", nil); err != nil || page.ByID("device-done") == nil {
		t.Fatalf("deny: %v %s", err, page.Text())
	}
	if got := result(post(t, srv, "/token", pollAs("tv", no))); got != "Bad Request access_denied" {
		t.Errorf("denied: %s", got)
	}
	late := beginDevice(t, srv, "")
	srv.Clock.Advance(10*time.Minute + time.Second)
	if got := result(post(t, srv, "/token", pollAs("tv", late))); got != "Bad Request expired_token" {
		t.Errorf("expired: %s", got)
	}
	if page := enter(t, srv, b, "ada", late.String("user_code")); page.ByID("device-problem") == nil {
		t.Errorf("an expired code on the page: %s", page.Text())
	}
	// 193, 008: parameters.
	for id, form := range map[string]url.Values{
		"twice": {"client_id": {"tv"}, "scope": {"orgs:read", "orgs:read"}}, "bad scope": {"client_id": {"tv"}, "scope": {"nonsense"}},
		"other client": {"client_id": {"spa"}}, "no client": {"scope": {"orgs:read"}}, "restricted": {"client_id": {"tv"}, "scope": {"audit"}},
	} {
		if a := post(t, srv, "/device_authorization", form); a.Status < 400 || a.Status >= 500 || a.String("error") == "" {
			t.Errorf("193 %s: %d %s", id, a.Status, a.Body)
		}
	}
	if a := post(t, srv, "/device_authorization", url.Values{"client_id": {"tv"}, "unknown": {"x"}}); a.Status != 200 {
		t.Errorf("193 unknown parameter: %s", a.Body)
	}
}

// TestSlowDown: RFC 8628 §3.5, a device that hurries waits longer for good.
func TestSlowDown(t *testing.T) {
	srv := start(t)
	television(t, srv)
	a := beginDevice(t, srv, "")
	for i, step := range []struct {
		wait time.Duration
		want string
	}{
		{0, "authorization_pending"}, {time.Second, "slow_down"}, {6 * time.Second, "slow_down"}, {16 * time.Second, "authorization_pending"}, {14 * time.Second, "slow_down"}, {21 * time.Second, "authorization_pending"},
	} {
		srv.Clock.Advance(step.wait)
		if got := post(t, srv, "/token", pollAs("tv", a)).String("error"); got != step.want {
			t.Errorf("poll %d: %s, want %s", i, got, step.want)
		}
	}
}

// Test186GuessedCodes: ten wrong ones lock a browser, thirty an address.
// RFC 8628 §5.1.
func Test186GuessedCodes(t *testing.T) {
	srv := start(t)
	television(t, srv)
	a := beginDevice(t, srv, "")
	guess := func(b *harness.Browser, i int) *harness.Page {
		letters := "BCDFGHJKLMNPQRSTVWXZ"
		return enter(t, srv, b, "ada", fmt.Sprintf("BBBB-BB%c%c", letters[i/20], letters[i%20]))
	}
	b := srv.Browser(t)
	for i := range 10 {
		if page := guess(b, i); page.Status != 422 {
			t.Fatalf("186 guess %d: %d", i, page.Status)
		}
	}
	if page := enter(t, srv, b, "ada", a.String("user_code")); page.Status != 429 || page.ByID("error-page") == nil {
		t.Errorf("186: the browser goes on: %d %s", page.Status, page.Text())
	}
	for i := range 20 {
		if page := guess(srv.Browser(t), 20+i); page.Status != 422 {
			t.Fatalf("186 guess %d: %d", 20+i, page.Status)
		}
	}
	if page := enter(t, srv, srv.Browser(t), "ada", a.String("user_code")); page.Status != 429 {
		t.Errorf("186: the address goes on: %d", page.Status)
	}
	srv.Clock.Advance(61 * time.Minute)
	if page := guess(srv.Browser(t), 99); page.Status != 422 {
		t.Errorf("186 after an hour: %d", page.Status)
	}
}

// Test192PendingDevices: capped by address.
// RFC 8628 §5.2.
func Test192PendingDevices(t *testing.T) {
	srv := start(t)
	television(t, srv)
	counts := map[int]int{}
	for range 120 {
		counts[post(t, srv, "/device_authorization", one("client_id", "tv")).Status]++
	}
	if counts[200] != 100 || counts[429] != 20 {
		t.Errorf("192: %v", counts)
	}
}

// Test189And194Races: parallel polls after approval, and two people at one code.
func Test189And194Races(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			c := nodes(t, database(t), 2)
			television(t, c.Server)
			withinASecond(t, "client on both nodes", func() bool {
				return c.at(1, "/device_authorization", "", one("client_id", "tv")).Status == 200
			})
			a := beginDevice(t, c.Server, "orgs:read")
			ada, bob := c.Browser(t), c.Browser(t)
			pages := []*harness.Page{enter(t, c.Server, ada, "ada", a.String("user_code")), enter(t, c.Server, bob, "bob", a.String("user_code"))}
			won := make([]bool, 2)
			parallel(2, func(i int) {
				page, err := []*harness.Browser{ada, bob}[i].Submit(pages[i], "consent-form", "consent-allow", nil)
				won[i] = err == nil && page.ByID("device-done") != nil
			})
			if won[0] == won[1] {
				t.Errorf("194: %v", won)
			}
			c.Clock.Advance(10 * time.Second)
			all := together(32, func(i int) *harness.Answer { return c.at(i%2, "/token", "", pollAs("tv", a)) })
			got := answers(all)
			if got["200"] != 1 || got["200"]+got["400 invalid_grant"]+got["400 slow_down"] != 32 {
				t.Errorf("189: %v", got)
			}
		})
	}
}
