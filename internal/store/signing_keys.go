package store

import (
	"context"

	"github.com/valetkey/valetkey/internal/keys"
)

var _ keys.Store = (*Store)(nil)

const keyColumns = "kid, alg, replaces, sealed, published_at, signs_at, retires_at, removed_at"

// SigningKeys implements keys.Store.
func (s *Store) SigningKeys(ctx context.Context) ([]keys.Record, error) {
	records, err := all(s.read(ctx), scanSigningKey, "SELECT "+keyColumns+" FROM signing_keys ORDER BY published_at, kid")
	return records, s.mapped(ctx, err)
}

func scanSigningKey(r scanner) (k keys.Record, err error) {
	err = r.Scan(&k.KID, &k.Alg, &k.Replaces, &k.Sealed, &k.PublishedAt, &k.SignsAt, &k.RetiresAt, &k.RemovedAt)
	return k, err
}

// AddSigningKey implements keys.Store.
func (s *Store) AddSigningKey(ctx context.Context, r keys.Record) (added bool, err error) {
	added, err = write(ctx, s, serial, func(c conn) (bool, error) {
		var kid string
		err := c.row(`INSERT INTO signing_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (alg, replaces) DO NOTHING RETURNING kid`,
			r.KID, string(r.Alg), r.Replaces, r.Sealed, r.PublishedAt, r.SignsAt, r.RetiresAt, r.RemovedAt).Scan(&kid)
		if isNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return true, raiseVersion(c)
	})
	if added {
		s.announce(ctx)
	}
	return added, err
}

// UpdateSigningKey implements keys.Store.
func (s *Store) UpdateSigningKey(ctx context.Context, r keys.Record) error {
	return s.change(ctx, func(c conn) error {
		_, err := c.exec(`UPDATE signing_keys SET published_at = $1, signs_at = $2, retires_at = $3,
			removed_at = $4 WHERE kid = $5`, r.PublishedAt, r.SignsAt, r.RetiresAt, r.RemovedAt, r.KID)
		return err
	})
}

// DeleteSigningKeys implements keys.Store. A key whose end isn't known yet has
// no RemovedAt and stays.
func (s *Store) DeleteSigningKeys(ctx context.Context, removedBefore int64) error {
	return s.change(ctx, func(c conn) error {
		_, err := c.exec("DELETE FROM signing_keys WHERE removed_at > 0 AND removed_at < $1", removedBefore)
		return err
	})
}
