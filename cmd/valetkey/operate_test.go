package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/test/harness"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// document parses what a command printed: one document and nothing else.
func document(t *testing.T, r result) map[string]any {
	t.Helper()
	var v map[string]any
	decoder := json.NewDecoder(strings.NewReader(r.out))
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		t.Fatalf("no single document: %v\n%s%s", err, r.out, r.err)
	}
	return v
}

// want checks a command's exit code and that its one line of complaint has these
// words.
func (r result) want(t *testing.T, code int, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(r.out+r.err, w) {
			t.Errorf("%q is missing", w)
		}
	}
	if r.code != code || code != exitOK && strings.Count(r.err, "\n") != 1 {
		t.Errorf("exit %d, not %d", r.code, code)
	}
	if t.Failed() {
		t.Fatalf("printed %q, complained %q", r.out, r.err)
	}
}

// newFolder is a data folder with a user.
func newFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "data")
	command(t, "correct horse battery\n", "user", "create", "--username", "root", "--admin", "--password-stdin", "--data-dir", folder).want(t, exitOK)
	return folder
}

// copySecret puts the master secret of one folder into another.
func copySecret(t *testing.T, from string) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "data")
	content, err := os.ReadFile(filepath.Join(from, "master-secret"))
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "master-secret"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestBackupCommands(t *testing.T) {
	old := newFolder(t)
	file := filepath.Join(t.TempDir(), "today")
	made := document(t, command(t, "", "backup", file, "--data-dir", old, "--json"))
	if made["database"] != "sqlite" || made["version"] != version || made["issuer"] != "http://localhost:8080" || len(made["tables"].([]any)) < 20 {
		t.Errorf("%v", made)
	}
	command(t, "", "backup", file, "--data-dir", old).want(t, exitFail, "never overwrites")
	command(t, "", "backup", "--data-dir", old).want(t, exitUsage)
	command(t, "", "backup", file+"2", "--data-dir", filepath.Join(old, "none")).want(t, exitFail, "no such file")
	command(t, "", "backup", file+"2", "--data-dir", old).want(t, exitOK, "holds the SQLite database of http://localhost:8080", "The master secret isn't in it")
	if _, err := os.Stat(filepath.Join(old, "none")); err == nil {
		t.Error("a folder was made")
	}

	command(t, "", "restore", file, "--check", "--data-dir", old).want(t, exitOK, "is whole", "users")
	command(t, "", "restore", file, "--data-dir", filepath.Join(t.TempDir(), "data")).want(t, exitFail, "master secret", "put your copy of it there first")
	command(t, "", "restore", file, "--data-dir", newFolder(t)).want(t, exitFail, "wrong master secret")
	command(t, "", "restore", file, "--data-dir", old).want(t, exitFail, "the database isn't empty: it holds", "users (1)")
	command(t, "", "restore", old, "--data-dir", copySecret(t, old)).want(t, exitFail)

	fresh := copySecret(t, old)
	command(t, "", "restore", file, "--data-dir", fresh, "--issuer", "https://new.example").want(t, exitOK,
		"Restored", "This server's issuer is another, https://new.example", "Everybody signs in anew")
	command(t, "", "user", "list", "--data-dir", fresh).want(t, exitOK, "root")
	did := document(t, command(t, "", "restore", file, "--end-all", "--json", "--data-dir", copySecret(t, old)))
	if did["ended"] != true || did["restored_at"] == nil {
		t.Errorf("%v", did)
	}

	secret := filepath.Join(fresh, "master-secret")
	target := testkit.Postgres(t)
	command(t, "", "restore", file, "--database", target, "--master-secret-file", secret, "--end-all").want(t, exitOK, "Every session and every app's access was ended")
	command(t, "", "user", "list", "--database", target, "--master-secret-file", secret).want(t, exitOK, "root")
}

