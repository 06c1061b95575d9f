//go:build unix

// Package faults shows what must never happen when something breaks: servers
// killed, databases restarted, disks full, clocks moved, floods. Each test runs
// a short form; FAULTS=long makes it as long as an operator's night.
package faults

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/test/cluster"
	"github.com/valetkey/valetkey/test/harness"
)

// TestMain: most tests wait, for a server that starts or a time that must pass,
// so that more of them go side by side than there are cores. Those that measure
// how long something takes come first, alone.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", either("6", "2")); err != nil {
		panic(err)
	}
	testkit.Main(m)
}

// long says whether the long form was asked for.
func long() bool { return os.Getenv("FAULTS") == "long" }

// either is one number for every run and another for the long form.
func either[T any](short, whole T) T {
	if long() {
		return whole
	}
	return short
}

func skips(word string) bool {
	return slices.Contains(strings.Split(os.Getenv("TEST_SKIP"), ","), word)
}

// postgres is a server of the test's own, whose commits are durable, with one
// empty database.
func postgres(t *testing.T, options ...string) (*cluster.Cluster, string) {
	t.Helper()
	if skips("postgres") {
		t.Skip("TEST_SKIP lists postgres")
	}
	c, err := cluster.New(options...)
	if err != nil {
		t.Fatalf("PostgreSQL is needed (or TEST_SKIP=postgres): %v", err)
	}
	t.Cleanup(func() { _ = c.Remove() })
	if err := c.Exec("CREATE DATABASE valetkey"); err != nil {
		t.Fatal(err)
	}
	return c, c.URL("valetkey")
}

// secretFile is a master secret for nodes that share a database.
func secretFile(t *testing.T, binary string) string {
	t.Helper()
	p := harness.NewProcess(t, binary)
	file := filepath.Join(t.TempDir(), "master-secret")
	if err := os.WriteFile(file, []byte(p.Say(t, "secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// onEachDatabase runs a test with a server, not yet started, of a build that can
// be ended at places, on SQLite and on a PostgreSQL of its own.
func onEachDatabase(t *testing.T, test func(t *testing.T, p *harness.Process)) {
	t.Helper()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			binary := harness.Binary(t, "failpoints")
			var more []string
			if database == "postgres" {
				_, url := postgres(t)
				more = []string{"VALETKEY_DATABASE=" + url, "VALETKEY_MASTER_SECRET_FILE=" + secretFile(t, binary)}
			}
			test(t, harness.NewProcess(t, binary, more...))
		})
	}
}
