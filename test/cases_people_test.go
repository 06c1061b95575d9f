package test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	bin "encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/harness"
	"github.com/valetkey/valetkey/test/upstreams"
)

// withMail is a server whose letters stay in its mailbox, with an account whose
// address is proven.
func withMail(t *testing.T, change ...func(*valetkey.Config)) *harness.Server {
	t.Helper()
	c := setup(databases["sqlite"](t))
	c.Mailbox, c.ThrottleOff, c.Signup = true, true, true
	c.Authenticators = append(valetkey.DefaultAuthenticators(), valetkey.Authenticator{Name: "email", Factor: 1, Order: 50})
	for _, f := range change {
		f(&c)
	}
	srv := harness.Start(t, c)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Admin().CreateUser(t.Context(), valetkey.NewUser{
		Username: "eve", Email: "eve@example.com", Password: harness.Password, Claims: map[string]any{"email_verified": true},
	}); err != nil {
		t.Fatal(err)
	}
	return srv
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// letterTo waits for the newest letter in the mailbox and answers its text.
func letterTo(t *testing.T, srv *harness.Server, subject string) string {
	t.Helper()
	b := srv.Browser(t)
	for range 100 {
		box := must(b.Get("/mailbox"))(t)
		if at := strings.Index(box.Body, subject); at > 0 {
			from := strings.LastIndex(box.Body[:at], `/mailbox/`)
			path, _, _ := strings.Cut(box.Body[from:], `"`)
			return must(b.Get(path))(t).TextOf("letter")
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no letter %q came", subject)
	return ""
}

func linkIn(t *testing.T, letter string) *url.URL {
	t.Helper()
	for _, word := range strings.Fields(letter) {
		if strings.HasPrefix(word, "http") && strings.Contains(word, "?t=") {
			u, err := url.Parse(word)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
	}
	t.Fatalf("no link in %q", letter)
	return nil
}

// totp is what an authenticator app shows.
func totp(t *testing.T, key string, now time.Time) string {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	var counter [8]byte
	bin.BigEndian.PutUint64(counter[:], uint64(now.Unix()/30))
	mac := hmac.New(sha1.New, raw)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", bin.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// enrolled signs eve in to an app that wants two factors, and sets up an
// authenticator app on the way.
func enrolled(t *testing.T, srv *harness.Server, b *harness.Browser) (key string, codes []string) {
	t.Helper()
	page := must(b.SignIn("/authorize?"+request(url.Values{"acr_values": {"2"}}).Encode(), "eve", harness.Password))(t)
	key = page.TextOf("totp-key")
	if key == "" {
		t.Fatalf("no second factor is set up at %s: %s", page.URL, page.Text())
	}
	page = must(b.Submit(page, "totp-form", "totp-submit", url.Values{"otp": {totp(t, key, srv.Clock.Now())}}))(t)
	codes = strings.Fields(page.TextOf("recovery-codes"))
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes: %s", len(codes), page.Text())
	}
	srv.Clock.Advance(30 * time.Second)
	return key, codes
}

// Test245OneCodeOneSession: of ten sign-ins with one code at once one succeeds.
func Test245OneCodeOneSession(t *testing.T) {
	srv := withMail(t)
	key, _ := enrolled(t, srv, srv.Browser(t))
	code := totp(t, key, srv.Clock.Now())
	var mu sync.Mutex
	var done sync.WaitGroup
	sessions := 0
	for range 10 {
		b := srv.Browser(t)
		page := must(b.SignIn("/login", "eve", harness.Password))(t)
		if page.ByID("otp-form") == nil {
			t.Fatalf("no second factor is asked for: %s", page.Text())
		}
		done.Go(func() {
			after, err := b.Submit(page, "otp-form", "otp-submit", url.Values{"otp": {code}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && after.URL.Path == "/account" {
				sessions++
			}
		})
	}
	done.Wait()
	if sessions != 1 {
		t.Errorf("one code made %d sessions", sessions)
	}
}

// Test202SessionsAreNew: a planted cookie is dead after the sign-in, and the one
// from before the second factor too.
func Test202SessionsAreNew(t *testing.T) {
	srv := withMail(t)
	b := srv.Browser(t)
	must(b.SignIn("/login", "eve", harness.Password))(t)
	session := func() string {
		for _, c := range b.Cookies() {
			if strings.HasSuffix(c.Name, "session") {
				return c.Value
			}
		}
		return ""
	}
	opens := func(value string) bool {
		other := srv.Browser(t)
		other.Plant("session", value)
		return must(other.Get("/account"))(t).URL.Path == "/account"
	}
	one := session()
	if one == "" || !opens(one) {
		t.Fatal("the sign-in made no session")
	}
	page := must(b.Get("/authorize?" + request(url.Values{"acr_values": {"2"}}).Encode()))(t)
	key := page.TextOf("totp-key")
	page = must(b.Submit(page, "totp-form", "totp-submit", url.Values{"otp": {totp(t, key, srv.Clock.Now())}}))(t)
	two := session()
	if two == one || opens(one) || !opens(two) {
		t.Errorf("after the second factor: the same cookie %v, the old one opens %v (%s)", two == one, opens(one), page.Text())
	}
	planted := srv.Browser(t)
	planted.Plant("session", two)
	page = must(planted.Get("/login?switch=1"))(t)
	must(planted.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}}))(t)
	if opens(two) {
		t.Error("a planted session lives on after somebody else signed in over it")
	}
}

// Test210ChangesEndAll: a new second factor ends other sessions and refresh
// tokens.
func Test210ChangesEndAll(t *testing.T) {
	srv := withMail(t)
	other := srv.Browser(t)
	must(other.SignIn("/login", "eve", harness.Password))(t)
	b := srv.Browser(t)
	page := must(b.SignIn("/authorize?"+request(nil).Encode(), "eve", harness.Password))(t)
	tokens := must(srv.Call("/token", "web:"+harness.Secret, url.Values{
		"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "redirect_uri": {request(nil).Get("redirect_uri")}, "code_verifier": {verifier},
	}))(t)
	refresh := tokens.String("refresh_token")
	if refresh == "" {
		t.Fatalf("%s", tokens.Body)
	}
	enrolled(t, srv, srv.Browser(t))
	if page := must(other.Get("/account"))(t); page.URL.Path == "/account" {
		t.Error("another session lives on after a factor was added")
	}
	again := must(srv.Call("/token", "web:"+harness.Secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}))(t)
	if again.String("error") != "invalid_grant" {
		t.Errorf("a refresh token lives on: %s", again.Body)
	}
}

// Test254LinksNameTheIssuer: whatever host a request names, letters lead to ours;
// 260: and nowhere else.
func Test254LinksNameTheIssuer(t *testing.T) {
	srv := withMail(t)
	b := srv.Browser(t)
	b.Header = http.Header{"X-Forwarded-Host": {"evil.example"}, "Forwarded": {"host=evil.example;proto=https"}, "X-Forwarded-Proto": {"https"}}
	page := must(b.Get("/forgot?redirect_uri=https://evil.example&to=https://evil.example&callback=https://evil.example"))(t)
	page = must(b.Submit(page, "forgot-form", "forgot-form-submit", url.Values{"username": {"eve"}}))(t)
	if page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Text())
	}
	letter := letterTo(t, srv, "Reset your password")
	if link := linkIn(t, letter); !strings.HasPrefix(link.String(), srv.Issuer+"/reset?t=") || strings.Contains(letter, "evil") {
		t.Errorf("the letter: %s", letter)
	}
}

