package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

const (
	staleAfter = 2 * time.Second
	maxClients = 10_000
	maxAbsent  = 1_000
	maxID      = 2_048 // what is longer is nobody's, and not worth remembering

	maxClientBytes = 32 << 20 // of all clients, as they are weighed
)

// cache keeps clients and the catalog until something of their kind changes.
// Every change raises a number in settings, in its own transaction; the poll
// reads it a few times a second and empties the cache when it has moved. Without a
// successful poll for two seconds nothing in here is believed.
type cache struct {
	mu       sync.RWMutex
	version  int64  // as last read from settings
	fill     uint64 // raised by emptying; a value read before then isn't kept
	stale    bool
	expiry   *time.Timer
	polledAt time.Time // of the last success; zero: none yet
	moved    chan struct{}

	clients  map[string]weighed
	weight   int // of all clients
	absent   map[string]struct{}
	catalog  *oauth.Catalog
	declared oauth.Catalog
	origins  map[string]struct{} // nil: not read yet
}

func newCache() *cache {
	c := &cache{stale: true, moved: make(chan struct{}, 1)}
	c.clear()
	c.expiry = time.AfterFunc(staleAfter, c.expire)
	return c
}

// expire runs on a timer and not by the clock: a clock that is set must
// neither keep the cache alive nor kill it.
func (c *cache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = true
}

func (c *cache) stop() { c.expiry.Stop() }

// clear is called with mu held.
func (c *cache) clear() {
	c.fill++
	c.clients, c.weight = map[string]weighed{}, 0
	c.absent = map[string]struct{}{}
	c.catalog = nil
	c.origins = nil
}

func (c *cache) empty() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
}

// differs says whether something was changed since the last poll.
func (c *cache) differs(version int64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return version != c.version
}

// polled takes note of a successful poll.
func (c *cache) polled(version int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version != c.version {
		c.version = version
		c.clear()
		select {
		case c.moved <- struct{}{}:
		default:
		}
	}
	c.stale, c.polledAt = false, stopwatch()
	c.expiry.Reset(staleAfter)
}

// Moved tells one listener that something was changed, here or by another
// process, that nodes keep in memory: clients, the catalog, signing keys.
func (s *Store) Moved() <-chan struct{} { return s.cache.moved }

// pollOnce looks for other processes' changes.
func (s *Store) pollOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, staleAfter/2)
	defer cancel()
	if err := s.watchTimeline(ctx); err != nil {
		return err
	}
	_, version, err := setting(s.read(ctx), settingVersion)
	if err != nil {
		return s.mapped(ctx, err)
	}
	if s.cache.differs(version) {
		if err := s.loadRestored(ctx); err != nil {
			return err
		}
	}
	s.cache.polled(version)
	return nil
}

// fresh makes sure that the cache may be believed. When the poll has failed
// for too long, or nobody runs Run, it polls here and now.
func (s *Store) fresh(ctx context.Context) error {
	s.cache.mu.RLock()
	stale := s.cache.stale
	s.cache.mu.RUnlock()
	if !stale {
		return nil
	}
	if err := s.pollOnce(ctx); err != nil {
		return fmt.Errorf("%w: %w", oauth.ErrUnavailable, err)
	}
	return nil
}

// change runs a transaction over something that is cached: other nodes see the
// raised number, this one forgets at once.
func (s *Store) change(ctx context.Context, fn func(conn) error) error {
	defer s.cache.empty()
	err := s.transaction(ctx, func(c conn) error {
		if err := fn(c); err != nil {
			return err
		}
		return raiseVersion(c)
	})
	if err == nil {
		s.announce(ctx)
	}
	return err
}

// client looks a client up; known tells whether the cache could answer.
func (c *cache) client(id string) (client *oauth.Client, known bool, fill uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if w, known := c.clients[id]; known {
		return w.client, true, c.fill
	}
	_, known = c.absent[id]
	return nil, known, c.fill
}

// keep stores what was read, nil for no such client, unless the cache was
// emptied since: the read may have been older than the change.
func (c *cache) keep(id string, client *oauth.Client, fill uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case fill != c.fill, len(id) > maxID:
	case client == nil:
		dropOne(c.absent, maxAbsent)
		c.absent[strings.Clone(id)] = struct{}{} // not what it was cut out of
	default:
		w := weigh(client)
		c.weight += w.bytes - c.clients[id].bytes
		c.clients[strings.Clone(id)] = w
		for other, w := range c.clients { // any will do
			if len(c.clients) <= maxClients && c.weight <= maxClientBytes {
				break
			}
			if other != id {
				c.weight -= w.bytes
				delete(c.clients, other)
			}
		}
	}
}

// weighed is a client with what it takes in memory, about: whoever registers one
// says how much is in it.
type weighed struct {
	client *oauth.Client
	bytes  int
}

func weigh(client *oauth.Client) weighed {
	text, _ := json.Marshal(client.Metadata)                         // what was read from JSON can be written
	return weighed{client, 1<<10 + 2*len(text) + 4*len(client.JWKS)} // keys grow when they are parsed
}

// dropOne makes room in a full map; any entry will do.
func dropOne[T any](m map[string]T, limit int) {
	if len(m) < limit {
		return
	}
	for id := range m {
		delete(m, id)
		return
	}
}
