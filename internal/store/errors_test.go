package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
)

func TestErrorMapping(t *testing.T) {
	other := errors.New("a fault of ours")
	for _, row := range []struct {
		err, want error
	}{
		{sql.ErrNoRows, oauth.ErrNotFound},
		{sql.ErrConnDone, oauth.ErrUnavailable},
		{driver.ErrBadConn, oauth.ErrUnavailable},
		{io.ErrUnexpectedEOF, oauth.ErrUnavailable},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, oauth.ErrUnavailable},
		{&pgconn.PgError{Code: "23505"}, oauth.ErrConflict},
		{&pgconn.PgError{Code: "57P01"}, oauth.ErrUnavailable},
		{&pgconn.PgError{Code: "57P03"}, oauth.ErrUnavailable},
		{&pgconn.PgError{Code: "53300"}, oauth.ErrUnavailable},
		{&pgconn.PgError{Code: "25006"}, oauth.ErrUnavailable},
		{&pgconn.PgError{Code: "40001"}, oauth.ErrUnavailable},
		{&pgconn.PgError{Code: "22021"}, oauth.ErrNotFound},
		{sqliteError(1555, other), oauth.ErrConflict},
		{sqliteError(2067, other), oauth.ErrConflict},
		{sqliteError(5, other), oauth.ErrUnavailable},
		{sqliteError(5|2<<8, other), oauth.ErrUnavailable},
		{sqliteError(13, other), oauth.ErrUnavailable},
		{sqliteError(10|4<<8, other), oauth.ErrUnavailable},
		{sqliteError(1, other), other},
		{&pgconn.PgError{Code: "42703"}, nil},
		{other, other},
	} {
		got := asError(fmt.Errorf("wrapped: %w", row.err))
		if row.want == nil {
			row.want = row.err
		}
		wants(t, row.err.Error(), got, row.want)
		if refused(got) != refused(row.want) || errors.Is(got, oauth.ErrUnavailable) != errors.Is(row.want, oauth.ErrUnavailable) {
			t.Errorf("%v became %v", row.err, got)
		}
	}
}

// A uniqueness conflict is told by the driver's code on both databases.
func TestUniquenessConflict(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		insert := func() error { return b.statement(t.Context(), func(c conn) error { return insertUsed(c, 1) }) }
		ok(t, insert())
		wants(t, "the same row", insert(), oauth.ErrConflict)
		b.addUser(t, "u1", false)
		u := admin(0)
		u.UsernameKey = "u1"
		wants(t, "the same name", b.CreateUser(t.Context(), u), oauth.ErrConflict)
	})
}

// What the cache holds is believed for two seconds without a poll, then
// nothing is.
func TestOutage(t *testing.T) {
	b := newBed(t, testkit.Postgres(t))
	ctx, g := t.Context(), b.ground(t)
	must(b.Client(ctx, "app"))(t)
	switchOff(t, b.url, true)
	must(b.Client(ctx, "app"))(t)
	wants(t, "a code", b.Issue(ctx, b.authorization(g)), oauth.ErrUnavailable)
	_, err := b.Authorization(ctx, "x")
	wants(t, "introspection", err, oauth.ErrUnavailable)
	wants(t, "ping", b.Ping(ctx), oauth.ErrUnavailable)
	b.cache.expire()
	_, err = b.Client(ctx, "app")
	wants(t, "a stale client", err, oauth.ErrUnavailable)
	_, err = b.Catalog(ctx)
	wants(t, "a stale catalog", err, oauth.ErrUnavailable)
	switchOff(t, b.url, false)
	must(b.Client(ctx, "app"))(t)
	ok(t, b.Issue(ctx, b.authorization(g)))
}

func switchOff(t *testing.T, database string, off bool) {
	t.Helper()
	u, err := url.Parse(database)
	ok(t, err)
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	c, err := pgx.Connect(t.Context(), u.String())
	ok(t, err)
	defer func() { ok(t, c.Close(t.Context())) }()
	_, err = c.Exec(t.Context(), fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %v", name, !off))
	ok(t, err)
	_, err = c.Exec(t.Context(), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", name)
	ok(t, err)
}

func TestAnotherProcessIsNoticed(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		b.addClient(t, "app")
		other := b.open(t)
		go other.Run(ctx)
		must(other.Client(ctx, "app"))(t)
		_, err := other.Client(ctx, "new")
		wants(t, "before it is made", err, oauth.ErrNotFound)
		b.addClient(t, "new")
		ok(t, b.DisableClient(ctx, "app"))
		ok(t, b.CreateScope(ctx, oauth.Scope{Name: "notes", Title: "Notes"}))
		eventually(t, func() bool {
			c, err := other.Client(ctx, "app")
			_, there := other.Client(ctx, "new")
			catalog, read := other.Catalog(ctx)
			return err == nil && c.Disabled && there == nil && read == nil && catalog.Scopes["notes"].Title == "Notes"
		})
	})
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for range 100 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("not within a second")
}

// A client that was read before a change and arrives after it isn't kept.
func TestSlowReadIsNotCached(t *testing.T) {
	b := newBed(t, "sqlite::memory:")
	old := b.addClient(t, "app")
	_, _, fill := b.cache.client("app")
	ok(t, b.DisableClient(t.Context(), "app"))
	b.cache.keep("app", old, fill)
	if c := must(b.Client(t.Context(), "app"))(t); !c.Disabled {
		t.Error("the older client was kept")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache()
	defer c.stop()
	for i := range maxClients + 10 {
		c.keep(fmt.Sprint(i), &oauth.Client{}, c.fill)
		c.keep(fmt.Sprint("absent", i), nil, c.fill)
	}
	if len(c.clients) != maxClients || len(c.absent) != maxAbsent {
		t.Errorf("%d clients, %d absent", len(c.clients), len(c.absent))
	}
}