// Test257ScannersUseNothing: opening a link, by GET or HEAD, as often as a mail
// scanner likes.
func Test257ScannersUseNothing(t *testing.T) {
	srv := withMail(t)
	b := srv.Browser(t)
	page := must(b.Get("/forgot"))(t)
	must(b.Submit(page, "forgot-form", "forgot-form-submit", url.Values{"username": {"EVE@example.com"}}))(t)
	link := linkIn(t, letterTo(t, srv, "Reset your password"))
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
		req := must(http.NewRequestWithContext(t.Context(), method, link.String(), nil))(t)
		if a := must(harness.Do(req))(t); a.Status != http.StatusOK {
			t.Errorf("%s: %d", method, a.Status)
		}
	}
	page = must(b.Get(link.String()))(t)
	done := make([]*harness.Page, 10)
	var racers sync.WaitGroup
	for i := range done { // 253
		racers.Go(func() {
			done[i], _ = b.Submit(page, "reset-form", "reset-form-submit", url.Values{"password": {fmt.Sprintf("a new password, number %d", i)}})
		})
	}
	racers.Wait()
	set := 0
	for _, p := range done {
		switch {
		case p == nil:
		case p.Status == http.StatusOK:
			set++
		case p.Status != http.StatusGone:
			t.Errorf("%d %s", p.Status, p.Text())
		}
	}
	if set != 1 {
		t.Errorf("one link set %d passwords", set)
	}
}

// TestWritesOfSignIn: with a password two durable writes at most, with a second
// factor too.
func TestWritesOfSignIn(t *testing.T) {
	srv := withMail(t, func(c *valetkey.Config) { c.Mailbox, c.Authenticators = false, nil }) // letters are written by themselves
	key, _ := enrolled(t, srv, srv.Browser(t))
	for what, c := range map[string]struct {
		name string
		most uint64
	}{"password": {"ada", 1}, "password and code": {"eve", 1}} {
		b := srv.Browser(t)
		page := must(b.Get("/login"))(t)
		before := srv.Writes()
		page = must(b.Submit(page, "login-form", "login-submit", url.Values{"username": {c.name}, "password": {harness.Password}}))(t)
		if page.ByID("otp-form") != nil {
			page = must(b.Submit(page, "otp-form", "otp-submit", url.Values{"otp": {totp(t, key, srv.Clock.Now())}}))(t)
		}
		if page.URL.Path != "/account" {
			t.Fatalf("%s: %s", what, page.Text())
		}
		if n := srv.Writes() - before; n > c.most {
			t.Errorf("%s: %d writes", what, n)
		}
	}
}

