package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sweepBatch = 500
	clockSkew  = time.Minute // what two clocks may differ by
	// codeGrace outlives every code, whose reuse must find its authorization:
	// RFC 6749 §4.1.2 recommends ten minutes at most.
	codeGrace       = 10*time.Minute + 2*clockSkew
	keepEndedFor    = 24 * time.Hour // sessions; far longer than any code of theirs
	keepUnusedLogo  = 24 * time.Hour
	keepProblemsFor = 30 * 24 * time.Hour
	keepActivities  = 90 * 24 * time.Hour
	keepOnce        = 60 * 24 * time.Hour  // browsers that never came back
	keepBrowsers    = 400 * 24 * time.Hour // as long as any browser keeps its cookie
)

// Sweep deletes what has expired, in small batches, so that no request waits
// long behind one.
func (s *Store) Sweep(ctx context.Context) error {
	now := s.now()
	for _, w := range []struct {
		what  string
		sweep func(context.Context, time.Time) error
	}{
		{"used", s.sweepUsed},
		{"revoked", s.sweepRevoked},
		{"parked", s.sweepParked},
		{"sessions", s.sweepSessions},
		{"authorizations", s.sweepAuthorizations},
		{"logos", s.sweepLogos},
		{"problems", s.sweepProblems},
		{"pushed", s.sweepPushed},
		{"devices", s.sweepDevices},
		{"logouts", s.sweepLogouts},
		{"session clients", s.sweepSessionClients},
		{"revocations", s.sweepRevocations},
		{"clients", s.sweepClients},
		{"links", s.sweepLinks},
		{"browsers", s.sweepBrowsers},
		{"activities", s.sweepActivities},
		{"mails", s.sweepMails},
	} {
		if err := w.sweep(ctx, now); err != nil {
			return fmt.Errorf("sweep %s: %w", w.what, err)
		}
	}
	return nil
}

// inBatches runs a deletion of at most sweepBatch rows until it finds fewer.
func (s *Store) inBatches(ctx context.Context, query string, args ...any) error {
	for ctx.Err() == nil {
		n, err := write(ctx, s, single, func(c conn) (int64, error) { return c.exec(query, args...) })
		s.sweeper.rows.Add(n)
		if err != nil || n < sweepBatch {
			return err
		}
	}
	return ctx.Err()
}

func (s *Store) sweepUsed(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM used WHERE (kind, hash) IN (SELECT kind, hash FROM used
		WHERE until < $1 ORDER BY until LIMIT $2)`, unix(now.Add(-2*clockSkew)), sweepBatch)
}

func (s *Store) sweepRevoked(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM revoked WHERE token_id IN (SELECT token_id FROM revoked
		WHERE until < $1 ORDER BY until LIMIT $2)`, unix(now.Add(-2*clockSkew)), sweepBatch)
}

func (s *Store) sweepParked(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM parked WHERE handle IN (SELECT handle FROM parked
		WHERE until < $1 ORDER BY until LIMIT $2)`, unix(now), sweepBatch)
}

func (s *Store) sweepLinks(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM links WHERE hash IN (SELECT hash FROM links
		WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`, unix(now), sweepBatch)
}

func (s *Store) sweepBrowsers(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM browsers WHERE (subject, hash) IN (SELECT subject, hash FROM browsers
		WHERE seen_at < $1 AND (seen_at < $2 OR seen_at = first_at) ORDER BY seen_at LIMIT $3)`,
		unix(now.Add(-keepOnce)), unix(now.Add(-keepBrowsers)), sweepBatch)
}

func (s *Store) sweepActivities(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM activities WHERE id IN (SELECT id FROM activities
		WHERE at < $1 ORDER BY at LIMIT $2)`, unix(now.Add(-keepActivities)), sweepBatch)
}

// sweepMails drops what nobody could send in time; the loop that sends does so
// first, and says so.
func (s *Store) sweepMails(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM mails WHERE id IN (SELECT id FROM mails
		WHERE expires_at < $1 LIMIT $2)`, unix(now.Add(-time.Hour)), sweepBatch)
}

func (s *Store) sweepLogos(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM logos WHERE id IN (SELECT id FROM logos WHERE created_at < $1
		AND NOT EXISTS (SELECT 1 FROM clients WHERE clients.id = logos.client_id AND clients.logo_id = logos.id)
		LIMIT $2)`,
		unix(now.Add(-keepUnusedLogo)), sweepBatch)
}

