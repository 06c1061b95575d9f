package store

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// migrateEnv names the database that this very program is to open when it is run
// as a process to be killed.
const migrateEnv = "STORE_TEST_MIGRATE"

// TestMigratingProcess isn't a test but that process.
func TestMigratingProcess(t *testing.T) {
	database := os.Getenv(migrateEnv)
	if database == "" {
		t.Skip("run by TestCase334KilledMigration")
	}
	fmt.Println("begins")
	b := &bed{url: database, offset: new(atomic.Int64)}
	b.open(t)
	fmt.Println("ready")
}

// Case 334: a process that is killed in the middle of a migration leaves the
// schema as it was or as it will be, and the next start completes it.
func TestCase334KilledMigration(t *testing.T) {
	if testing.Short() {
		t.Skip("kills many processes")
	}
	for name, database := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture := &bed{url: database(t), offset: new(atomic.Int64)}
			fixture.atSchema(t, 1, manyClients)
			whole := fixture.copyOf(t)
			took := whole.killedAfter(t, time.Minute)
			latest := len(must(migrations())(t))
			outcomes := map[int]int{}
			for try := range 20 {
				b := fixture.copyOf(t)
				b.killedAfter(t, took*time.Duration(try)/18) // the last two come to an end
				schema := must(schemaOf(t.Context(), b.url))(t)
				outcomes[schema]++
				b.mustBe(t, schema)
				b.Store = b.open(t)
				b.mustBe(t, latest)
				ok(t, b.ReplaceClient(t.Context(), newClient("app000042"), true, false))
			}
			if outcomes[1] < 3 || outcomes[1]+outcomes[latest] != 20 {
				t.Errorf("schemas after the kill: %v", outcomes)
			}
			t.Logf("a migration takes %s; schemas after the kill: %v", took, outcomes)
		})
	}
}

// manyClients give the migrations something to do: an index is made over them.
const manyClients = `INSERT INTO clients (id, owner, metadata, secret_phc, first_party, verified, disabled, epoch, logo_id, created_at, updated_at)
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
	SELECT 'app' || substr('000000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1), 'dev', '{}', '', FALSE, FALSE, FALSE, 1, '', i, i FROM n`

// copyOf makes another database of the same content.
func (b *bed) copyOf(t testing.TB) *bed {
	t.Helper()
	if path, is := strings.CutPrefix(b.url, "sqlite:"); is {
		other := sqliteFile(t)
		ok(t, os.WriteFile(strings.TrimPrefix(other, "sqlite:"), must(os.ReadFile(path))(t), 0o600))
		return b.at(other)
	}
	other := kinds["postgres"](t)
	from, to := must(url.Parse(b.url))(t), must(url.Parse(other))(t)
	administer := *from
	administer.Path = "/postgres"
	db := must(sql.Open("pgx", administer.String()))(t)
	for _, query := range []string{"DROP DATABASE " + to.Path[1:], "CREATE DATABASE " + to.Path[1:] + " TEMPLATE " + from.Path[1:]} {
		_, err := db.ExecContext(t.Context(), query)
		ok(t, err)
	}
	ok(t, db.Close())
	return b.at(other)
}

// killedAfter opens the database in a process of its own, kills that when the
// time is over, and returns how long it lived from its beginning.
func (b *bed) killedAfter(t testing.TB, patience time.Duration) time.Duration {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMigratingProcess$", "-test.v")
	cmd.Env = append(os.Environ(), migrateEnv+"="+b.url)
	out := must(cmd.StdoutPipe())(t)
	cmd.Stderr = cmd.Stdout
	ok(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "begins" {
	}
	began := time.Now()
	killer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	for lines.Scan() && lines.Text() != "ready" {
	}
	lived := time.Since(began)
	killer.Stop()
	_, err := io.Copy(io.Discard, out)
	_ = cmd.Process.Kill()
	if err = errors.Join(err, ignoreExit(cmd.Wait())); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	return lived
}

func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// mustBe checks that the tables are those of a schema, whole, with every row.
func (b *bed) mustBe(t testing.TB, schema int) {
	t.Helper()
	e := must(openSource(t.Context(), b.url))(t)
	defer func() { ok(t, e.close()) }()
	have, tables, err := e.tables(t.Context())
	if err != nil || have != schema {
		t.Fatalf("schema %d: %v", have, err)
	}
	for _, sum := range must(e.sums(t.Context(), tables))(t) {
		if sum.Name == "clients" && sum.Rows != 200_000 {
			t.Errorf("%d clients", sum.Rows)
		}
	}
	latest := must(tablesAt(t.Context(), len(must(migrations())(t))))(t)
	there := must(e.tableNames(t.Context()))(t)
	if len(there) != len(tables)+1 || schema == 1 && len(tables) == len(latest) {
		t.Errorf("schema %d has the tables %v", schema, there)
	}
}
