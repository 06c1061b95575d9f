package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// CreateInitialToken keeps a token that lets clients register themselves;
// ErrConflict when there is one of its id or hash. A zero ExpiresAt is never.
func (s *Store) CreateInitialToken(ctx context.Context, t oauth.InitialToken) error {
	created := unix(orElse(t.CreatedAt, s.now()))
	return s.statement(ctx, func(c conn) error {
		var id string
		return conflictIfNone(c.row(`INSERT INTO initial_tokens (id, hash, note, uses_left, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING RETURNING id`,
			t.ID, t.Hash, t.Note, t.UsesLeft, created, unix(t.ExpiresAt)).Scan(&id))
	})
}

// InitialTokens lists them, used up and expired ones too, oldest first.
func (s *Store) InitialTokens(ctx context.Context) ([]oauth.InitialToken, error) {
	found, err := all(s.read(ctx), func(r scanner) (t oauth.InitialToken, err error) {
		err = r.Scan(&t.ID, &t.Hash, &t.Note, &t.UsesLeft, intoTime(&t.CreatedAt), intoTime(&t.ExpiresAt))
		return t, err
	}, "SELECT id, hash, note, uses_left, created_at, expires_at FROM initial_tokens ORDER BY created_at, id")
	return found, s.mapped(ctx, err)
}

// DeleteInitialToken takes it back; what registered with it stays.
func (s *Store) DeleteInitialToken(ctx context.Context, id string) error {
	return s.statement(ctx, func(c conn) error {
		return c.row("DELETE FROM initial_tokens WHERE id = $1 RETURNING id", id).Scan(&id)
	})
}

// SpendInitialToken implements oauth.RegistrationStore.
func (s *Store) SpendInitialToken(ctx context.Context, hash []byte, at time.Time) error {
	return s.statement(ctx, func(c conn) error {
		var id string
		return c.row(`UPDATE initial_tokens SET uses_left = uses_left - 1
			WHERE hash = $1 AND uses_left > 0 AND (expires_at = 0 OR expires_at > $2) RETURNING id`,
			hash, unix(at)).Scan(&id)
	})
}