func TestMoveCommand(t *testing.T) {
	old := newFolder(t)
	target := testkit.Postgres(t)
	move := func(more ...string) result {
		return command(t, "", append([]string{"move", "--data-dir", old, "--to", target}, more...)...)
	}
	command(t, "", "move", "--data-dir", old).want(t, exitUsage, "--to")
	command(t, "", "move", "--data-dir", old, "--to", "mysql://x").want(t, exitUsage, "--to", "write sqlite:PATH or postgres://")
	move("--dry-run").want(t, exitOK, "Dry run: nothing was written", "users")
	if did := document(t, move("--dry-run", "--json")); did["dry_run"] != true || did["from"] != "sqlite" || did["to"] != "postgres" {
		t.Errorf("%v", did)
	}
	move().want(t, exitOK, "Copied from SQLite to PostgreSQL", "master-secret-file: the same as now ("+filepath.Join(old, "master-secret")+")")
	move().want(t, exitFail, "target: the database isn't empty")
	move("--dry-run").want(t, exitFail, "target: the database isn't empty")
	command(t, "", "user", "list", "--database", target, "--master-secret-file", filepath.Join(old, "master-secret")).want(t, exitOK, "root")
	back := filepath.Join(t.TempDir(), "back.db")
	command(t, "", "move", "--database", target, "--master-secret-file", filepath.Join(old, "master-secret"), "--to", "sqlite:"+back).want(t, exitOK, "Copied from PostgreSQL to SQLite")
}

func TestMigrateCommand(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	migrate := func(more ...string) result {
		return command(t, "", append([]string{"migrate", "--data-dir", folder}, more...)...)
	}
	migrate("--dry-run").want(t, exitOK, "would run 001_start.sql", "The database's schema is 0. Nothing was run.")
	if _, err := os.Stat(folder); err == nil {
		t.Error("a dry run made the folder")
	}
	elsewhere := filepath.Join(t.TempDir(), "secret", "master")
	migrate("--master-secret-file", elsewhere).want(t, exitOK, "ran 001_start.sql", "The database's schema is up to date")
	if got := migrate("--master-secret-file", elsewhere); strings.Contains(got.out, "ran") {
		t.Errorf("once more: %q", got.out)
	}
	if did := document(t, migrate("--dry-run", "--json")); len(did["ran"].([]any)) != 0 || did["dry_run"] != true {
		t.Errorf("%v", did)
	}
}

// A database that a newer program has been at work on is refused by every
// command, in one line with both numbers.
func TestNewerSchema(t *testing.T) {
	folder := newFolder(t)
	later(t, filepath.Join(folder, "valetkey.db"))
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for _, args := range [][]string{
		{"serve"},
		{"migrate"},
		{"migrate", "--dry-run"},
		{"user", "list"},
		{"client", "list"},
		{"scope", "list"},
		{"key", "list"},
		{"key", "rotate"},
		{"registration-token", "list"},
		{"connector", "list"},
		{"resource", "delete", "https://x"},
		{"backup", filepath.Join(folder, "b")},
		{"move", "--to", "sqlite:" + filepath.Join(folder, "x.db")},
		{"user", "disable", "root"},
	} {
		t.Run(strings.Join(args[:min(2, len(args))], " "), func(t *testing.T) {
			command(t, "", append(args, "--data-dir", folder)...).want(t, exitFail, "made by a newer version of this program: its schema is 999, this program knows ")
		})
	}
	command(t, "", "doctor", "--data-dir", folder).want(t, exitFail, "fail", "its schema is 999, this program knows ")
	if ctx.Err() != nil {
		t.Error("something hung")
	}
}

// level is what doctor says of a check, the gravest.
func level(t *testing.T, r result, check string) (level, what string) {
	t.Helper()
	for _, one := range document(t, r)["findings"].([]any) {
		f := one.(map[string]any)
		if f["check"] == check && (level == "" || level == "ok" || f["level"] == "fail") {
			level, what = f["level"].(string), f["what"].(string)
		}
	}
	return level, what
}

