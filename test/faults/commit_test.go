//go:build unix

package faults

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/test/harness"
)

// stumbling makes every fifth row that a commit changes fail that commit, in
// turn as one that can't be serialized and as one that met a deadlock:
// PostgreSQL's appendix A, 40001 and 40P01. A sequence isn't rolled back, so that
// the next try goes on counting.
const stumbling = `CREATE SEQUENCE stumbles;
CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE n BIGINT := nextval('stumbles');
BEGIN
	IF n % 10 = 0 THEN RAISE EXCEPTION 'stumbled' USING ERRCODE = '40001'; END IF;
	IF n % 10 = 5 THEN RAISE EXCEPTION 'stumbled' USING ERRCODE = '40P01'; END IF;
	RETURN NULL;
END $$;
DO $$ DECLARE name TEXT; BEGIN
	FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
		EXECUTE format('CREATE CONSTRAINT TRIGGER stumbles AFTER INSERT OR UPDATE OR DELETE ON %I
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stumble()', name);
	END LOOP;
END $$`

// TestCommitsStumble: PostgreSQL refuses commits because others were in their
// way. They are done again: every flow succeeds, nothing is done twice, and
// nobody hears of it.
func TestCommitsStumble(t *testing.T) {
	t.Parallel()
	_, database := postgres(t)
	both, p := pair(t, harness.Binary(t), database)
	db, err := pgx.Connect(context.Background(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	count := func(what string) (n int) {
		if err := db.QueryRow(context.Background(), what).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count("SELECT count(*) FROM authorizations")
	if _, err := db.Exec(context.Background(), stumbling); err != nil {
		t.Fatal(err)
	}
	attend(t, both[0])
	attend(t, both[1])
	var running sync.WaitGroup
	var flows atomic.Int64
	var l ledger
	for worker := range 8 {
		running.Go(func() {
			for i := range either(12, 1000) {
				here, there := both[(worker+i)%2], both[(worker+i+1)%2]
				if err := across(here, there); err != nil {
					t.Errorf("flow %d: %v", i, err)
					return
				}
				if !l.flow(context.Background(), here, i) {
					t.Error("a flow failed")
					return
				}
				flows.Add(2)
			}
		})
	}
	running.Go(func() { // what takes several statements
		for range either(5, 50) {
			deviceOf(t, p)
			p.CLI(t, "", nil, "client", "create", "--name", "Other", "--redirect-uri", harness.Callback, "--json")
		}
	})
	running.Wait()
	stumbled := count("SELECT last_value / 5 FROM stumbles")
	if made := count("SELECT count(*) FROM authorizations") - before; made != int(flows.Load()) {
		t.Errorf("%d flows made %d authorizations", flows.Load(), made)
	}
	l.settle(t, both[0])
	if stumbled < int(flows.Load())/5 {
		t.Errorf("only %d commits stumbled", stumbled)
	}
	t.Logf("%d flows, %d commits stumbled", flows.Load(), stumbled)
}

// poorer stands before PostgreSQL and makes it an engine that lacks things: each
// word that it hasn't got is replaced by one of the same length that it never
// had. The result is its URL.
func poorer(t *testing.T, database string, words map[string]string) (poor string, met map[string]*atomic.Int64) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	behind := filepath.Join(query.Get("host"), ".s.PGSQL.5432")
	dir, err := os.MkdirTemp("/tmp", "poor") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	met = map[string]*atomic.Int64{}
	for word := range words {
		met[word] = &atomic.Int64{}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				to, err := net.Dial("unix", behind)
				if err != nil {
					return
				}
				defer to.Close()
				go func() { _, _ = io.Copy(c, to); _ = c.Close() }()
				_, _ = io.Copy(lacking{to, words, met}, c)
			}()
		}
	}()
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	return u.String(), met
}

type lacking struct {
	io.Writer

	words map[string]string
	met   map[string]*atomic.Int64
}

// Write gets a message whole: the client sends each by one write.
func (w lacking) Write(p []byte) (int, error) {
	out := p
	for word, instead := range w.words {
		if n := bytes.Count(out, []byte(word)); n > 0 {
			w.met[word].Add(int64(n))
			out = bytes.ReplaceAll(out, []byte(word), []byte(instead))
		}
	}
	return w.Writer.Write(out)
}

// TestPoorerEngine: an engine that speaks PostgreSQL's protocol and has neither
// LISTEN and NOTIFY nor advisory locks. Two nodes start on it together and serve,
// across one another; what changes at one is known to the other within a second,
// by the poll.
func TestPoorerEngine(t *testing.T) {
	t.Parallel()
	_, database := postgres(t)
	poor, met := poorer(t, database, map[string]string{
		"LISTEN ": "LACKEN ", "pg_notify": "no_notify", "pg_advisory_lock": "no_advisory_lock",
	})
	both, p := pair(t, harness.Binary(t), poor)
	attend(t, both[0])
	attend(t, both[1])
	ctx := context.Background()
	for range either(10, 500) {
		if err := errors.Join(across(both[0], both[1]), across(both[1], both[0])); err != nil {
			t.Fatal(err)
		}
	}
	slowest := time.Duration(0)
	for range either(3, 50) {
		for _, change := range []struct {
			uri    string
			serves bool
		}{{"https://elsewhere.example/cb", false}, {harness.Callback, true}} {
			p.CLI(t, "", nil, "client", "update", both[0].Client, "--redirect-uri", change.uri)
			began := time.Now()
			for _, node := range both {
				for {
					if _, err := node.Code(ctx); (err == nil) == change.serves {
						break
					}
					if time.Since(began) > 5*time.Second {
						t.Fatalf("a node never knew of %s", change.uri)
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
			slowest = max(slowest, time.Since(began))
		}
	}
	if slowest > time.Second {
		t.Errorf("a change was known after %s", slowest)
	}
	for word, n := range met {
		if n.Load() == 0 {
			t.Errorf("nobody asked for %s", word)
		}
	}
	t.Logf("a change is known within %s", slowest)
}
