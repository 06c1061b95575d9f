package store

import (
	"context"
	"slices"
	"sync"
	"time"
)

// lazy holds what may be lost and is written once a minute: when a session or
// a consent was last used. Losing it harms nobody; writing it each time would
// be a commit per request.
type lazy struct {
	mu   sync.Mutex
	seen map[string]int64 // session id
	used map[pair]int64
}

type pair struct{ clientID, subject string }

// maxLazy bounds each map; beyond it news is dropped until the next writing.
const maxLazy = 100_000

// SessionSeen implements login.Store.
func (s *Store) SessionSeen(id string, at time.Time) {
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	s.lazy.seen = note(s.lazy.seen, id, unix(at))
}

// Used notes that a client acted for a person.
func (s *Store) Used(clientID, subject string, at time.Time) {
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	s.lazy.used = note(s.lazy.used, pair{clientID, subject}, unix(at))
}

func note[K comparable](m map[K]int64, key K, at int64) map[K]int64 {
	if m == nil {
		m = map[K]int64{}
	}
	if before, known := m[key]; at > before && (known || len(m) < maxLazy) {
		m[key] = at
	}
	return m
}

func (l *lazy) lastUsed(clientID, subject string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.used[pair{clientID, subject}]; at != 0 {
		return time.Unix(at, 0).UTC()
	}
	return time.Time{}
}

func (l *lazy) take() (seen map[string]int64, used map[pair]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, used, l.seen, l.used = l.seen, l.used, nil, nil
	return seen, used
}

func (s *Store) flushLazy(ctx context.Context) error {
	seen, used := s.lazy.take()
	todo := make([]func(conn) error, 0, len(seen)+len(used))
	for id, at := range seen {
		todo = append(todo, func(c conn) error {
			_, err := c.exec("UPDATE sessions SET seen_at = $1 WHERE id = $2 AND seen_at < $1", at, id)
			return err
		})
	}
	for p, at := range used {
		todo = append(todo, func(c conn) error {
			_, err := c.exec(`UPDATE consents SET last_used = $1
				WHERE subject = $2 AND client_id = $3 AND last_used < $1`, at, p.subject, p.clientID)
			return err
		})
	}
	for some := range slices.Chunk(todo, chunk) {
		if err := s.transaction(ctx, inOrder(some)); err != nil {
			return err
		}
	}
	return nil
}

func inOrder(todo []func(conn) error) func(conn) error {
	return func(c conn) error {
		for _, do := range todo {
			if err := do(c); err != nil {
				return err
			}
		}
		return nil
	}
}
