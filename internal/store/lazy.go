package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// lazy holds what may be lost and is written once a minute: when a session, a
// consent or a client was last used. Losing it harms nobody; writing it each time would
// be a commit per request.
type lazy struct {
	mu sync.Mutex
	news
}

type news struct {
	seen    map[string]int64 // session id
	used    map[pair]int64
	clients map[string]int64 // client id
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

// Used notes that a client acted, for a person or for itself (subject "").
func (s *Store) Used(clientID, subject string, at time.Time) {
	client, known, _ := s.cache.client(clientID)
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	if !known || client != nil && client.Source != oauth.SourceOperator {
		s.lazy.clients = note(s.lazy.clients, clientID, unix(at))
	}
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

// clientsOf returns those that were used lately, of which that isn't written.
func (l *lazy) clientsOf(ids []string) (used []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if _, noted := l.clients[id]; noted {
			used = append(used, id)
		}
	}
	return used
}

func (l *lazy) take() news {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.news
	l.news = news{}
	return taken
}

func (s *Store) flushLazy(ctx context.Context) error {
	taken := s.lazy.take()
	todo := make([]func(conn) error, 0, len(taken.seen)+len(taken.used)+len(taken.clients))
	for id, at := range taken.seen {
		todo = append(todo, func(c conn) error {
			_, err := c.exec("UPDATE sessions SET seen_at = $1 WHERE id = $2 AND seen_at < $1", at, id)
			return err
		})
	}
	for p, at := range taken.used {
		todo = append(todo, func(c conn) error {
			_, err := c.exec(`UPDATE consents SET last_used = $1
				WHERE subject = $2 AND client_id = $3 AND last_used < $1`, at, p.subject, p.clientID)
			return err
		})
	}
	for id, at := range taken.clients {
		todo = append(todo, func(c conn) error {
			_, err := c.exec("UPDATE clients SET last_used = $1 WHERE id = $2 AND source <> '' AND last_used < $1", at, id)
			return err
		})
	}
	for some := range slices.Chunk(todo, chunk) {
		if err := s.statements(ctx, inOrder(some)); err != nil {
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