func TestDoctorCommand(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	if _, err := os.Stat(folder); err == nil {
		t.Fatal("there already")
	}
	fresh := command(t, "", "doctor", "--data-dir", folder, "--json", "--listen", unused(t))
	fresh.want(t, exitOK)
	if got, what := level(t, fresh, "master secret"); got != "warn" {
		t.Errorf("no secret yet is %s: %s", got, what)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("doctor made the folder")
	}

	folder = newFolder(t)
	at := unused(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan result, 1)
	go func() {
		var out, failed strings.Builder
		code := run(ctx, []string{"serve", "--data-dir", folder, "--listen", at, "--log-level", "error"}, console{strings.NewReader(""), &out, &failed})
		served <- result{code, out.String(), failed.String()}
	}()
	defer func() { stop(); (<-served).want(t, exitOK) }()
	until(t, "http://"+at+"/jwks") // which waits for the first keys

	healthy := command(t, "", "doctor", "--data-dir", folder, "--listen", at, "--verify", "--json")
	if got := document(t, healthy); healthy.code != exitOK || got["failures"] != 0.0 || got["warnings"] != 0.0 {
		t.Errorf("a sound server: %s", healthy.out)
	}
	command(t, "", "doctor", "--data-dir", folder, "--listen", at).want(t, exitOK, "and has this database's signing keys", "0 wrong")
	command(t, "", "user", "recover", "root", "--data-dir", folder).want(t, exitOK, "goes by http://localhost:"+strings.Split(at, ":")[1], "this link leads to http://localhost:8080")
	if r := command(t, "", "user", "invite", "--data-dir", folder, "--listen", at); r.err != "" {
		t.Errorf("with the server's own address: %s", r.err)
	}
	command(t, "", "serve", "--data-dir", newFolder(t), "--log-level", "warn", "--listen", at).want(t, exitFail, "something else listens at "+at)
	other := command(t, "", "doctor", "--data-dir", newFolder(t), "--listen", at, "--json")
	if got, what := level(t, other, "issuer"); got != "fail" || !strings.Contains(what, "another") {
		t.Errorf("the server of another database is %s: %s", got, what)
	}
	named := command(t, "", "doctor", "--data-dir", folder, "--issuer", "http://127.0.0.1:"+strings.Split(at, ":")[1], "--json")
	if got, what := level(t, named, "issuer"); got != "fail" || !strings.Contains(what, "calls itself") {
		t.Errorf("another name is %s: %s", got, what)
	}
}

// What doctor finds of files: each is put right again before the next.
func TestDoctorRecover(t *testing.T) {
	folder := newFolder(t)
	command(t, "", "doctor", "--keep", "--data-dir", folder).want(t, exitFail, "--keep goes with --recover")
	command(t, "", "doctor", "--recover", "--data-dir", filepath.Join(folder, "none")).want(t, exitFail, "no such file")
	command(t, "", "doctor", "--recover", "--data-dir", folder).want(t, exitOK, "Every session and every app's access from before", "was ended")
	command(t, "", "doctor", "--recover", "--keep", "--data-dir", folder).want(t, exitOK, "Nothing was ended")

	target, secret := testkit.Postgres(t), filepath.Join(folder, "master-secret")
	on := func(more ...string) result {
		return command(t, "", append(more, "--database", target, "--master-secret-file", secret)...)
	}
	on("doctor", "--recover").want(t, exitFail, "this isn't a database of this program")
	command(t, "", "move", "--data-dir", folder, "--to", target).want(t, exitOK)
	on("user", "list").want(t, exitOK, "root")
	did := document(t, on("doctor", "--recover", "--json"))
	if did["ended"] != true || did["timeline"] != 1.0 {
		t.Errorf("%v", did)
	}
}