// Test312PeoplesSecretsAtRest: no key, code or link of a person's stands in the
// database or the log as it is.
func Test312PeoplesSecretsAtRest(t *testing.T) {
	folder := t.TempDir()
	log := new(journal)
	srv := withMail(t, func(c *valetkey.Config) {
		c.Database, c.Log, c.AccessLog = "sqlite:"+filepath.Join(folder, "v.db"), slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), true
	})
	found := canaries{}
	key, codes := enrolled(t, srv, srv.Browser(t))
	key = strings.ReplaceAll(key, " ", "")
	found.add("the key of an authenticator app", key)
	raw := must(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key))(t)
	found["the same, decoded"] = raw
	for _, code := range codes {
		found.add("a recovery code", code)
		found.add("a recovery code without hyphens", strings.ReplaceAll(code, "-", ""))
	}
	b := srv.Browser(t)
	page := must(b.Get("/forgot"))(t)
	must(b.Submit(page, "forgot-form", "forgot-form-submit", url.Values{"username": {"eve"}}))(t)
	found.add("the token of a link", linkIn(t, letterTo(t, srv, "Reset your password")).Query().Get("t"))
	found.add("an address in the queue of letters", "Someone, probably you")
	for _, name := range []string{"v.db", "v.db-wal"} {
		if content, err := os.ReadFile(filepath.Join(folder, name)); err == nil && len(content) > 0 {
			found.in(t, name, content)
		}
	}
	delete(found, "an address in the queue of letters")
	found.in(t, "the log", log.bytes())
}

// TestUpstreamCallback: cases 265, 266, 270, 244: what comes back must be what
// went out, once, in the same browser, and soon.
func TestUpstreamCallback(t *testing.T) {
	provider := upstreams.OIDC(t, upstreams.Options{})
	connector := valetkey.Connector{Name: "corp", Kind: "oidc", Title: "Corp", Issuer: provider.URL, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret}
	srv := withMail(t, func(c *valetkey.Config) {
		c.FetchAllowLoopback, c.Connectors = true, []valetkey.Connector{connector}
	})
	leave := func(b *harness.Browser) *url.URL {
		page := must(b.Hop(http.MethodGet, "/login/with/corp", nil))(t)
		if page.Location == nil || !strings.HasPrefix(page.Location.String(), provider.URL) {
			t.Fatalf("%d to %v", page.Status, page.Location)
		}
		return page.Location
	}
	back := func(at *url.URL) *url.URL {
		answer := must(provider.Browse(at.String(), "alice"))(t)
		return must(url.Parse(srv.Issuer + "/login/callback/corp?" + answer.Encode()))(t)
	}
	refused := func(what string, b *harness.Browser, at *url.URL) {
		t.Helper()
		page := must(b.Get(at.String()))(t)
		if page.Status < 400 || page.Status >= 500 {
			t.Errorf("%s: %d at %s", what, page.Status, page.URL)
		}
		if account := must(b.Get("/account"))(t); account.URL.Path == "/account" {
			t.Errorf("%s: there is a session", what)
		}
	}
	with := func(u *url.URL, name, value string) *url.URL {
		q := u.Query()
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
		other := *u
		other.RawQuery = q.Encode()
		return &other
	}
	b := srv.Browser(t)
	came := back(leave(b))
	refused("no state", srv.Browser(t), with(came, "state", ""))
	refused("another browser's", srv.Browser(t), came)
	refused("a made-up state", b, with(came, "state", "x"))
	refused("another issuer", b, with(came, "iss", "https://evil.example"))
	late := srv.Browser(t)
	slow := back(leave(late))
	srv.Clock.Advance(20 * time.Minute)
	refused("an old one", late, slow)

	b = srv.Browser(t)
	came = back(leave(b))
	if page := must(b.Get(came.String()))(t); page.URL.Path != "/account" {
		t.Fatalf("alice isn't in: %d %s", page.Status, page.Text())
	}
	must(b.Get("/login?switch=1"))(t)
	if page := must(srv.Browser(t).Get(came.String()))(t); page.Status < 400 {
		t.Errorf("a used answer elsewhere: %d", page.Status)
	}
	before := srv.Writes()
	for range 200 { // 244
		leave(srv.Browser(t))
	}
	if n := srv.Writes() - before; n != 0 {
		t.Errorf("200 sign-ins that nobody finished cost %d writes", n)
	}
}
