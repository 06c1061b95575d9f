package loadgen

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the drivers
	_ "modernc.org/sqlite"
)

// Fill puts so many authorizations into a database that no server has open, each
// as a refreshed code flow of an app leaves it, with a person for each ten and a
// consent and a session for each person. They are from the last thirty days, so
// that nothing sweeps them away, but for the first so many, which are over.
func Fill(ctx context.Context, database string, authorizations, over int, now time.Time) (err error) {
	driver, source, series := "pgx", database, "generate_series(1, %d) AS g(n)"
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)"
		series = "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g) AS g"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	people, first := max(authorizations/10, 1), now.Add(-30*24*time.Hour).Unix()
	until, past := now.Add(60*24*time.Hour).Unix(), now.Add(-24*time.Hour).Unix()
	id := func(kind, n string) string { // 26 characters in the order of n
		return fmt.Sprintf("'0000%s' || substr('00000000000000000000' || %s, length('00000000000000000000' || %s) - 20)", kind, n, n)
	}
	from := func(n int) string { return " FROM " + fmt.Sprintf(series, n) }
	for _, text := range []string{
		fmt.Sprintf(`INSERT INTO clients (id, owner, metadata, secret_phc, first_party, verified, disabled, epoch, logo_id, created_at, updated_at)
			SELECT 'bulk-' || n, '', '{"client_name":"Bulk"}', '', FALSE, FALSE, FALSE, 1, '', %d, %[1]d`, first) + from(100),
		fmt.Sprintf(`INSERT INTO users (subject, username, username_key, email, email_key, email_verified, name, claims, password, admin, disabled,
			external, epoch, created_at, updated_at)
			SELECT %s, 'bulk' || n, 'bulk' || n, 'bulk' || n || '@example.com', 'bulk' || n || '@example.com', TRUE, 'Bulk', '', '', FALSE, FALSE,
			FALSE, 1, %d, %[2]d`, id("u", "n"), first) + from(people),
		fmt.Sprintf(`INSERT INTO sessions (id, subject, user_epoch, logins, auth_time, acr, amr, created_at, seen_at, expires_at, ended_at, user_agent, address)
			SELECT %s, %s, 1, 1, %d, '1', 'pwd', %[3]d, %[3]d, %[4]d, 0, 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', '192.0.2.1'`,
			id("s", "n"), id("u", "n"), first, until) + from(people),
		fmt.Sprintf(`INSERT INTO consents (subject, client_id, scopes, declined, session_id, epoch, granted_at, updated_at, last_used)
			SELECT %s, 'bulk-' || (n %% 100 + 1), 'openid orgs:read', '', %s, 1, %d, %[3]d, %[3]d`, id("u", "n"), id("s", "n"), first) + from(people),
		fmt.Sprintf(`INSERT INTO authorizations (id, client_id, subject, session_id, scopes, resources, claims, auth_time, acr, amr, offline, user_epoch,
			client_epoch, consent_epoch, created_at, expires_at, seed_hash, generation, rotated_at, refresh_until, ended_at, end_reason)
			SELECT %s, 'bulk-' || ((n %% %d + 1) %% 100 + 1), %s, %s, 'openid orgs:read', '', '', %d, '1', 'pwd', FALSE, 1,
			1, 1, %[5]d + n %% 2000000, CASE WHEN n <= %[8]d THEN %[9]d ELSE %[6]d END, %[7]s, 3, %[5]d, CASE WHEN n <= %[8]d THEN 0 ELSE %[6]d END, 0, ''`, id("a", "n"), people,
			id("u", fmt.Sprintf("(n %% %d + 1)", people)), id("s", fmt.Sprintf("(n %% %d + 1)", people)), first, until,
			map[string]string{"pgx": "sha256(n::text::bytea)", "sqlite": "randomblob(32)"}[driver], over, past) + from(authorizations),
		map[string]string{"pgx": "VACUUM ANALYZE", "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)"}[driver],
	} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	return nil
}

// Partition makes the empty table of authorizations one of so many partitions by
// the hash of its primary key, by which every hot statement finds its row:
// docs/scale.md.
func Partition(ctx context.Context, database string, partitions int) (err error) {
	db, err := sql.Open("pgx", database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, fmt.Sprintf(`DO $$ BEGIN
	ALTER TABLE authorizations RENAME TO whole;
	CREATE TABLE authorizations (LIKE whole INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY HASH (id);
	FOR i IN 0..%d LOOP
		EXECUTE format('CREATE TABLE authorizations_p%%s PARTITION OF authorizations FOR VALUES WITH (MODULUS %d, REMAINDER %%s)', i, i);
	END LOOP;
	DROP TABLE whole;
	CREATE INDEX authorizations_pair ON authorizations (subject, client_id);
END $$`, partitions-1, partitions))
	return err
}
