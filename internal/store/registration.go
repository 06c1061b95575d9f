package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// RegisterClient implements oauth.RegistrationStore; ErrConflict also when the
// id is taken or was ever.
func (s *Store) RegisterClient(ctx context.Context, client *oauth.Client, limit int) error {
	registered := *client
	registered.Source = oauth.SourceRegistered
	args, err := s.clientValues(&registered)
	if err != nil {
		return err
	}
	return s.change(ctx, func(c conn) error {
		var id string
		return conflictIfNone(c.row(insertClient+` AND (SELECT COUNT(*) FROM clients
			WHERE source = 'registered' AND last_used = 0) < $16
			ON CONFLICT (id) DO NOTHING RETURNING id`, append(args, limit)...).Scan(&id))
	})
}

// ReplaceClient implements oauth.RegistrationStore.
func (s *Store) ReplaceClient(ctx context.Context, client *oauth.Client, end bool) error {
	metadata, err := json.Marshal(client.Metadata)
	if err != nil {
		return fmt.Errorf("write client metadata: %w", err)
	}
	return s.changeClient(ctx, client.ID, end, `UPDATE clients SET metadata = $1, secret_hash = $2, secret_phc = $3,
		secret_key = $4, token_hash = $5, epoch = epoch + $6, updated_at = $7 WHERE id = $8 RETURNING id`,
		string(metadata), client.SecretHash, client.SecretPHC, client.SecretKey, client.TokenHash, oneIf(end),
		unix(s.now()), client.ID)
}

// putDocumentSQL leaves a client alone that only has an address for its id.
const putDocumentSQL = insertClient + ` ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata,
	updated_at = excluded.updated_at WHERE clients.source = 'document' RETURNING ` + clientColumns

// KeepDocument implements oauth.RegistrationStore. What an operator decided
// about the client stays. ErrEnded: it was deleted; ErrConflict: the id is that
// of a client that was registered otherwise. A row that says the same already
// is not written.
func (s *Store) KeepDocument(ctx context.Context, client *oauth.Client, changed bool) (*oauth.Client, error) {
	document := *client
	document.Source, document.Epoch, document.UpdatedAt = oauth.SourceDocument, 1, s.now()
	args, err := s.clientValues(&document)
	if err != nil {
		return nil, err
	}
	kept, err := s.readClient(ctx, client.ID)
	if err != nil || !changed && sameDocument(kept, args[2]) {
		return kept, err
	}
	defer s.cache.empty()
	return write(ctx, s, serial, func(c conn) (*oauth.Client, error) { return s.putDocument(c, args, changed) })
}

func sameDocument(kept *oauth.Client, metadata any) bool {
	if kept == nil || kept.Source != oauth.SourceDocument {
		return false
	}
	text, err := json.Marshal(kept.Metadata)
	return err == nil && string(text) == metadata
}

func (s *Store) putDocument(c conn, args []any, changed bool) (*oauth.Client, error) {
	id := args[0]
	kept, err := s.scanClient(c.row(putDocumentSQL, args...))
	if isNotFound(err) {
		return nil, whyNoDocument(c, id)
	}
	if err != nil {
		return nil, err
	}
	if changed {
		if _, err := c.exec("UPDATE consents SET session_id = '' WHERE client_id = $1 AND session_id <> ''", id); err != nil {
			return nil, err
		}
	}
	return kept, raiseVersion(c)
}

func whyNoDocument(c conn, id any) error {
	var deleted bool
	err := c.row("SELECT EXISTS (SELECT 1 FROM deleted_clients WHERE id = $1)", id).Scan(&deleted)
	switch {
	case err != nil:
		return err
	case deleted:
		return oauth.ErrEnded
	}
	return oauth.ErrConflict
}

// unused is what a registered client is swept for, after some time.
const unused = `source = 'registered' AND last_used = 0`

const defaultUnused = 30 * 24 * time.Hour

// sweepClients deletes registered clients that were never used. Finding out
// whether one has authorizations takes a walk over all of them, so a client
// becomes due by the hour (of 30 days, and less of less).
func (s *Store) sweepClients(ctx context.Context, now time.Time) error {
	before := unix(now.Add(-s.unusedAfter).Truncate(s.unusedAfter / 720))
	for ctx.Err() == nil {
		due, err := all(s.read(ctx), scanID, "SELECT id FROM clients WHERE "+unused+
			" AND created_at < $1 ORDER BY created_at LIMIT $2", before, chunk)
		if err != nil || len(due) == 0 {
			return s.mapped(ctx, err)
		}
		last := len(due) < chunk
		if err := s.sweepUnused(ctx, due, before, now); err != nil || last {
			return err
		}
	}
	return ctx.Err()
}

// sweepUnused writes down of those in use that they are, in case the news was
// lost, and deletes the others.
func (s *Store) sweepUnused(ctx context.Context, due []string, before int64, now time.Time) error {
	inUse, err := all(s.read(ctx), scanID, "SELECT id FROM clients WHERE "+unused+` AND created_at < $1
		AND (EXISTS (SELECT 1 FROM consents WHERE consents.client_id = clients.id)
		OR id IN (SELECT client_id FROM authorizations))`, before)
	if err != nil {
		return s.mapped(ctx, err)
	}
	if len(inUse) > 0 {
		if err := s.statements(ctx, markUsed(inUse, unix(now))); err != nil {
			return err
		}
		due = slices.DeleteFunc(due, func(id string) bool { return slices.Contains(inUse, id) })
	}
	if len(due) == 0 {
		return nil
	}
	return s.change(ctx, func(c conn) error {
		for _, id := range due {
			if err := s.deleteClient(c, id, " AND "+unused+` AND NOT EXISTS (SELECT 1 FROM consents
				WHERE consents.client_id = clients.id)`); err != nil && !isNotFound(err) {
				return err
			}
		}
		return nil
	})
}

func markUsed(ids []string, at int64) func(conn) error {
	return func(c conn) error {
		for _, id := range ids {
			if _, err := c.exec("UPDATE clients SET last_used = $1 WHERE id = $2 AND last_used < $1", at, id); err != nil {
				return err
			}
		}
		return nil
	}
}

func scanID(r scanner) (id string, err error) {
	err = r.Scan(&id)
	return id, err
}
