package store

import (
	"context"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/oauth"
)

// DisableUser implements login.Store.
func (s *Store) DisableUser(ctx context.Context, subject string, at time.Time) error {
	return s.enableUser(ctx, subject, false, at)
}

// EnableUser implements login.Store; what had ended stays so.
func (s *Store) EnableUser(ctx context.Context, subject string, at time.Time) error {
	return s.enableUser(ctx, subject, true, at)
}

func (s *Store) enableUser(ctx context.Context, subject string, enabled bool, at time.Time) error {
	return s.transaction(ctx, func(c conn) error {
		if !enabled {
			if err := keepAnAdmin(c, subject); err != nil {
				return err
			}
		}
		var found string
		if err := c.row(`UPDATE users SET disabled = $1, epoch = epoch + 1, updated_at = $2
			WHERE subject = $3 RETURNING subject`, !enabled, unix(at), subject).Scan(&found); err != nil {
			return err
		}
		return s.tell(c, endedUser, subject, "")
	})
}

// DeleteUser implements login.Store. What the person left goes with the row;
// authorizations, dead without it, stay until they expire.
func (s *Store) DeleteUser(ctx context.Context, subject string, letters ...mail.Row) error {
	return s.transaction(ctx, func(c conn) error {
		if err := keepAnAdmin(c, subject); err != nil {
			return err
		}
		var found string
		if err := c.row("DELETE FROM users WHERE subject = $1 RETURNING subject", subject).Scan(&found); err != nil {
			return err
		}
		for _, table := range []string{
			"sessions", "consents", "passkeys", "totps", "recovery_codes", "identities", "browsers", "activities", "pictures",
		} {
			if _, err := c.exec("DELETE FROM "+table+" WHERE subject = $1", subject); err != nil {
				return err
			}
		}
		if _, err := c.exec("DELETE FROM links WHERE owner = $1", subject); err != nil {
			return err
		}
		if err := queueMail(c, letters); err != nil {
			return err
		}
		return s.tell(c, endedUser, subject, "")
	})
}

// keepAnAdmin answers ErrConflict when subject is the only administrator who
// may sign in.
func keepAnAdmin(c conn, subject string) error {
	var last bool
	err := c.row(`SELECT EXISTS (SELECT 1 FROM users WHERE subject = $1 AND admin AND NOT disabled)
		AND NOT EXISTS (SELECT 1 FROM users WHERE subject <> $1 AND admin AND NOT disabled)`, subject).Scan(&last)
	if err == nil && last {
		return fmt.Errorf("%w: the last administrator", oauth.ErrConflict)
	}
	return err
}

// CountAdmins counts the administrators who may sign in.
func (s *Store) CountAdmins(ctx context.Context) (int, error) {
	var n int
	err := s.read(ctx).row("SELECT COUNT(*) FROM users WHERE admin AND NOT disabled").Scan(&n)
	return n, s.mapped(ctx, err)
}

// ListUsers pages through users in the order of their subjects, which is that of
// their making where they were made here. A prefix, in canonical form, picks those whose username or
// email address begins with it.
func (s *Store) ListUsers(ctx context.Context, after string, limit int, prefix string) ([]login.User, error) {
	query, args := "SELECT "+userColumns+" FROM users WHERE subject > $1 ORDER BY subject LIMIT $2", []any{after, limit}
	if prefix != "" {
		query = "SELECT " + userColumns + ` FROM users WHERE subject > $1
			AND (substr(username_key, 1, $2) = $3 OR substr(email_key, 1, $2) = $3) ORDER BY subject LIMIT $4`
		args = []any{after, len([]rune(prefix)), prefix, limit}
	}
	found, err := all(s.read(ctx), scanUser, query, args...)
	return found, s.mapped(ctx, err)
}
