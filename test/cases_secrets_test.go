package test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// canaries are secrets by what they are.
type canaries map[string][]byte

func (c canaries) add(what, secret string) { c[what] = []byte(secret) }

// refresh notes a refresh token and the seed from which it is computed: with
// the seed and the master secret every generation could be made.
func (c canaries) refresh(t *testing.T, what, token string) {
	t.Helper()
	c.add(what, token)
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "rt_"))
	if err != nil || len(raw) < 42 {
		t.Fatalf("%s: %v", token, err)
	}
	c[what+", its seed"] = raw[26:42]
	c[what+", its tag"] = raw[len(raw)-32:]
}

// in finds what of them stands in some bytes, in clear or in the writings that
// a dump uses.
func (c canaries) in(t *testing.T, where string, content []byte) {
	t.Helper()
	if len(content) < 100 {
		t.Fatalf("%s is empty: %q", where, content)
	}
	lower := bytes.ToLower(content)
	for _, what := range slices.Sorted(maps.Keys(c)) {
		secret := c[what]
		if len(secret) < 8 {
			t.Fatalf("%s: %q is too short to be told from chance", what, secret)
		}
		writings := map[string][]byte{
			"in clear": secret, "percent-encoded": []byte(url.QueryEscape(string(secret))),
			"in base64":    []byte(base64.RawStdEncoding.EncodeToString(secret)),
			"in base64url": []byte(base64.RawURLEncoding.EncodeToString(secret)),
		}
		for writing, text := range writings {
			if bytes.Contains(content, text) {
				t.Errorf("%s holds %s %s", where, what, writing)
			}
		}
		if bytes.Contains(lower, []byte(hex.EncodeToString(secret))) {
			t.Errorf("%s holds %s in hex", where, what)
		}
	}
}

// journal is a log that may be read while it is written.
type journal struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Write(p)
}

func (j *journal) bytes() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Clone(j.lines.Bytes())
}

// Test312SecretsAtRest: 312, 313: a life with every kind of
// secret there is; then none of them is in the database, its log files
// included, nor in the log at its most talkative.
func Test312SecretsAtRest(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			var log journal
			c := setup(database(t))
			c.Log, c.AccessLog, c.Signup = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), true, true
			srv, err := harness.Launch(c)
			if err != nil {
				t.Fatal(err)
			}
			found := canaries{}
			for i, line := range strings.Fields(string(c.MasterSecret)) {
				if len(line) >= 20 {
					found.add(fmt.Sprint("master secret ", i), line)
				}
			}
			live(t, srv, found)
			misbehave(t, srv, found)
			found.in(t, "the database of a running server", dump(t, c.Database))
			if err := srv.Stop(); err != nil { // writes what is written lazily
				t.Fatal(err)
			}
			atRest := dump(t, c.Database)
			privateKeys(t, c, found)
			found.in(t, "the database", atRest)
			found.in(t, "the log", log.bytes())
			for _, word := range []string{"PRIVATE KEY", `"d":"`, "password=", "client_secret=", "code_verifier", "Bearer ", "Basic "} {
				if bytes.Contains(log.bytes(), []byte(word)) {
					t.Errorf("313: the log says %q", word)
				}
			}
			// The scan can find something: what isn't secret is there.
			if !bytes.Contains(atRest, []byte("ada@example.com")) || !bytes.Contains(log.bytes(), []byte("request")) {
				t.Error("312: nothing was scanned")
			}
			if !bytes.Contains(atRest, []byte("$argon2id$")) {
				t.Error("312: passwords aren't argon2id")
			}
		})
	}
}

