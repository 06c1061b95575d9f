package test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// elsewhere runs a case from each kind of database to each.
func elsewhere(t *testing.T, test func(t *testing.T, from, to string)) {
	for one, source := range databases {
		for other, target := range databases {
			t.Run(one+" to "+other, func(t *testing.T) { test(t, source(t), target(t)) })
		}
	}
}

// restoreBed is a server with people and apps of every kind, and its backup.
type restoreBed struct {
	*harness.Server
	config valetkey.Config
	key    *caseKey
}

func newRestoreBed(t *testing.T, database string) *restoreBed {
	t.Helper()
	b := &restoreBed{config: setup(database), key: newCaseKey(t, "ES256", "")}
	b.Server = harness.Start(t, b.config)
	if err := harness.Populate(b.Server); err != nil {
		t.Fatal(err)
	}
	television(t, b.Server)
	register(t, b.Server, "keyed", oauth.Metadata{
		Type: oauth.TypeWeb, AuthMethod: oauth.AuthPrivateJWT, JWKS: jwksOf(b.key), RedirectURIs: []string{harness.Callback},
		GrantTypes: []string{oauth.GrantClientCredentials}, Scope: "orgs:read",
	})
	b.config.Issuer, b.config.Now = b.URL, b.Clock.Now
	return b
}

// on is the configuration with another database.
func (b *restoreBed) on(database string) valetkey.Config {
	c := b.config
	c.Database = database
	return c
}