func TestDoctorFindsFiles(t *testing.T) {
	folder, at := newFolder(t), unused(t)
	secret := filepath.Join(folder, "master-secret")
	doctor := func(more ...string) result {
		return command(t, "", append([]string{"doctor", "--data-dir", folder, "--listen", at, "--json"}, more...)...)
	}
	chmod := func(file string, mode os.FileMode) {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, r result, code int, check, wanted, words string) {
		t.Helper()
		if got, said := level(t, r, check); got != wanted || !strings.Contains(said, words) || r.code != code {
			t.Errorf("%s: exit %d, %s %q", what, r.code, got, said)
		}
	}
	chmod(secret, 0o644)
	expect("a secret that others read", doctor(), exitFail, "master secret", "fail", "can be read by others (mode 0644)")
	chmod(secret, 0o600)
	chmod(filepath.Join(folder, "valetkey.db"), 0o640)
	expect("a database that others read", doctor(), exitOK, "database", "warn", "can be read by others")
	chmod(filepath.Join(folder, "valetkey.db"), 0o600)

	config := write(t, "clients:\n  - {id: a, name: A, type: web, secret: 'a secret', redirect_uris: [https://a.example/cb]}\n")
	expect("a private configuration", doctor("--config", config), exitOK, "configuration", "ok", "")
	chmod(config, 0o644)
	expect("a secret in a public one", doctor("--config", config), exitOK, "configuration", "warn", "can be read by everybody")
	bad := doctor("--throttle", "maybe")
	expect("a bad setting", bad, exitFail, "configuration", "fail", `"maybe" is not one of on, off`)

	certPEM, keyPEM := pair()
	cert, key := file(t, certPEM), file(t, keyPEM)
	with := func(issuer string) []string {
		return []string{"--tls-cert", cert, "--tls-key", key, "--issuer", issuer}
	}
	expect("a certificate of an hour", doctor(with("https://"+at)...), exitOK, "TLS", "warn", "ends in 0 days")
	expect("one of another host", doctor(with("https://localhost:1")...), exitFail, "TLS", "fail", "isn't for the issuer's host")
	expect("half of one", doctor("--tls-cert", cert, "--tls-key", cert), exitFail, "TLS", "fail", "")
	chmod(key, 0o644)
	expect("a key that others read", doctor(with("https://"+at)...), exitFail, "TLS", "fail", "can be read by everybody")

	if err := os.Rename(secret, secret+".away"); err != nil {
		t.Fatal(err)
	}
	expect("no secret", doctor(), exitFail, "master secret", "fail", "no such file")
	if _, err := os.Stat(secret); err == nil {
		t.Error("doctor made a secret")
	}
}

// What answers at the issuer's address may be something else.
func TestDoctorFindsStrangers(t *testing.T) {
	folder := newFolder(t)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		check  string
		level  string
		words  string
	}{
		"a web page":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "issuer", "fail", "not as this program does"},
		"nothing behind":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "issuer", "fail", "502 Bad Gateway"},
		"a clock behind":  {dated(-10 * time.Second), "clock", "warn", "the issuer's clock"},
		"a clock ahead":   {dated(time.Minute), "clock", "fail", "the issuer's clock"},
		"a clock that is": {dated(0), "clock", "ok", "the issuer's clock"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(c.answer)
			defer srv.Close()
			got := command(t, "", "doctor", "--data-dir", folder, "--issuer", srv.URL, "--json")
			if level, what := level(t, got, c.check); level != c.level || !strings.Contains(what, c.words) {
				t.Errorf("%s %q", level, what)
			}
		})
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	got := command(t, "", "doctor", "--data-dir", folder, "--issuer", secure.URL, "--json")
	if level, what := level(t, got, "issuer"); level != "fail" || !strings.Contains(what, "isn't trusted here") {
		t.Errorf("a certificate of nobody: %s %q", level, what)
	}
}

func dated(ahead time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		_, _ = w.Write([]byte("ok\n"))
	}
}

func unused(t *testing.T) string {
	t.Helper()
	at, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func until(t *testing.T, address string) {
	t.Helper()
	for range 400 {
		if resp, err := http.Get(address); err == nil {
			_ = resp.Body.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("the server doesn't answer")
}

// later pretends that a newer program has been at work.
func later(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), "INSERT INTO migrations (number, name, at) VALUES (999, 'later', 0)")
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