func (s *Store) sweepProblems(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM problems WHERE (client_id, key) IN (SELECT client_id, key FROM problems
		WHERE last_at < $1 LIMIT $2)`, unix(now.Add(-keepProblemsFor)), sweepBatch)
}

// sweepSessions deletes sessions a day after they expired or were ended. First
// it ends once more what hangs off an ended one: on PostgreSQL a code may have
// been redeemed while its session was being ended, and once the row is gone
// nothing would tell it from one that merely expired.
func (s *Store) sweepSessions(ctx context.Context, now time.Time) error {
	old := unix(now.Add(-keepEndedFor))
	for ctx.Err() == nil {
		ended, err := all(s.read(ctx), scanSession, "SELECT "+sessionColumns+` FROM sessions
			WHERE ended_at > 0 AND ended_at < $1 LIMIT $2`, old, sweepBatch/10)
		if err != nil {
			return s.mapped(ctx, err)
		}
		for _, v := range ended {
			if err := s.dropSession(ctx, v.ID, v.Subject, unix(v.EndedAt)); err != nil {
				return err
			}
		}
		if len(ended) < sweepBatch/10 {
			break
		}
	}
	return s.inBatches(ctx, `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions
		WHERE expires_at < $1 AND ended_at = 0 ORDER BY expires_at LIMIT $2)`, old, sweepBatch)
}

func (s *Store) dropSession(ctx context.Context, id, subject string, endedAt int64) error {
	return s.statements(ctx, func(c conn) error {
		if err := endSessionAuthorizations(c, subject, id, endedAt); err != nil {
			return err
		}
		_, err := c.exec("DELETE FROM sessions WHERE id = $1", id)
		return err
	})
}

// sweeper remembers how far the walk over authorizations has come.
type sweeper struct {
	mu    sync.Mutex
	after string
	rows  atomic.Int64 // deleted by the sweep under way
	last  atomic.Pointer[SweepStats]
}

// maxPages bounds one walk: 100,000 rows; the next goes on where it ended.
const maxPages = 200

// sweepAuthorizations walks the primary key, since the table has no index on
// its times, and deletes page by page what nothing can refer to any more.
func (s *Store) sweepAuthorizations(ctx context.Context, now time.Time) error {
	s.sweeper.mu.Lock()
	defer s.sweeper.mu.Unlock()
	old := unix(now.Add(-codeGrace))
	for range maxPages {
		last, err := s.sweepPage(ctx, s.sweeper.after, old)
		s.sweeper.after = last
		if err != nil || last == "" {
			return err
		}
	}
	return nil
}

type lifetime struct {
	id    string
	until int64
}

// sweepPage returns the page's last id, "" at the end. It writes only where
// there is something to delete.
func (s *Store) sweepPage(ctx context.Context, after string, old int64) (string, error) {
	page, err := all(s.read(ctx), func(r scanner) (v lifetime, err error) {
		var expires, refresh int64
		err = r.Scan(&v.id, &expires, &refresh)
		v.until = max(expires, refresh)
		return v, err
	}, `SELECT id, expires_at, refresh_until FROM authorizations WHERE id > $1 ORDER BY id LIMIT $2`, after, sweepBatch)
	if err != nil || len(page) == 0 {
		return "", s.mapped(ctx, err)
	}
	last := page[len(page)-1].id
	if !slices.ContainsFunc(page, func(v lifetime) bool { return v.until < old }) {
		return last, nil
	}
	return last, s.statements(ctx, func(c conn) error {
		if err := keepSessionClients(c, after, last, old); err != nil {
			return err
		}
		n, err := c.exec(`DELETE FROM authorizations
			WHERE id > $1 AND id <= $2 AND expires_at < $3 AND refresh_until < $3`, after, last, old)
		s.sweeper.rows.Add(n)
		return err
	})
}
