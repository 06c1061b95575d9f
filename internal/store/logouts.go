package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// SessionClients implements oauth.LogoutStore. Authorizations without a refresh
// token are swept long before a session ends; session_clients remembers them.
func (s *Store) SessionClients(ctx context.Context, subject, sessionID string) ([]string, error) {
	found, err := all(s.read(ctx), scanID, `SELECT client_id FROM authorizations WHERE subject = $1 AND session_id = $2
		UNION SELECT client_id FROM session_clients WHERE session_id = $2 ORDER BY client_id`, subject, sessionID)
	return found, s.mapped(ctx, err)
}

// QueueLogouts implements oauth.LogoutStore. To queue one twice is no error.
func (s *Store) QueueLogouts(ctx context.Context, deliveries []oauth.LogoutDelivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	return s.statements(ctx, func(c conn) error {
		for _, d := range deliveries {
			if _, err := c.exec(`INSERT INTO logouts (`+logoutColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (id) DO NOTHING`, d.ID, d.ClientID, d.Subject, d.SessionID, d.Tries, unix(d.DueAt),
				unix(d.ExpiresAt)); err != nil {
				return err
			}
		}
		return nil
	})
}

const logoutColumns = "id, client_id, subject, session_id, tries, due_at, expires_at"

func scanLogout(r scanner) (d oauth.LogoutDelivery, err error) {
	err = r.Scan(&d.ID, &d.ClientID, &d.Subject, &d.SessionID, &d.Tries, intoTime(&d.DueAt), intoTime(&d.ExpiresAt))
	return d, err
}

// takeLogoutsSQL asks twice whether a row is due: on PostgreSQL the inner
// question may be answered before another node has claimed it.
const takeLogoutsSQL = `UPDATE logouts SET due_at = $1 WHERE due_at <= $2 AND id IN (SELECT id FROM logouts
	WHERE due_at <= $2 AND expires_at > $2 ORDER BY due_at, id LIMIT $3) RETURNING ` + logoutColumns

// TakeLogouts implements oauth.LogoutStore. It writes only when something is
// due, as it is asked all the time.
func (s *Store) TakeLogouts(ctx context.Context, now, lease time.Time, n int) ([]oauth.LogoutDelivery, error) {
	var due bool
	err := s.read(ctx).row("SELECT EXISTS (SELECT 1 FROM logouts WHERE due_at <= $1 AND expires_at > $1)", unix(now)).Scan(&due)
	if err != nil || !due {
		return nil, s.mapped(ctx, err)
	}
	taken, err := write(ctx, s, single, func(c conn) ([]oauth.LogoutDelivery, error) {
		return all(c, scanLogout, takeLogoutsSQL, unix(lease), unix(now), n)
	})
	slices.SortFunc(taken, func(a, b oauth.LogoutDelivery) int { return cmp.Compare(a.ID, b.ID) })
	return taken, err
}

// LogoutDone implements oauth.LogoutStore.
func (s *Store) LogoutDone(ctx context.Context, id string) error {
	return s.statement(ctx, func(c conn) error {
		_, err := c.exec("DELETE FROM logouts WHERE id = $1", id)
		return err
	})
}

// LogoutFailed implements oauth.LogoutStore.
func (s *Store) LogoutFailed(ctx context.Context, id string, due time.Time) error {
	return s.statement(ctx, func(c conn) error {
		_, err := c.exec("UPDATE logouts SET tries = tries + 1, due_at = $1 WHERE id = $2", unix(due), id)
		return err
	})
}

// keepSessionClients remembers of authorizations that are about to be swept in
// which sessions they were made: an app may have to be told of the end of one
// hours after its tokens expired.
func keepSessionClients(c conn, after, last string, old int64) error {
	_, err := c.exec(`INSERT INTO session_clients (session_id, client_id)
		SELECT DISTINCT session_id, client_id FROM authorizations
		WHERE id > $1 AND id <= $2 AND expires_at < $3 AND refresh_until < $3 AND session_id <> ''
		AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = authorizations.session_id AND sessions.ended_at = 0)
		ON CONFLICT (session_id, client_id) DO NOTHING`, after, last, old)
	return err
}

// sweepSessionClients forgets with the session.
func (s *Store) sweepSessionClients(ctx context.Context, _ time.Time) error {
	gone, err := all(s.read(ctx), scanID, `SELECT DISTINCT session_id FROM session_clients
		WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.id = session_clients.session_id)`)
	if err != nil {
		return s.mapped(ctx, err)
	}
	for some := range slices.Chunk(gone, chunk) {
		if err := s.statements(ctx, func(c conn) error { return dropSessionClients(c, some) }); err != nil {
			return err
		}
	}
	return nil
}

func dropSessionClients(c conn, sessions []string) error {
	for _, id := range sessions {
		if _, err := c.exec("DELETE FROM session_clients WHERE session_id = $1", id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepLogouts(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM logouts WHERE id IN (SELECT id FROM logouts
		WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`, unix(now), sweepBatch)
}
