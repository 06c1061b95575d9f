package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// RevokeToken implements oauth.Store. To revoke twice is no error.
func (s *Store) RevokeToken(ctx context.Context, tokenID string, until time.Time) error {
	now := unix(s.now())
	_, err := writeRow(ctx, s, hot, tokenID, func(c conn) (none struct{}, err error) {
		_, err = c.exec(`INSERT INTO revoked (token_id, until, revoked_at) VALUES ($1, $2, $3)
			ON CONFLICT (token_id) DO NOTHING`, tokenID, unix(until), now)
		return none, err
	})
	return err
}

// TokenRevoked implements oauth.Store.
func (s *Store) TokenRevoked(ctx context.Context, tokenID string) (bool, error) {
	var revoked bool
	err := s.readHot(ctx).row("SELECT EXISTS (SELECT 1 FROM revoked WHERE token_id = $1)", tokenID).Scan(&revoked)
	return revoked, s.mapped(ctx, err)
}

// UseOnce implements oauth.Store. Until isn't part of the key: who signs an id a
// second time with another exp has used it all the same.
func (s *Store) UseOnce(ctx context.Context, kind, owner, id string, until time.Time) error {
	return s.statement(ctx, func(c conn) error {
		return useOnce(c, oauth.Once{Kind: kind, Owner: owner, ID: id, Until: until})
	})
}

func useOnce(c conn, o oauth.Once) error {
	var n int64
	err := c.row(`INSERT INTO used (kind, hash, until) VALUES ($1, $2, $3)
		ON CONFLICT (kind, hash) DO NOTHING RETURNING until`, o.Kind, onceHash(o.Owner, o.ID), unix(o.Until)).Scan(&n)
	if isNotFound(err) {
		return oauth.ErrReplayed
	}
	return err
}

// useProofs is for the transaction that issues: when that is refused, nothing
// of the proofs is remembered.
func useProofs(c conn, proofs []oauth.Once) error {
	for _, o := range proofs {
		err := useOnce(c, o)
		if errors.Is(err, oauth.ErrReplayed) {
			return fmt.Errorf("%w: %s", oauth.ErrProofUsed, o.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// withProofs is the shape of a single statement that proofs may come before.
func withProofs(proofs []oauth.Once) shape {
	if len(proofs) == 0 {
		return hot
	}
	return joined
}

// onceHash writes the owner's length first, so that no two pairs run together.
func onceHash(owner, id string) []byte {
	text := binary.AppendUvarint(nil, uint64(len(owner)))
	sum := sha256.Sum256(append(append(text, owner...), id...))
	return sum[:]
}

// Park implements oauth.Store; ErrConflict when the handle is taken.
func (s *Store) Park(ctx context.Context, handle string, content []byte, until time.Time) error {
	return s.statement(ctx, func(c conn) error {
		var kept string
		return conflictIfNone(c.row(`INSERT INTO parked (handle, content, until) VALUES ($1, $2, $3)
			ON CONFLICT (handle) DO NOTHING RETURNING handle`, handle, content, unix(until)).Scan(&kept))
	})
}

// Parked implements oauth.Store; ErrNotFound after its time.
func (s *Store) Parked(ctx context.Context, handle string) ([]byte, error) {
	var content []byte
	err := s.read(ctx).row("SELECT content FROM parked WHERE handle = $1 AND until > $2",
		handle, unix(s.now())).Scan(&content)
	return content, s.mapped(ctx, err)
}