// live does what people and apps do, and notes each secret that comes of it.
func live(t *testing.T, srv *harness.Server, found canaries) {
	t.Helper()
	link, err := srv.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(link, "token=")
	found.add("set-up link", token)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	found.add("user's password", harness.Password)
	found.add("chosen client secret", harness.Secret)
	made, err := srv.Admin().RotateSecret(t.Context(), "other", "")
	if err != nil {
		t.Fatal(err)
	}
	found.add("made client secret", made.Secret)

	ada := srv.Browser(t)
	ada.Header.Set("User-Agent", "a browser of the test")
	first, err := ada.Get("/login")
	if err != nil {
		t.Fatal(err)
	}
	found.add("form token", hidden(t, first, "form"))
	for _, client := range []string{"web", "compat"} {
		change := url.Values{"client_id": {client}, "scope": {"openid profile email offline_access orgs:read"}, "state": {"the state canary"}, "nonce": {"n"}}
		flowOf(t, srv, ada, client, change, found)
	}
	// A code that is too long for a URL has its content in the database.
	long := strings.Repeat(`{"value":"a long value that is asked for"},`, 30)
	names := oauth.StandardClaims()
	claims := `{"id_token":{`
	for _, name := range names {
		claims += fmt.Sprintf(`%q:{"values":[%q,%q]},`, name, long[:50], long[50:90])
	}
	flowOf(t, srv, ada, "web", url.Values{"state": {"the state canary"}, "scope": {"openid offline_access profile email address phone"}, "claims": {strings.TrimSuffix(claims, ",") + "}}"}}, found)
	if code := string(found["web code"]); len(code) > 200 {
		t.Errorf("a code of %d characters isn't parked", len(code))
	}
	found.add("session cookie", cookieOf(ada, "session"))
	_, password, _ := strings.Cut(cookieOf(ada, "session"), ".")
	found.add("session cookie's secret", password)
	found.add("browser cookie", cookieOf(ada, "browser"))
	// A form that changes a password, and a sign-up.
	page, err := ada.Get("/account/password")
	if err != nil {
		t.Fatal(err)
	}
	found.add("new password", "quite another canary")
	if page, err = ada.Submit(page, "password-form", "", url.Values{"current": {harness.Password}, "new": {"quite another canary"}}); err != nil || !strings.Contains(page.Text(), "changed") {
		t.Fatalf("%v %s", err, page.Text())
	}
	eve := srv.Browser(t)
	if page, err = eve.Get("/signup"); err != nil {
		t.Fatal(err)
	}
	found.add("password of a sign-up", "the canary of eve")
	if page, err = eve.Submit(page, "signup-form", "", url.Values{"username": {"eve"}, "password": {"the canary of eve"}}); err != nil || page.URL.Path != "/account" {
		t.Fatalf("%v %s", err, page.Text())
	}
}

// flowOf signs in, redeems, refreshes, asks and revokes, and notes everything.
func flowOf(t *testing.T, srv *harness.Server, b *harness.Browser, client string, change url.Values, found canaries) {
	t.Helper()
	basic := client + ":" + harness.Secret
	q := merge(url.Values{"client_id": {client}}, change)
	page, err := b.Get("/authorize?" + request(q).Encode())
	if err != nil {
		t.Fatal(err)
	}
	found.add(client+" interaction", page.URL.Query().Get("i"))
	if page.Location == nil {
		page, err = b.SignIn("/authorize?"+request(q).Encode(), "ada", harness.Password)
	}
	if err != nil || page.Location == nil || page.Location.Query().Get("code") == "" {
		t.Fatalf("%v %s", err, outcome(page))
	}
	code := page.Location.Query().Get("code")
	found.add(client+" code", code)
	found.add("state", q.Get("state"))
	found.add("verifier", verifier)
	tokens := call(t, srv, "/token", basic, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
	next := call(t, srv, "/token", basic, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}})
	for i, a := range []*harness.Answer{tokens, next} {
		if a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		what := fmt.Sprintf("%s %d ", client, i)
		found.add(what+"access token", a.String("access_token"))
		found.add(what+"ID token", a.String("id_token"))
		found.refresh(t, what+"refresh token", a.String("refresh_token"))
	}
	bearer(t, srv, "GET", "/userinfo", "Bearer "+next.String("access_token"), "")
	call(t, srv, "/introspect", basic, one("token", next.String("access_token")))
	call(t, srv, "/revoke", basic, one("token", tokens.String("access_token")))
	if client == "compat" {
		call(t, srv, "/revoke", basic, one("token", next.String("refresh_token")))
	}
	// Proven replays are noted and logged.
	call(t, srv, "/token", basic, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
}

// misbehave sends secrets where they don't belong, since people do.
func misbehave(t *testing.T, srv *harness.Server, found canaries) {
	t.Helper()
	secret := func(what string) string {
		canary := "misplaced-canary-" + strings.ReplaceAll(what, " ", "-")
		found.add(what, canary)
		return canary
	}
	call(t, srv, "/token", "web:"+secret("wrong client secret"), one("grant_type", "authorization_code"))
	call(t, srv, "/token", "", url.Values{"client_id": {"web"}, "client_secret": {secret("wrong client secret in the body")}, "grant_type": {"authorization_code"}})
	call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {secret("junk code")}, "code_verifier": {secret("junk verifier")}})
	call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"rt_" + secret("junk refresh token")}})
	call(t, srv, "/token", "service:"+harness.Secret, url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {secret("password at the token endpoint")}})
	call(t, srv, "/token?client_secret="+secret("client secret in a query"), "", one("client_id", "web"))
	call(t, srv, "/introspect", "web:"+harness.Secret, one("token", "at_"+secret("junk access token")))
	call(t, srv, "/revoke", "web:"+harness.Secret, one("token", secret("junk token to revoke")))
	bearer(t, srv, "GET", "/userinfo", "Bearer "+secret("junk bearer"), "")
	bearer(t, srv, "GET", "/userinfo?access_token="+secret("bearer in a query"), "", "")
	bearer(t, srv, "GET", "/authorize?"+request(url.Values{"state": {secret("state of a bad request")}, "prompt": {"odd"}}).Encode(), "", "")
	bearer(t, srv, "GET", "/authorize?"+request(one("id_token_hint", secret("junk hint"))).Encode(), "", "")
	bearer(t, srv, "GET", "/login?i="+secret("junk interaction"), "", "")
	bearer(t, srv, "GET", "/setup?token="+secret("junk set-up token"), "", "")
	try(t, srv.Browser(t), "ada", secret("wrong password"))
	try(t, srv.Browser(t), secret("password typed as username"), "not the password")
	b := srv.Browser(t)
	b.Header.Set("Cookie", "session="+strings.Repeat("0", 26)+"."+secret("junk session"))
	if _, err := b.Get("/account"); err != nil {
		t.Fatal(err)
	}
}

