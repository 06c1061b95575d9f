package store

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// findings are those that aren't fine, as "level check: what".
func (b *bed) findings(t testing.TB) (bad []string) {
	t.Helper()
	found, _ := Examine(t.Context(), b.config(), true)
	for _, f := range found {
		// The tests' clock is years ahead, and their PostgreSQL needn't outlive a power cut.
		if f.Level == Fine || f.Check == "clock" || f.Check == "fsync" || f.Check == "administrators" || f.Check == "disk" {
			continue
		}
		if f.Do == "" {
			t.Errorf("%s says nothing to do", f.Check)
		}
		bad = append(bad, fmt.Sprintf("%s %s: %s", f.Level, f.Check, f.What))
	}
	return bad
}

func TestExamineFindsNothing(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		ok(t, b.flow(t.Context(), g))
		ok(t, b.DeleteUser(t.Context(), g.user.Subject))
		other := b.addUser(t, "u2", true)
		ok(t, b.flow(t.Context(), ground{user: other, client: g.client, session: b.addSession(t, other)}))
		ok(t, b.DeleteClient(t.Context(), g.client.ID))
		before := contents(t, b.url)
		if bad := b.findings(t); bad != nil {
			t.Error(strings.Join(bad, "\n"))
		}
		if changed := differing(before, contents(t, b.url)); changed != nil {
			t.Errorf("looking changed %v", changed)
		}
	})
}

func TestExamineFinds(t *testing.T) {
	wholeDatabases(t)
	session := "INSERT INTO sessions (id, subject, user_epoch, logins, auth_time, acr, amr, created_at, seen_at, expires_at, ended_at, user_agent, address) VALUES "
	for _, c := range []struct{ name, query, want string }{
		{"a session of nobody", session + "('x', 'nobody', 1, 1, 1, '', '', 1, 1, 1, 0, '', '')", "fail consistency: 1 rows of sessions whose subject is gone from users"},
		{"a session of later", "UPDATE sessions SET user_epoch = 9", "fail consistency: 1 rows of sessions under a later epoch than their row of users has"},
		{"a consent of no user", "UPDATE consents SET subject = 'nobody'", "fail consistency: 1 rows of consents whose subject is gone from users"},
		{"a consent of no client", "UPDATE consents SET client_id = 'none'", "fail consistency: 1 rows of consents whose client_id is gone from clients"},
		{"an authorization of later", "UPDATE authorizations SET user_epoch = 9", "fail consistency: 1 rows of authorizations under a later epoch than their row of users has"},
		{"one of a later client", "UPDATE authorizations SET client_epoch = 9", "under a later epoch than their row of clients has"},
		{"one of a later consent", "UPDATE authorizations SET consent_epoch = 9", "under a later epoch than their row of consents has"},
		{"one of no client", "UPDATE authorizations SET client_id = 'none'", "warn consistency: 1 authorizations of clients that are gone without having been deleted"},
		{"a passkey of nobody", "INSERT INTO passkeys VALUES ('x', 'nobody', '', 'y', 0, 1, 1, '', '', 1)", "fail consistency: 1 rows of passkeys whose subject"},
		{"an app of nobody", "INSERT INTO totps VALUES ('x', 'nobody', '', 'y', 0, 1, 1)", "fail consistency: 1 rows of totps whose subject"},
		{"a recovery code of nobody", "INSERT INTO recovery_codes VALUES ('nobody', 'x', 0)", "fail consistency: 1 rows of recovery_codes whose subject"},
		{"an identity of nobody", "INSERT INTO identities VALUES ('i', 's', 'nobody', 'c', '', 1, 1)", "fail consistency: 1 rows of identities whose subject"},
		{"a picture that is gone", "UPDATE users SET picture_id = 'x'", "warn consistency: 1 rows of users whose picture_id is gone from pictures"},
		{"a deleted id", "INSERT INTO deleted_clients VALUES ('app', 1)", "fail consistency: 1 clients under an id that was deleted"},
		{"no version", "DELETE FROM settings WHERE name = 'version'", "fail consistency: 1 missing settings"},
		{"another secret", "UPDATE settings SET value = 'other' WHERE name = 'master'", "fail master secret: wrong master secret"},
		{"a newer schema", "INSERT INTO migrations VALUES (999, 'later', 0)", "fail schema: the database was made by a newer version of this program: its schema is 999, this program knows"},
		{"an older schema", "DELETE FROM migrations WHERE number > 2", "warn schema: its schema is 2, this program's is "},
	} {
		t.Run(c.name, func(t *testing.T) {
			shared(t, func(t *testing.T, b *bed) {
				g := b.ground(t)
				ok(t, b.Issue(t.Context(), b.authorization(g)))
				ok(t, b.statement(t.Context(), func(in conn) error {
					_, err := in.exec(c.query)
					return err
				}))
				if bad := b.findings(t); len(bad) != 1 || !strings.Contains(bad[0], c.want) {
					t.Errorf("%q, not %q", bad, c.want)
				}
			})
		})
	}
}

