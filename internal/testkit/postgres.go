//go:build unix

// Package testkit gives each test a database of its own on a private
// PostgreSQL server, and reads what a test costs. It imports nothing of the
// project but that server, so that every package's tests may use it.
package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/test/cluster"
)

// Main runs a package's tests and stops what they started. Tests that call
// Postgres have it as their TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if err := stopServer(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping PostgreSQL:", err)
	}
	os.Exit(code)
}

// Postgres returns the URL of a fresh, empty database that goes with the test:
// on the server that TEST_POSTGRES_URL names, or on a private one that is
// started for the first test that asks. Without PostgreSQL the test fails,
// unless TEST_SKIP lists postgres.
func Postgres(t testing.TB) string {
	t.Helper()
	u, name := fresh(t, "DATABASE", " WITH (FORCE)")
	u.Path = "/" + name
	return u.String()
}

// PostgresSchema is Postgres with an empty schema of a database that tests share,
// which takes a tenth of the time: for those that change nothing but tables.
func PostgresSchema(t testing.TB) string {
	t.Helper()
	u, name := fresh(t, "SCHEMA", " CASCADE")
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// fresh makes something of the server's under a name of its own.
func fresh(t testing.TB, kind, whole string) (u url.URL, name string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TEST_SKIP"), ","), "postgres") {
		t.Skip("TEST_SKIP lists postgres")
	}
	on, err := server()
	if err != nil {
		t.Fatalf("PostgreSQL is needed (or TEST_SKIP=postgres): %v", err)
	}
	name = "test_" + strings.ToLower(rand.Text())
	if err := administer(on, "CREATE "+kind+" "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := administer(on, "DROP "+kind+" IF EXISTS "+name+whole); err != nil {
			t.Error(err)
		}
	})
	return *on, name
}

func administer(on *url.URL, query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, on.String())
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, query)
	return errors.Join(err, c.Close(ctx))
}

// server is found or started once. A private one ends, with its files, when this
// process does, however that comes about.
var server = sync.OnceValues(func() (*url.URL, error) {
	if given := os.Getenv("TEST_POSTGRES_URL"); given != "" {
		return url.Parse(given)
	}
	c, err := cluster.NewInMemory("max_connections=1000")
	if err != nil {
		return nil, err
	}
	private = c
	return url.Parse(c.URL("postgres"))
})

var private *cluster.Cluster

func stopServer() error {
	if private == nil {
		return nil
	}
	return private.Remove()
}
