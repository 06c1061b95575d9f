package store

import (
	"context"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

const sessionColumns = `id, subject, user_epoch, logins, auth_time, acr, amr, secret_hash, created_at, seen_at,
	expires_at, ended_at, user_agent, address, proven_at, way, upstream, upstream_sid, upstream_sub`

// standing: not ended, not expired, of an account that hasn't moved on, and
// not older than a restore, which can't know what has ended since.
const standing = `ended_at = 0 AND expires_at > $1 AND created_at > $2
	AND EXISTS (SELECT 1 FROM users WHERE users.subject = sessions.subject
		AND users.epoch = sessions.user_epoch AND NOT users.disabled)`

func scanSession(r scanner) (v login.Record, err error) {
	err = r.Scan(&v.ID, &v.Subject, &v.UserEpoch, &v.Logins, intoTime(&v.AuthTime), &v.ACR, intoList(&v.AMR),
		&v.SecretHash, intoTime(&v.CreatedAt), intoTime(&v.SeenAt), intoTime(&v.ExpiresAt), intoTime(&v.EndedAt),
		&v.UserAgent, &v.Address, intoTime(&v.ProvenAt), &v.Way, &v.Upstream, &v.UpstreamSID, &v.UpstreamSub)
	return v, err
}

// scanVisit is scanSession with the groups of its user: once a request, so what
// most rows leave empty costs nothing.
func scanVisit(r scanner) (v login.Record, err error) {
	var times [6]int64
	var amr, memberships string
	err = r.Scan(&v.ID, &v.Subject, &v.UserEpoch, &v.Logins, &times[0], &v.ACR, &amr, &v.SecretHash, &times[1], &times[2],
		&times[3], &times[4], &v.UserAgent, &v.Address, &times[5], &v.Way, &v.Upstream, &v.UpstreamSID, &v.UpstreamSub, &memberships)
	if err != nil {
		return v, err
	}
	for i, into := range [6]*time.Time{&v.AuthTime, &v.CreatedAt, &v.SeenAt, &v.ExpiresAt, &v.EndedAt, &v.ProvenAt} {
		if times[i] != 0 {
			*into = time.Unix(times[i], 0).UTC()
		}
	}
	v.AMR = split(amr)
	if memberships == "" {
		return v, nil
	}
	var u login.User
	err = intoJSON(&u.Memberships).Scan(memberships)
	v.Groups = u.Groups()
	return v, err
}

// Session implements login.Store.
func (s *Store) Session(ctx context.Context, id string, now time.Time) (login.Record, error) {
	v, err := scanVisit(s.readHot(ctx).row("SELECT "+sessionColumns+`,
		(SELECT memberships FROM users WHERE users.subject = sessions.subject) FROM sessions WHERE `+standing+" AND id = $3",
		unix(now), s.restored.Load(), id))
	return v, s.mapped(ctx, err)
}

// Sessions implements login.Store: those that stand, newest first.
func (s *Store) Sessions(ctx context.Context, subject string, now time.Time) ([]login.Record, error) {
	found, err := all(s.read(ctx), scanSession, "SELECT "+sessionColumns+" FROM sessions WHERE "+standing+
		" AND subject = $3 ORDER BY created_at DESC, id DESC", unix(now), s.restored.Load(), subject)
	return found, s.mapped(ctx, err)
}

// UpstreamSessions implements login.Store.
func (s *Store) UpstreamSessions(ctx context.Context, key string, now time.Time) ([]login.Record, error) {
	if key == "" {
		return nil, nil
	}
	found, err := all(s.read(ctx), scanSession, "SELECT "+sessionColumns+" FROM sessions WHERE "+standing+
		" AND (upstream_sid = $3 OR upstream_sub = $3)", unix(now), s.restored.Load(), key)
	return found, s.mapped(ctx, err)
}

// StartSession implements login.Store: ErrEnded when the account has moved on
// since the sign-in began, ErrConflict when the id is taken.
func (s *Store) StartSession(ctx context.Context, start login.Start) error {
	r := start.Record
	created := orElse(r.CreatedAt, s.now())
	return s.statements(ctx, func(c conn) error {
		var id string
		err := c.row(`INSERT INTO sessions (`+sessionColumns+`)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $14, $15, $16, $17, $18
			WHERE EXISTS (SELECT 1 FROM users WHERE subject = $2 AND epoch = $3 AND NOT disabled AND NOT locked)
			RETURNING id`,
			r.ID, r.Subject, r.UserEpoch, r.Logins, unix(r.AuthTime), r.ACR, join(r.AMR), r.SecretHash,
			unix(created), unix(orElse(r.SeenAt, created)), unix(r.ExpiresAt), r.UserAgent, r.Address,
			unix(r.ProvenAt), r.Way, r.Upstream, r.UpstreamSID, r.UpstreamSub).Scan(&id)
		switch {
		case isNotFound(err):
			return oauth.ErrEnded
		case err != nil:
			return err
		}
		if err := s.beside(c, start, created); err != nil || start.Replaces == "" {
			return err
		}
		return s.endSession(c, start.Replaces, unix(created))
	})
}

// Relogin implements login.Store; ErrNotFound when the session doesn't stand
// or is another person's.
func (s *Store) Relogin(ctx context.Context, start login.Start) (login.Record, error) {
	return s.renewSession(ctx, start, `auth_time = $4, logins = logins + 1, way = $13, upstream = $14, upstream_sid = $15, upstream_sub = $16`)
}

// StepUp implements login.Store, as Relogin.
func (s *Store) StepUp(ctx context.Context, start login.Start) (login.Record, error) {
	return s.renewSession(ctx, start, "logins = logins")
}

func (s *Store) renewSession(ctx context.Context, start login.Start, further string) (login.Record, error) {
	now, r := s.now(), start.Record
	shape := single
	if len(start.Spent)+len(start.Letters) > 0 || start.Browser.Hash != nil || start.Identity != nil || start.Activity != nil {
		shape = joined
	}
	args := []any{
		unix(now), s.restored.Load(), r.SecretHash, unix(r.AuthTime), r.ACR, join(r.AMR), unix(r.ExpiresAt),
		r.UserAgent, r.Address, r.ID, r.Subject, unix(r.ProvenAt),
	}
	if strings.Contains(further, "$13") {
		args = append(args, r.Way, r.Upstream, r.UpstreamSID, r.UpstreamSub)
	}
	return write(ctx, s, shape, func(c conn) (login.Record, error) {
		renewed, err := scanSession(c.row(`UPDATE sessions SET secret_hash = $3, acr = $5, amr = $6,
			seen_at = $4, expires_at = CASE WHEN CAST($7 AS BIGINT) > 0 THEN $7 ELSE expires_at END,
			user_agent = $8, address = $9, proven_at = $12, `+further+`
			WHERE `+standing+` AND id = $10 AND subject = $11 RETURNING `+sessionColumns, args...))
		if err != nil {
			return renewed, err
		}
		return renewed, s.beside(c, start, now)
	})
}

// beside writes what begins together with a session.
func (s *Store) beside(c conn, start login.Start, now time.Time) error {
	if err := spend(c, start.Subject, start.Spent); err != nil {
		return err
	}
	if err := rememberBrowser(c, start.Browser, now); err != nil {
		return err
	}
	if i := start.Identity; i != nil {
		if _, err := c.exec(`UPDATE identities SET label = $1, used_at = $2 WHERE issuer = $3 AND upstream_subject = $4`,
			i.Label, unix(now), i.Issuer, i.Upstream); err != nil {
			return err
		}
	}
	if start.Activity != nil {
		if err := insertActivity(c, *start.Activity); err != nil {
			return err
		}
	}
	return queueMail(c, start.Letters)
}

// EndSession implements login.Store. Codes made in the session can't be
// redeemed any more: Issue looks whether it was ended.
func (s *Store) EndSession(ctx context.Context, id string, at time.Time) error {
	return s.statements(ctx, func(c conn) error { return s.endSession(c, id, unix(at)) })
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
