package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/valetkey/valetkey/oauth"
)

// refused says whether an error is an answer of ours rather than a failure:
// the statement ran, changed nothing and told why.
func refused(err error) bool {
	for _, known := range []error{oauth.ErrNotFound, oauth.ErrReplayed, oauth.ErrConflict, oauth.ErrEnded, oauth.ErrProofUsed} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// mapped turns a driver's error into one of oauth's. The context's own error
// comes first: a query that was cut short says so in many ways.
func (s *Store) mapped(ctx context.Context, err error) error {
	switch {
	case err == nil, refused(err), errors.Is(err, oauth.ErrUnavailable):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case s.closed.Load():
		return fmt.Errorf("%w: closed", oauth.ErrUnavailable)
	}
	return s.failed(asError(err))
}

// asError knows the codes of both drivers.
func asError(err error) error {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return oauth.ErrNotFound
	case errors.Is(err, oauth.ErrUnavailable):
		return err
	case lostConnection(err): // before the codes: a refused connection has one too
		return unavailable(err)
	case errors.As(err, &pg):
		return postgresError(pg.Code, err)
	case errors.As(err, &lite):
		return sqliteError(lite.Code(), err)
	}
	return err
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", oauth.ErrUnavailable, err) }

// postgresError: PostgreSQL's appendix A, "Error Codes".
func postgresError(code string, err error) error {
	switch {
	case code == "23505":
		return fmt.Errorf("%w: %w", oauth.ErrConflict, err)
	case code == "22021", code == "22P05":
		// Text that the database can't hold, such as a NUL, is in no row.
		return oauth.ErrNotFound
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57P"),
		strings.HasPrefix(code, "58"), code == "57014", code == "25006", retryable(code):
		return unavailable(err)
	}
	return err
}

// retryable codes say that the transaction lost against another one.
func retryable(code string) bool { return code == "40001" || code == "40P01" }

// sqliteError reads extended codes; the low byte is the primary one.
func sqliteError(code int, err error) error {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return fmt.Errorf("%w: %w", oauth.ErrConflict, err)
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL:
		return unavailable(err)
	}
	return err
}

func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

func isNotFound(err error) bool { return errors.Is(asError(err), oauth.ErrNotFound) }

// conflictIfNone is for an insert whose RETURNING tells whether it happened.
func conflictIfNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return oauth.ErrConflict
	}
	return err
}

// isBusy: another process has the SQLite database locked just now.
func isBusy(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}