func TestExamineFiles(t *testing.T) {
	b := newBed(t, sqliteFile(t))
	path := strings.TrimPrefix(b.url, "sqlite:")
	ok(t, os.Chmod(path, 0o644))
	if bad := b.findings(t); len(bad) != 1 || !strings.Contains(bad[0], "can be read by others (mode 0644)") {
		t.Errorf("%q", bad)
	}
	ok(t, os.Chmod(path, 0o600))
	ok(t, b.Close())
	content := must(os.ReadFile(path))(t)
	for i := 4096; i < len(content)/2; i++ {
		content[i] ^= 0x55
	}
	ok(t, os.WriteFile(path, content, 0o600))
	if bad := strings.Join(b.findings(t), "\n"); !strings.Contains(bad, "fail") {
		t.Errorf("half a file of noise: %s", bad)
	}
	if _, err := os.Stat(strings.TrimPrefix(sqliteFile(t), "sqlite:")); err == nil {
		t.Error("looking made a file")
	}
	for url, want := range map[string]string{
		sqliteFile(t): "warn database: there is no ",
		"postgres://127.0.0.1:1/x?connect_timeout=1": "fail database: it can't be reached",
	} {
		if bad := b.at(url).findings(t); len(bad) != 1 || !strings.Contains(bad[0], want) {
			t.Errorf("%s: %q", url, bad)
		}
	}
}

func TestExaminePostgresSettings(t *testing.T) {
	for setting, want := range map[string]string{
		"synchronous_commit = off":                         "fail synchronous_commit: it is off",
		"default_transaction_isolation = serializable":     "warn default_transaction_isolation: it is serializable",
		"default_transaction_read_only = on":               "fail default_transaction_read_only: it is on",
		"default_transaction_isolation = 'read committed'": "",
	} {
		b := newBed(t, kinds["postgres"](t))
		ok(t, b.statement(t.Context(), func(c conn) error {
			var name string
			if err := c.row("SELECT current_database()").Scan(&name); err != nil {
				return err
			}
			_, err := c.exec("ALTER DATABASE " + name + " SET " + setting)
			return err
		}))
		if bad := strings.Join(b.findings(t), "\n"); !strings.Contains(bad, want) || want == "" && bad != "" {
			t.Errorf("%s: %q", setting, bad)
		}
	}
}

func TestJudgeClock(t *testing.T) {
	for ahead, want := range map[time.Duration]Level{
		0: Fine, 2 * time.Second: Fine, -1900 * time.Millisecond: Fine, 2200 * time.Millisecond: Warning, -29 * time.Second: Warning,
		31 * time.Second: Failure, -time.Hour: Failure,
	} {
		if f := JudgeClock("its", ahead); f.Level != want || f.Level != Fine && f.Do == "" {
			t.Errorf("%s: %+v", ahead, f)
		}
	}
}
