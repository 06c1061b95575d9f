//go:build unix

// Package testkit gives each test a database of its own on a private
// PostgreSQL server. It imports nothing of the project, so that every package's
// tests may use it.
package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Main runs a package's tests and stops what they started. Tests that call
// Postgres have it as their TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if err := stopCluster(); err != nil {
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
	if slices.Contains(strings.Split(os.Getenv("TEST_SKIP"), ","), "postgres") {
		t.Skip("TEST_SKIP lists postgres")
	}
	server, err := cluster()
	if err != nil {
		t.Fatalf("PostgreSQL is needed (or TEST_SKIP=postgres): %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := administer(server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := administer(server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	u := *server
	u.Path = "/" + name
	return u.String()
}

func administer(server *url.URL, query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, query)
	return errors.Join(err, c.Close(ctx))
}

// cluster finds or starts the server, once.
var cluster = sync.OnceValues(func() (*url.URL, error) {
	if given := os.Getenv("TEST_POSTGRES_URL"); given != "" {
		return url.Parse(given)
	}
	return startCluster()
})

// running is the private server; closing alive ends it, as does the end of
// this process, however it comes about.
var running struct {
	alive io.Closer
	wait  func() error
}

func stopCluster() error {
	if running.alive == nil {
		return nil
	}
	return errors.Join(running.alive.Close(), running.wait())
}

// supervise runs the server until its standard input ends, then takes it and
// its files away.
const supervise = `"$0/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$1/log" 2>&1 || exit 1
"$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off -c max_connections=1000 >>"$1/log" 2>&1 &
cat >/dev/null
kill -INT $!
wait $!
cd / && rm -rf "$1"`

func startCluster() (*url.URL, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "pg") // a socket's path must be short
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", supervise, bin, dir) //nolint:noctx // lives as long as the process
	cmd.Dir = dir
	if err := runAsPostgres(cmd, dir); err != nil {
		return nil, err
	}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	running.alive = alive
	running.wait = func() error { return errors.Join(cmd.Wait(), os.RemoveAll(dir)) }
	server := &url.URL{
		Scheme: "postgres", Path: "/postgres",
		RawQuery: url.Values{"host": {dir}, "user": {"postgres"}}.Encode(),
	}
	return server, untilReady(server, dir)
}

func untilReady(server *url.URL, dir string) error {
	var err error
	for range 600 {
		if err = administer(server, "SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	return fmt.Errorf("%w\n%s", err, log)
}

// programs finds the folder of initdb and postgres: the one in PATH, or
// Debian's, the newest first.
func programs() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("initdb is neither in PATH nor in /usr/lib/postgresql/*/bin")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// runAsPostgres: PostgreSQL refuses to run as root.
func runAsPostgres(cmd *exec.Cmd, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, errUID := strconv.ParseUint(who.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(who.Gid, 10, 32)
	if err := errors.Join(errUID, errGID, os.Chown(dir, int(uid), int(gid))); err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return nil
}
