package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
)

// QueueMail implements mail.Store.
func (s *Store) QueueMail(ctx context.Context, rows ...mail.Row) error {
	if len(rows) == 0 {
		return nil
	}
	return s.statements(ctx, func(c conn) error { return queueMail(c, rows) })
}

func queueMail(c conn, rows []mail.Row) error {
	for _, r := range rows {
		if _, err := c.exec("INSERT INTO mails (id, sealed, tries, due_at, expires_at) VALUES ($1, $2, 0, $3, $4)",
			r.ID, r.Sealed, unix(r.DueAt), unix(r.ExpiresAt)); err != nil {
			return err
		}
	}
	return nil
}

// DueMail implements mail.Store: a letter is claimed by moving the time at which
// it is due, so that of all nodes one sends it.
func (s *Store) DueMail(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]mail.Row, error) {
	ids, err := all(s.read(ctx), func(r scanner) (id string, err error) { return id, r.Scan(&id) },
		"SELECT id FROM mails WHERE due_at <= $1 AND expires_at > $1 ORDER BY due_at LIMIT $2", unix(now), limit)
	if err != nil {
		return nil, s.mapped(ctx, err)
	}
	var claimed []mail.Row
	for _, id := range ids {
		row, err := write(ctx, s, single, func(c conn) (r mail.Row, err error) {
			err = c.row(`UPDATE mails SET due_at = $1, tries = tries + 1 WHERE id = $2 AND due_at <= $3
				RETURNING id, sealed, tries, due_at, expires_at`, unix(now.Add(lease)), id, unix(now)).
				Scan(&r.ID, &r.Sealed, &r.Tries, intoTime(&r.DueAt), intoTime(&r.ExpiresAt))
			return r, err
		})
		switch {
		case isNotFound(err):
		case err != nil:
			return claimed, err
		default:
			claimed = append(claimed, row)
		}
	}
	return claimed, nil
}

// DropMail implements mail.Store.
func (s *Store) DropMail(ctx context.Context, id string) error {
	return s.statement(ctx, func(c conn) error {
		_, err := c.exec("DELETE FROM mails WHERE id = $1", id)
		return err
	})
}

// PostponeMail implements mail.Store.
func (s *Store) PostponeMail(ctx context.Context, id string, due time.Time) error {
	return s.statement(ctx, func(c conn) error {
		_, err := c.exec("UPDATE mails SET due_at = $1 WHERE id = $2", unix(due), id)
		return err
	})
}
