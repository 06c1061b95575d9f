package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/valetkey/valetkey/oauth"
)

const clientColumns = `id, owner, metadata, secret_hash, secret_phc, first_party, verified, disabled,
	epoch, logo_id, created_at, updated_at, source, token_hash, secret_key`

func (s *Store) scanClient(r scanner) (*oauth.Client, error) {
	c := new(oauth.Client)
	err := r.Scan(&c.ID, &c.Owner, intoJSON(&c.Metadata), &c.SecretHash, &c.SecretPHC, &c.FirstParty,
		&c.Verified, &c.Disabled, &c.Epoch, &c.LogoID, intoTime(&c.CreatedAt), intoTime(&c.UpdatedAt),
		&c.Source, &c.TokenHash, &c.SecretKey)
	if err != nil {
		return nil, err
	}
	return oauth.LoadClient(c, s.issuer), nil
}

// Client implements oauth.Store. A disabled client is found, and says so.
func (s *Store) Client(ctx context.Context, id string) (*oauth.Client, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	client, known, fill := s.cache.client(id)
	if !known {
		var err error
		if client, err = s.readClient(ctx, id); err != nil {
			return nil, err
		}
		s.cache.keep(id, client, fill)
	}
	if client == nil {
		return nil, oauth.ErrNotFound
	}
	return client, nil
}

// readClient answers nil for a client that isn't there.
func (s *Store) readClient(ctx context.Context, id string) (*oauth.Client, error) {
	found, err := all(s.read(ctx), s.scanClient, "SELECT "+clientColumns+" FROM clients WHERE id = $1", id)
	switch err = s.mapped(ctx, err); {
	case isNotFound(err), err == nil && len(found) == 0:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return found[0], nil
}

// ListClients pages through clients in the order of their ids: those of one
// owner ("" is the operator), or all for nil.
func (s *Store) ListClients(ctx context.Context, owner *string, after string, limit int) ([]*oauth.Client, error) {
	query, args := "SELECT "+clientColumns+" FROM clients WHERE id > $1 ORDER BY id LIMIT $2", []any{after, limit}
	if owner != nil {
		query = "SELECT " + clientColumns + " FROM clients WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3"
		args = []any{*owner, after, limit}
	}
	found, err := all(s.read(ctx), s.scanClient, query, args...)
	return found, s.mapped(ctx, err)
}

// insertClient goes on with more conditions and what to do with a taken id.
const insertClient = `INSERT INTO clients (` + clientColumns + `)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
	WHERE NOT EXISTS (SELECT 1 FROM deleted_clients WHERE id = $1)`

func (s *Store) clientValues(client *oauth.Client) ([]any, error) {
	metadata, err := json.Marshal(client.Metadata)
	if err != nil {
		return nil, fmt.Errorf("write client metadata: %w", err)
	}
	now := s.now()
	return []any{
		client.ID, client.Owner, string(metadata), client.SecretHash, client.SecretPHC, client.FirstParty,
		client.Verified, client.Disabled, max(client.Epoch, 1), client.LogoID,
		unix(orElse(client.CreatedAt, now)), unix(orElse(client.UpdatedAt, now)),
		string(client.Source), client.TokenHash, client.SecretKey,
	}, nil
}

// CreateClient inserts a client; ErrConflict when its id is taken or was ever.
func (s *Store) CreateClient(ctx context.Context, client *oauth.Client) error {
	args, err := s.clientValues(client)
	if err != nil {
		return err
	}
	return s.change(ctx, func(c conn) error {
		var id string
		return conflictIfNone(c.row(insertClient+" ON CONFLICT (id) DO NOTHING RETURNING id", args...).Scan(&id))
	})
}

// UpdateClient writes metadata, logo, verified and first-party. With end, all
// that hangs off the client ends.
func (s *Store) UpdateClient(ctx context.Context, client *oauth.Client, end bool) error {
	return s.replaceClient(ctx, client, false, end, "$3", "$4")
}

// oneIf is what an epoch is raised by.
func oneIf(end bool) int {
	if end {
		return 1
	}
	return 0
}

// SetClientSecret replaces the secret: SHA-256 of one that we made, or argon2id
// of one that an operator chose, and the other empty; key is the secret sealed,
// where it is a key too. Nothing ends.
func (s *Store) SetClientSecret(ctx context.Context, id string, hash []byte, phc, key string) error {
	return s.changeRow(ctx, `UPDATE clients SET secret_hash = $1, secret_phc = $2, secret_key = $3, updated_at = $4
		WHERE id = $5 RETURNING id`, hash, phc, key, unix(s.now()), id)
}

// DisableClient ends all that hangs off the client and lets it do nothing.
func (s *Store) DisableClient(ctx context.Context, id string) error { return s.enable(ctx, id, false) }

// EnableClient lets it start anew; what had ended stays so.
func (s *Store) EnableClient(ctx context.Context, id string) error { return s.enable(ctx, id, true) }

func (s *Store) enable(ctx context.Context, id string, enabled bool) error {
	return s.change(ctx, func(c conn) error {
		return s.changeClient(c, id, true, `UPDATE clients SET disabled = $1, epoch = epoch + 1, updated_at = $2
			WHERE id = $3 RETURNING id`, !enabled, unix(s.now()), id)
	})
}

// changeClient changes a row that is there; with end, the feed tells.
func (s *Store) changeClient(c conn, id string, end bool, query string, args ...any) error {
	var found string
	if err := c.row(query, args...).Scan(&found); err != nil || !end {
		return err
	}
	return s.tell(c, endedClient, "", id)
}

func (s *Store) changeRow(ctx context.Context, query string, args ...any) error {
	return s.change(ctx, func(c conn) error {
		var id string
		return c.row(query, args...).Scan(&id)
	})
}

// DeleteClient removes the row. No epoch can equal that of a row which is gone,
// so codes and tokens are dead at once; authorizations stay until they expire.
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	return s.change(ctx, func(c conn) error { return s.deleteClient(c, id) })
}

func (s *Store) deleteClient(c conn, id string) error {
	var gone string
	if err := c.row("DELETE FROM clients WHERE id = $1 RETURNING id", id).Scan(&gone); err != nil {
		return err
	}
	if _, err := c.exec(`INSERT INTO deleted_clients (id, deleted_at) VALUES ($1, $2)
		ON CONFLICT (id) DO NOTHING`, id, unix(s.now())); err != nil {
		return err
	}
	for _, query := range []string{
		"DELETE FROM consents WHERE client_id = $1",
		"DELETE FROM problems WHERE client_id = $1",
		"DELETE FROM logos WHERE client_id = $1",
		"UPDATE resources SET client_id = '' WHERE client_id = $1",
	} {
		if _, err := c.exec(query, id); err != nil {
			return err
		}
	}
	return s.tell(c, endedClient, "", id)
}
