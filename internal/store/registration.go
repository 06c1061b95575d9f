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
// id is taken or is that of a client that was deleted.
func (s *Store) RegisterClient(ctx context.Context, client *oauth.Client, limit int) error {
	registered := *client
	registered.Source = oauth.SourceRegistered
	args, err := s.clientValues(&registered)
	if err != nil {
		return err
	}
	return s.change(ctx, func(c conn) error {
		var n int
		if err := c.row("SELECT COUNT(*) FROM clients WHERE " + unused).Scan(&n); err != nil {
			return err
		}
		if n >= limit {
			if err := s.makeRoom(c, s.now()); err != nil {
				return err
			}
		}
		var id string
		return conflictIfNone(c.row(insertClient+" ON CONFLICT (id) DO NOTHING RETURNING id", args...).Scan(&id))
	})
}

const (
	keepUnusedClient = time.Hour // whoever has just registered one may still come
	roomAtOnce       = 100       // so that few registrations pay for the others
)

// makeRoom deletes the oldest clients that were never used, but for those of
// which it isn't written down yet.
func (s *Store) makeRoom(c conn, now time.Time) error {
	before := unix(now.Add(-keepUnusedClient))
	oldest, err := all(c, scanID, oldestUnused, before, roomAtOnce)
	if err != nil {
		return err
	}
	inUse := s.lazy.clientsOf(oldest)
	if len(inUse) == len(oldest) {
		return oauth.ErrConflict
	}
	if err := markUsed(inUse, unix(now))(c); err != nil {
		return err
	}
	return s.dropUnused(c, before, len(oldest)-len(inUse))
}

// ReplaceClient implements oauth.RegistrationStore. With another logo, those
// that the client had are gone.
func (s *Store) ReplaceClient(ctx context.Context, client *oauth.Client, secret, end bool) error {
	return s.replaceClient(ctx, client, secret, end, "verified AND $3", "first_party AND $4")
}

func (s *Store) replaceClient(ctx context.Context, client *oauth.Client, secret, end bool, verified, firstParty string) error {
	metadata, err := json.Marshal(client.Metadata)
	if err != nil {
		return fmt.Errorf("write client metadata: %w", err)
	}
	set := ""
	args := []any{string(metadata), client.LogoID, client.Verified, client.FirstParty, oneIf(end), unix(s.now()), client.ID}
	if secret {
		set = ", secret_hash = $8, secret_phc = $9, secret_key = $10"
		args = append(args, client.SecretHash, client.SecretPHC, client.SecretKey)
	}
	return s.change(ctx, func(c conn) error {
		if _, err := c.exec(`DELETE FROM logos WHERE client_id = $1 AND id <> $2
			AND EXISTS (SELECT 1 FROM clients WHERE id = $1 AND logo_id <> $2)`, client.ID, client.LogoID); err != nil {
			return err
		}
		return s.changeClient(c, client.ID, end, `UPDATE clients SET metadata = $1, logo_id = $2,
			verified = `+verified+`, first_party = `+firstParty+`, epoch = epoch + $5, updated_at = $6`+set+` WHERE id = $7 RETURNING id`, args...)
	})
}

// putDocumentSQL leaves a client alone that only has an address for its id.
const putDocumentSQL = insertClient + ` ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata,
	updated_at = excluded.updated_at, verified = clients.verified AND NOT $16,
	first_party = clients.first_party AND NOT $16, epoch = clients.epoch + $17
	WHERE clients.source = 'document' RETURNING ` + clientColumns

// KeepDocument implements oauth.RegistrationStore. A disabled client stays so,
// and what a row has for a logo stays. ErrEnded: it was deleted; ErrConflict:
// the id is that of a client that was registered otherwise. A row that says the
// same already is not written, unless changed or end ask for it.
func (s *Store) KeepDocument(ctx context.Context, client *oauth.Client, changed, end bool) (*oauth.Client, error) {
	document := *client
	document.Source, document.Epoch, document.UpdatedAt = oauth.SourceDocument, 1, s.now()
	args, err := s.clientValues(&document)
	if err != nil {
		return nil, err
	}
	kept, err := s.readClient(ctx, client.ID)
	if err != nil || !changed && !end && sameDocument(kept, args[2]) {
		return kept, err
	}
	defer s.cache.empty()
	return write(ctx, s, serial, func(c conn) (*oauth.Client, error) { return s.putDocument(c, args, changed, end) })
}

func sameDocument(kept *oauth.Client, metadata any) bool {
	if kept == nil || kept.Source != oauth.SourceDocument {
		return false
	}
	text, err := json.Marshal(kept.Metadata)
	return err == nil && string(text) == metadata
}

func (s *Store) putDocument(c conn, args []any, changed, end bool) (*oauth.Client, error) {
	id := args[0]
	kept, err := s.scanClient(c.row(putDocumentSQL, append(args[:len(args):len(args)], changed, oneIf(end))...))
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
	if end && kept.Epoch > 1 { // else it is new: nothing hangs off it
		if err := s.tell(c, endedClient, "", kept.ID); err != nil {
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

// unused is what a registered client makes room for, and is swept for after
// some time.
const unused = `source = 'registered' AND last_used = 0`

// oldestUnused is a part of statements whose $1 is a time and $2 how many.
const oldestUnused = `SELECT id FROM clients WHERE ` + unused + ` AND created_at < $1
	AND NOT EXISTS (SELECT 1 FROM consents WHERE consents.client_id = clients.id)
	ORDER BY created_at, id LIMIT $2`

// dropUnused deletes without remembering the ids: they are 128 random bits, and
// strangers could fill the table.
func (s *Store) dropUnused(c conn, before int64, n int) error {
	if _, err := c.exec(`INSERT INTO revocations (at, kind, subject, name)
		SELECT $3, $4, '', id FROM clients WHERE id IN (`+oldestUnused+`)
		ON CONFLICT (at, kind, subject, name) DO NOTHING`, before, n, unix(s.now()), endedClient); err != nil {
		return err
	}
	for _, query := range []string{
		"DELETE FROM problems WHERE client_id IN (" + oldestUnused + ")",
		"DELETE FROM logos WHERE client_id IN (" + oldestUnused + ")",
		"UPDATE resources SET client_id = '' WHERE client_id IN (" + oldestUnused + ")",
		"DELETE FROM clients WHERE id IN (" + oldestUnused + ")",
	} {
		if _, err := c.exec(query, before, n); err != nil {
			return err
		}
	}
	return nil
}

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
	return s.change(ctx, func(c conn) error { return s.dropUnused(c, before, len(due)) })
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