func (b *restoreBed) backup(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup")
	if _, err := valetkey.Backup(t.Context(), b.config, "test", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// load is a hundred requests a second, until it is told to stop.
func (b *restoreBed) load(t *testing.T) (stop func()) {
	t.Helper()
	var done sync.WaitGroup
	var ended atomic.Bool
	for range 4 {
		tokens := call(t, b.Server, "/token", web, redeemForm(flow(t, b.Server, one("scope", "orgs:read offline_access"))))
		done.Go(func() {
			for refresh := tokens.String("refresh_token"); !ended.Load(); time.Sleep(30 * time.Millisecond) {
				a, err := b.Call("/token", web, refreshForm(refresh))
				if err != nil || a.Status != http.StatusOK {
					t.Errorf("beside the backup: %v %+v", err, a)
					return
				}
				refresh = a.String("refresh_token")
			}
		})
	}
	return func() {
		ended.Store(true)
		done.Wait()
	}
}

func redeemForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// Test333Restore: a backup that was made under load is restored elsewhere. What
// was used or ended by then stays so; what was made later is dead; of what was made
// earlier only refresh tokens and consents go on.
func Test333Restore(t *testing.T) {
	elsewhere(t, func(t *testing.T, from, to string) {
		b := newRestoreBed(t, from)
		redeem := func(code string) *harness.Answer { return call(t, b.Server, "/token", web, redeemForm(code)) }
		refresh := func(token string) *harness.Answer { return call(t, b.Server, "/token", web, refreshForm(token)) }
		lives := func(token string) bool {
			return call(t, b.Server, "/introspect", web, one("token", token)).JSON["active"] == true
		}
		assertion := func() url.Values {
			return byAssertion(b.key.jwt(nil, assertionOf(b.Server, "keyed")), one("grant_type", "client_credentials"))
		}
		silent := "/authorize?" + request(one("prompt", "none")).Encode()

		// Before the backup.
		offline := one("scope", "orgs:read offline_access")
		usedCode, keptCode := flow(t, b.Server, offline), flow(t, b.Server, nil)
		replayed, tokens := redeem(usedCode), redeem(flow(t, b.Server, offline))
		browser := b.Browser(t)
		if _, err := browser.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password); err != nil {
			t.Fatal(err)
		}
		waits := b.Browser(t)
		waiting, err := waits.Get("/authorize?" + request(nil).Encode())
		if err != nil || waiting.ByID("login-form") == nil {
			t.Fatalf("%v %s", err, outcome(waiting))
		}
		pushed, device := push(t, b.Server, nil), beginDevice(t, b.Server, "orgs:read")
		usedAssertion, keptAssertion := assertion(), assertion()
		if a := post(t, b.Server, "/token", usedAssertion); a.Status != http.StatusOK {
			t.Fatalf("assertion: %s", a.Body)
		}
		proof := b.key.proof(proofOf(b.Server, "POST", "/token"))

		stop := b.load(t)
		time.Sleep(200 * time.Millisecond)
		backup := b.backup(t)
		stop()

		// After it.
		laterCode := flow(t, b.Server, offline)
		laterTokens, keptTokens := redeem(laterCode), redeem(keptCode)
		laterAssertion := assertion()
		if a := post(t, b.Server, "/token", laterAssertion); a.Status != http.StatusOK {
			t.Fatalf("assertion: %s", a.Body)
		}
		newest := tokens
		for range 2 {
			newest = refresh(newest.String("refresh_token"))
		}
		did, err := valetkey.Restore(t.Context(), b.on(to), backup, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Restart(b.on(to)); err != nil {
			t.Fatal(err)
		}
		if now := b.Clock.Now(); !now.Truncate(time.Second).After(did.RestoredAt) {
			t.Errorf("restored at %s, begun at %s: in the same second", did.RestoredAt, now)
		}

		for name, code := range map[string]string{"used before": usedCode, "used after": keptCode, "made after": laterCode} {
			if a := redeem(code); a.String("error") != "invalid_grant" {
				t.Errorf("a code that was %s the backup: %s", name, a.Body)
			}
		}
		if a := refresh(replayed.String("refresh_token")); a.String("error") != "invalid_grant" {
			t.Errorf("what a replayed code was given goes on: %s", a.Body)
		}
		for name, form := range map[string]url.Values{"used before": usedAssertion, "made before": keptAssertion, "used after": laterAssertion} {
			if a := post(t, b.Server, "/token", form); a.String("error") != "invalid_client" {
				t.Errorf("an assertion that was %s the backup: %s", name, a.Body)
			}
		}
		for name, token := range map[string]string{"of a later code": laterTokens.String("access_token"), "of a code that was used later": keptTokens.String("access_token")} {
			if lives(token) {
				t.Errorf("an access token %s lives", name)
			}
		}
		if a := refresh(laterTokens.String("refresh_token")); a.String("error") != "invalid_grant" {
			t.Errorf("a refresh token of later: %s", a.Body)
		}
		if page, err := browser.Get(silent); err != nil || page.Location == nil || page.Location.Query().Get("error") != "login_required" {
			t.Errorf("a session of before: %v %s", err, outcome(page))
		}
		if page, err := waits.Get(waiting.URL.RequestURI()); err != nil || page.ByID("login-form") != nil {
			t.Errorf("a page of before: %v %s", err, outcome(page))
		}
		if page, err := b.Browser(t).Get(openPushed("web", pushed.String("request_uri"))); err != nil || page.ByID("login-form") != nil {
			t.Errorf("a pushed request of before: %v %s", err, outcome(page))
		}
		if a := post(t, b.Server, "/token", pollAs("tv", device)); a.String("error") != "expired_token" {
			t.Errorf("a device of before: %s", a.Body)
		}
		if a := post(t, b.Server, "/token", dpopCode(t, b.Server, nil), "DPoP", proof); a.String("error") != "invalid_dpop_proof" {
			t.Errorf("a proof of before: %s", a.Body)
		}

		// A new one of each works.
		if a := redeem(flow(t, b.Server, nil)); a.Status != http.StatusOK {
			t.Errorf("a new code: %s", a.Body)
		}
		if a := post(t, b.Server, "/token", assertion()); a.Status != http.StatusOK {
			t.Errorf("a new assertion: %s", a.Body)
		}
		if a := post(t, b.Server, "/token", dpopCode(t, b.Server, nil), "DPoP", b.key.proof(proofOf(b.Server, "POST", "/token"))); a.Status != http.StatusOK {
			t.Errorf("a new proof: %s", a.Body)
		}

		// Refresh tokens: the newest is above its row and goes on; one that it
		// replaced is old by then.
		next := refresh(newest.String("refresh_token"))
		if next.Status != http.StatusOK || !lives(next.String("access_token")) {
			t.Errorf("the newest refresh token: %s", next.Body)
		}
		b.Clock.Advance(time.Minute)
		if a := refresh(tokens.String("refresh_token")); a.String("error") != "invalid_grant" {
			t.Errorf("an old refresh token: %s", a.Body)
		}
		b.sound(t, to)
	})
}

// sound: doctor finds nothing to complain of.
func (b *restoreBed) sound(t *testing.T, database string) {
	t.Helper()
	found, kids := valetkey.Examine(t.Context(), b.on(database), true)
	for _, f := range found {
		if f.Level != valetkey.FindingFine && f.Check != "clock" && f.Check != "fsync" && f.Check != "disk" {
			t.Errorf("%s %s: %s", f.Level, f.Check, f.What)
		}
	}
	if len(kids) == 0 {
		t.Error("no signing keys")
	}
}

// Test333EndAll: with --end-all nothing of before goes on, and nobody who was
// revoked since comes back.
func Test333EndAll(t *testing.T) {
	elsewhere(t, func(t *testing.T, from, to string) {
		b := newRestoreBed(t, from)
		tokens := call(t, b.Server, "/token", web, redeemForm(flow(t, b.Server, one("scope", "orgs:read offline_access"))))
		own := call(t, b.Server, "/token", "service:"+harness.Secret, one("grant_type", "client_credentials"))
		backup := b.backup(t)
		if _, err := valetkey.Restore(t.Context(), b.on(to), backup, true); err != nil {
			t.Fatal(err)
		}
		if err := b.Restart(b.on(to)); err != nil {
			t.Fatal(err)
		}
		if a := call(t, b.Server, "/token", web, refreshForm(tokens.String("refresh_token"))); a.String("error") != "invalid_grant" {
			t.Errorf("a refresh token: %s", a.Body)
		}
		for client, token := range map[string]string{web: tokens.String("access_token"), "service:" + harness.Secret: own.String("access_token")} {
			if a := call(t, b.Server, "/introspect", client, one("token", token)); a.JSON["active"] == true {
				t.Errorf("an access token of %s lives: %s", strings.Split(client, ":")[0], a.Body)
			}
		}
		b.sound(t, to)
	})
}

// TestMovedServer: a moved database goes on where the other stood, sessions too.
func TestMovedServer(t *testing.T) {
	elsewhere(t, func(t *testing.T, from, to string) {
		b := newRestoreBed(t, from)
		tokens := call(t, b.Server, "/token", web, redeemForm(flow(t, b.Server, one("scope", "orgs:read offline_access"))))
		browser := b.Browser(t)
		if _, err := browser.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password); err != nil {
			t.Fatal(err)
		}
		did, err := valetkey.Move(t.Context(), b.config, valetkey.MoveOptions{To: to})
		if err != nil || len(did.Changed) != 0 {
			t.Fatalf("%v %+v", err, did)
		}
		if err := b.Restart(b.on(to)); err != nil {
			t.Fatal(err)
		}
		if page, err := browser.Get("/authorize?" + request(one("prompt", "none")).Encode()); err != nil || page.Location == nil || page.Location.Query().Get("code") == "" {
			t.Errorf("the session: %v %s", err, outcome(page))
		}
		if a := call(t, b.Server, "/token", web, refreshForm(tokens.String("refresh_token"))); a.Status != http.StatusOK {
			t.Errorf("the refresh token: %s", a.Body)
		}
		b.sound(t, to)
	})
}
