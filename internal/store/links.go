package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
)

const linkColumns = "hash, kind, owner, code_hash, tries, content, created_at, expires_at"

func scanLink(r scanner) (l login.Link, err error) {
	err = r.Scan(&l.Hash, &l.Kind, &l.Owner, &l.CodeHash, &l.TriesLeft, &l.Content, intoTime(&l.CreatedAt), intoTime(&l.ExpiresAt))
	return l, err
}

// PutLink implements login.Store.
func (s *Store) PutLink(ctx context.Context, l login.Link, letters ...mail.Row) error {
	now := s.now()
	return s.transaction(ctx, func(c conn) error {
		if _, err := c.exec(`INSERT INTO links (`+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (kind, owner) DO UPDATE SET hash = excluded.hash, code_hash = excluded.code_hash, tries = excluded.tries,
				content = excluded.content, created_at = excluded.created_at, expires_at = excluded.expires_at`,
			l.Hash, string(l.Kind), l.Owner, l.CodeHash, l.TriesLeft, l.Content, unix(orElse(l.CreatedAt, now)), unix(l.ExpiresAt)); err != nil {
			return err
		}
		return queueMail(c, letters)
	})
}

// Link implements login.Store.
func (s *Store) Link(ctx context.Context, kind login.LinkKind, hash []byte, now time.Time) (login.Link, error) {
	l, err := scanLink(s.read(ctx).row("SELECT "+linkColumns+" FROM links WHERE kind = $1 AND hash = $2 AND expires_at > $3 AND created_at > $4",
		string(kind), hash, unix(now), s.restored.Load()))
	return l, s.mapped(ctx, err)
}

// TryCode implements login.Store. The try is counted before the code is looked
// at, so that parallel guesses are no more than the tries there are.
func (s *Store) TryCode(ctx context.Context, kind login.LinkKind, owner string, now time.Time) (login.Link, error) {
	return write(ctx, s, single, func(c conn) (login.Link, error) {
		return scanLink(c.row(`UPDATE links SET tries = tries - 1 WHERE kind = $1 AND owner = $2 AND tries > 0 AND expires_at > $3 AND created_at > $4
			RETURNING `+linkColumns, string(kind), owner, unix(now), s.restored.Load()))
	})
}

// Activities implements login.Store, newest first.
func (s *Store) Activities(ctx context.Context, subject string, limit int) ([]login.Activity, error) {
	found, err := all(s.read(ctx), func(r scanner) (a login.Activity, err error) {
		err = r.Scan(&a.ID, &a.Subject, &a.Kind, intoTime(&a.At), &a.Detail, &a.UserAgent, &a.Address)
		return a, err
	}, "SELECT id, subject, kind, at, detail, agent, address FROM activities WHERE subject = $1 ORDER BY id DESC LIMIT $2", subject, limit)
	return found, s.mapped(ctx, err)
}

// Note implements login.Store.
func (s *Store) Note(ctx context.Context, a login.Activity, letters ...mail.Row) error {
	return s.transaction(ctx, func(c conn) error {
		if err := insertActivity(c, a); err != nil {
			return err
		}
		return queueMail(c, letters)
	})
}

func insertActivity(c conn, a login.Activity) error {
	_, err := c.exec("INSERT INTO activities (id, subject, kind, at, detail, agent, address) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		a.ID, a.Subject, string(a.Kind), unix(a.At), a.Detail, a.UserAgent, a.Address)
	return err
}
