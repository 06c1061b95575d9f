package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// pushSQL counts the live ones in the statement itself; a cap of 0 is none. On
// PostgreSQL requests that come at the same moment don't count each other;
// there are as many as connections at most.
const pushSQL = `INSERT INTO pushed (handle, client_id, address, content, expires_at, keep_until, spent)
	SELECT $1, $2, $3, $4, $5, $6, FALSE
	WHERE ($8 = 0 OR (SELECT COUNT(*) FROM pushed
		WHERE client_id = $2 AND expires_at > $7 AND NOT spent) < $8)
	AND ($9 = 0 OR (SELECT COUNT(*) FROM pushed
		WHERE client_id = $2 AND address = $3 AND expires_at > $7 AND NOT spent) < $9)
	ON CONFLICT (handle) DO NOTHING RETURNING handle`

// Push implements oauth.PushedStore.
func (s *Store) Push(ctx context.Context, p oauth.PushedRequest, perClient, perAddress int) error {
	now := unix(s.now())
	return s.statement(ctx, func(c conn) error {
		var kept string
		return conflictIfNone(c.row(pushSQL, p.Handle, p.ClientID, p.Address, p.Content, unix(p.ExpiresAt),
			unix(p.KeepUntil), now, perClient, perAddress).Scan(&kept))
	})
}

// Pushed implements oauth.PushedStore.
func (s *Store) Pushed(ctx context.Context, handle string) (p oauth.PushedRequest, err error) {
	err = s.read(ctx).row(`SELECT handle, client_id, address, content, expires_at, keep_until, spent FROM pushed
		WHERE handle = $1 AND keep_until > $2`, handle, unix(s.now())).
		Scan(&p.Handle, &p.ClientID, &p.Address, &p.Content, intoTime(&p.ExpiresAt), intoTime(&p.KeepUntil), &p.Spent)
	return p, s.mapped(ctx, err)
}

// SpendPushed implements oauth.PushedStore; ErrNotFound after KeepUntil.
func (s *Store) SpendPushed(ctx context.Context, handle string) error {
	now := unix(s.now())
	return s.statement(ctx, func(c conn) error {
		var spent string
		err := c.row(`UPDATE pushed SET spent = TRUE WHERE handle = $1 AND keep_until > $2 AND NOT spent
			RETURNING handle`, handle, now).Scan(&spent)
		if !isNotFound(err) {
			return err
		}
		if err := c.row("SELECT handle FROM pushed WHERE handle = $1 AND keep_until > $2", handle, now).
			Scan(&spent); err != nil {
			return err
		}
		return oauth.ErrReplayed
	})
}

func (s *Store) sweepPushed(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM pushed WHERE handle IN (SELECT handle FROM pushed
		WHERE keep_until < $1 ORDER BY keep_until LIMIT $2)`, unix(now), sweepBatch)
}
