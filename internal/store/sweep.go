package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
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

// sweepUsed: what may be good for longer than steadyFor waits an hour more, by
// which a clock may be ahead.
func (s *Store) sweepUsed(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM used WHERE (kind, hash) IN (SELECT kind, hash FROM used
		WHERE until < $1 AND (kind IN ('dpop', 'assertion') OR until < $2) ORDER BY until LIMIT $3)`,
		unix(now.Add(-2*clockSkew)), unix(now.Add(-time.Hour-2*clockSkew)), sweepBatch)
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

// sweeper is what a node remembers of its sweeps.
type sweeper struct {
	mu   sync.Mutex
	rows atomic.Int64 // deleted by the sweep under way
	last atomic.Pointer[SweepStats]
}

// walks are how far two walks over the authorizations have come, by primary key,
// since the table has no index on its times: that would cost every refresh more
// than sweeping does. Ids are in the order of their time. Young authorizations
// without a refresh token, which most are where there are many, are over half an
// hour later: the first walk follows at that distance and sees each row once.
// What it leaves, a second one sees again and again, a part at a time.
type walks struct{ young, old string }

const (
	youngAge   = 30 * time.Minute
	youngPages = 2000 // a million rows a minute
	oldPages   = 200  // 144 million a day
)

func (s *Store) sweepAuthorizations(ctx context.Context, now time.Time) error {
	s.sweeper.mu.Lock()
	defer s.sweeper.mu.Unlock()
	w, err := s.loadWalks(ctx)
	if err != nil {
		return err
	}
	before, expired := w, unix(now.Add(-codeGrace))
	_, err = s.walk(ctx, &w.young, secret.NewIDAt(now.Add(-youngAge)), youngPages, expired)
	if err == nil {
		var over bool
		if over, err = s.walk(ctx, &w.old, w.young, oldPages, expired); over {
			w.old = ""
		}
	}
	if w == before {
		return err
	}
	return errors.Join(err, s.saveWalks(ctx, w))
}

// walk goes on from at to end, and says whether it has come there.
func (s *Store) walk(ctx context.Context, at *string, end string, pages int, expired int64) (over bool, err error) {
	for range pages {
		last, err := s.sweepPage(ctx, *at, end, expired)
		if err != nil || last == "" {
			return err == nil, err
		}
		*at = last
	}
	return false, nil
}

func (s *Store) loadWalks(ctx context.Context) (w walks, err error) {
	value, _, err := setting(s.read(ctx), settingSweep)
	if err = s.mapped(ctx, err); errors.Is(err, oauth.ErrNotFound) {
		return w, nil
	}
	w.young, w.old, _ = strings.Cut(value, " ")
	return w, err
}

func (s *Store) saveWalks(ctx context.Context, w walks) error {
	return s.statement(ctx, func(c conn) error {
		_, err := c.exec(`INSERT INTO settings (name, value, number) VALUES ($1, $2, 0)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, settingSweep, w.young+" "+w.old)
		return err
	})
}

// sweepEvery is how long nobody sweeps after somebody has begun to. It is less
// than the minute in which each node asks, so that a node alone sweeps each time.
const sweepEvery = 50 * time.Second

// sweepInTurn sweeps unless another node has just begun to. A time that is far
// ahead is of a clock that was put right since.
func (s *Store) sweepInTurn(ctx context.Context) error {
	now := s.now()
	_, err := write(ctx, s, single, func(c conn) (name string, err error) {
		err = c.row(`INSERT INTO settings (name, value, number) VALUES ($1, '', $2)
			ON CONFLICT (name) DO UPDATE SET number = excluded.number WHERE settings.number <= $3 OR settings.number > $4
			RETURNING name`, settingSweep, unix(now), unix(now.Add(-sweepEvery)), unix(now.Add(sweepEvery))).Scan(&name)
		return name, err
	})
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return s.timed(ctx, s.Sweep)
}

// sweepPage returns the page's last id, "" at the end. It writes only where
// there is something to delete.
func (s *Store) sweepPage(ctx context.Context, after, end string, expired int64) (string, error) {
	var last string
	var over bool
	if err := s.read(ctx).row(`SELECT COALESCE(MAX(id), ''), COALESCE(MAX(CASE WHEN expires_at < $1 AND refresh_until < $1 THEN 1 ELSE 0 END), 0) = 1
		FROM (SELECT id, expires_at, refresh_until FROM authorizations WHERE id > $2 AND id <= $3 ORDER BY id LIMIT $4) AS page`,
		expired, after, end, sweepBatch).Scan(&last, &over); err != nil {
		return "", s.mapped(ctx, err)
	}
	if !over {
		return last, nil
	}
	return last, s.statements(ctx, func(c conn) error {
		if err := keepSessionClients(c, after, last, expired); err != nil {
			return err
		}
		n, err := c.exec(`DELETE FROM authorizations
			WHERE id > $1 AND id <= $2 AND expires_at < $3 AND refresh_until < $3`, after, last, expired)
		s.sweeper.rows.Add(n)
		return err
	})
}