// dump is all that the database holds: of SQLite the bytes of every file, of
// PostgreSQL every row of every table.
func dump(t *testing.T, database string) []byte {
	t.Helper()
	var out bytes.Buffer
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		files, err := filepath.Glob(path + "*")
		if err != nil || len(files) == 0 {
			t.Fatalf("%v %v", err, files)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(content)
		}
		return out.Bytes()
	}
	ctx := context.Background()
	db, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	rows, err := db.Query(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 10 {
		t.Fatalf("%v %v", err, tables)
	}
	for _, table := range tables {
		rows, err := db.Query(ctx, "SELECT t::text FROM "+pgx.Identifier{table}.Sanitize()+" t")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n%s\n", table, strings.Join(lines, "\n"))
	}
	return out.Bytes()
}

// privateKeys opens the signing keys as the server does, so that the scan can
// look for them.
func privateKeys(t *testing.T, c valetkey.Config, found canaries) {
	t.Helper()
	ring, err := seal.Parse(c.MasterSecret)
	if err != nil {
		t.Fatal(err)
	}
	box := ring.Box("signing-key", "")
	rows := sealedKeys(t, c.Database)
	for kid, sealed := range rows {
		der, err := box.Open(sealed, []byte(kid))
		if err != nil {
			t.Fatalf("312: key %s isn't bound to its row: %v", kid, err)
		}
		found["private key "+kid] = der[len(der)/3:]
		for other := range rows {
			if _, err := box.Open(sealed, []byte(other)); err == nil && other != kid {
				t.Errorf("312: key %s opens as %s", kid, other)
			}
		}
	}
	if len(rows) < 2 {
		t.Errorf("312: %d signing keys", len(rows))
	}
}

func sealedKeys(t *testing.T, database string) map[string]string {
	t.Helper()
	driver, source := "pgx", database
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT kid, sealed FROM signing_keys")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]string{}
	for rows.Next() {
		var kid string
		var sealed []byte
		if err := rows.Scan(&kid, &sealed); err != nil {
			t.Fatal(err)
		}
		out[kid] = string(sealed)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Test313DatabasePassword: a database that can't be reached is told without
// its password.
func Test313DatabasePassword(t *testing.T) {
	c := setup("postgres://valetkey:the-canary-password@127.0.0.1:1/valetkey?connect_timeout=2")
	c.Issuer = "http://localhost:8080"
	_, err := valetkey.New(t.Context(), c)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("313: %v", err)
	}
	c.Database = "postgres://valetkey:the-canary-password@[::1/valetkey"
	if _, err = valetkey.New(t.Context(), c); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("313: %v", err)
	}
}

// Test312SwappedKeys: 312: a sealed key moved into another row is no key.
func Test312SwappedKeys(t *testing.T) {
	c := setup(databases["sqlite"](t))
	srv, err := harness.Launch(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	grant(t, srv, "web", one("scope", "openid"))
	if err := srv.Stop(); err != nil {
		t.Fatal(err)
	}
	path, _ := strings.CutPrefix(c.Database, "sqlite:")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(sealedKeys(t, c.Database)))
	if len(keys) < 2 {
		t.Fatalf("%v", keys)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE signing_keys SET sealed = (SELECT sealed FROM signing_keys WHERE kid = $1)", keys[0]); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := harness.Launch(c)
	if err != nil {
		return // it refuses to start, which is as good
	}
	defer func() { _ = again.Stop() }()
	document := bearer(t, again, "GET", "/jwks", "", "")
	for _, kid := range keys[1:] {
		if strings.Contains(document.Body, `"`+kid+`"`) {
			t.Errorf("312: the swapped key %s is published", kid)
		}
	}
}
