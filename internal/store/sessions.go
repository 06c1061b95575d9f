package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

const sessionColumns = `id, subject, user_epoch, logins, auth_time, acr, amr, secret_hash, created_at, seen_at,
	expires_at, ended_at, user_agent, address`

// standing: not ended, not expired, of an account that hasn't moved on, and
// not older than a restore, which can't know what has ended since.
const standing = `ended_at = 0 AND expires_at > $1 AND created_at >= $2
	AND EXISTS (SELECT 1 FROM users WHERE users.subject = sessions.subject
		AND users.epoch = sessions.user_epoch AND NOT users.disabled)`

func scanSession(r scanner) (v login.Record, err error) {
	err = r.Scan(&v.ID, &v.Subject, &v.UserEpoch, &v.Logins, intoTime(&v.AuthTime), &v.ACR, intoList(&v.AMR),
		&v.SecretHash, intoTime(&v.CreatedAt), intoTime(&v.SeenAt), intoTime(&v.ExpiresAt), intoTime(&v.EndedAt),
		&v.UserAgent, &v.Address)
	return v, err
}

// Session implements login.Store.
func (s *Store) Session(ctx context.Context, id string, now time.Time) (login.Record, error) {
	v, err := scanSession(s.read(ctx).row("SELECT "+sessionColumns+" FROM sessions WHERE "+standing+" AND id = $3",
		unix(now), unix(s.restored), id))
	return v, s.mapped(ctx, err)
}

// Sessions implements login.Store: those that stand, newest first.
func (s *Store) Sessions(ctx context.Context, subject string, now time.Time) ([]login.Record, error) {
	found, err := all(s.read(ctx), scanSession, "SELECT "+sessionColumns+" FROM sessions WHERE "+standing+
		" AND subject = $3 ORDER BY created_at DESC, id DESC", unix(now), unix(s.restored), subject)
	return found, s.mapped(ctx, err)
}

// StartSession implements login.Store: ErrEnded when the account has moved on
// since the sign-in began, ErrConflict when the id is taken.
func (s *Store) StartSession(ctx context.Context, r login.Record, replaces string) error {
	created := orElse(r.CreatedAt, s.now())
	return s.transaction(ctx, func(c conn) error {
		var id string
		err := c.row(`INSERT INTO sessions (`+sessionColumns+`)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13
			WHERE EXISTS (SELECT 1 FROM users WHERE subject = $2 AND epoch = $3 AND NOT disabled)
			RETURNING id`,
			r.ID, r.Subject, r.UserEpoch, r.Logins, unix(r.AuthTime), r.ACR, join(r.AMR), r.SecretHash,
			unix(created), unix(orElse(r.SeenAt, created)), unix(r.ExpiresAt), r.UserAgent, r.Address).Scan(&id)
		switch {
		case isNotFound(err):
			return oauth.ErrEnded
		case err != nil || replaces == "":
			return err
		}
		return s.endSession(c, replaces, unix(created))
	})
}

// Relogin implements login.Store; ErrNotFound when the session doesn't stand
// or is another person's.
func (s *Store) Relogin(ctx context.Context, r login.Record) (login.Record, error) {
	now := s.now()
	return write(ctx, s, single, func(c conn) (login.Record, error) {
		return scanSession(c.row(`UPDATE sessions SET secret_hash = $3, auth_time = $4, acr = $5, amr = $6,
			seen_at = $4, logins = logins + 1, expires_at = CASE WHEN CAST($7 AS BIGINT) > 0 THEN $7 ELSE expires_at END,
			user_agent = $8, address = $9
			WHERE `+standing+` AND id = $10 AND subject = $11 RETURNING `+sessionColumns,
			unix(now), unix(s.restored), r.SecretHash, unix(r.AuthTime), r.ACR, join(r.AMR), unix(r.ExpiresAt),
			r.UserAgent, r.Address, r.ID, r.Subject))
	})
}

// EndSession implements login.Store. Codes made in the session can't be
// redeemed any more: Issue looks whether it was ended.
func (s *Store) EndSession(ctx context.Context, id string, at time.Time) error {
	return s.transaction(ctx, func(c conn) error { return s.endSession(c, id, unix(at)) })
}

func (s *Store) endSession(c conn, id string, at int64) error {
	var subject string
	err := c.row(`UPDATE sessions SET ended_at = $1 WHERE id = $2 AND ended_at = 0 RETURNING subject`, at, id).
		Scan(&subject)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	}
	if err := endSessionAuthorizations(c, subject, id, at); err != nil {
		return err
	}
	return s.tell(c, endedSession, subject, id)
}
