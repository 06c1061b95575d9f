package secret

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// Cache makes a chosen client secret cheap. Such a secret is hashed by
// argon2id, 39 ms that every token request would spend; after one success the
// Cache remembers a MAC over secret and hash under a key that lives as long as
// the process, and the next check takes microseconds. A changed secret has
// another hash, so nothing has to be forgotten. Failures aren't remembered.
type Cache struct {
	hasher *Hasher
	key    [32]byte
	max    int

	mu    sync.Mutex
	known map[[32]byte]struct{}
	busy  map[[32]byte]chan struct{} // being verified; closed when done
}

// NewCache makes a Cache of at most limit entries.
func NewCache(h *Hasher, limit int) *Cache {
	c := &Cache{
		hasher: h, max: max(limit, 1),
		known: map[[32]byte]struct{}{}, busy: map[[32]byte]chan struct{}{},
	}
	_, _ = rand.Read(c.key[:])
	return c
}

// Verify is Hasher.Verify with a memory. Requests that bring the same secret
// at once wait for the first: a busy client after a restart takes one slot.
func (c *Cache) Verify(ctx context.Context, addr, given, phc string) (bool, error) {
	id := c.mac(given, phc)
	for {
		known, wait := c.start(id)
		if known {
			return true, nil
		}
		if wait == nil {
			return c.first(ctx, id, addr, given, phc)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// start tells that id is known, or who verifies it already; neither makes
// the caller the one who does.
func (c *Cache) start(id [32]byte) (known bool, wait <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.known[id]; ok {
		return true, nil
	}
	if done, ok := c.busy[id]; ok {
		return false, done
	}
	c.busy[id] = make(chan struct{})
	return false, nil
}

// first verifies, and lets the others go on whatever happens.
func (c *Cache) first(ctx context.Context, id [32]byte, addr, given, phc string) (ok bool, err error) {
	defer func() { c.finish(id, ok && err == nil) }()
	return c.hasher.Verify(ctx, addr, given, phc)
}

func (c *Cache) finish(id [32]byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.busy[id])
	delete(c.busy, id)
	if !ok {
		return
	}
	for old := range c.known { // any will do: what is used comes back
		if len(c.known) < c.max {
			break
		}
		delete(c.known, old)
	}
	c.known[id] = struct{}{}
}

func (c *Cache) mac(given, phc string) (id [32]byte) {
	m := hmac.New(sha256.New, c.key[:])
	_ = binary.Write(m, binary.BigEndian, uint64(len(given)))
	m.Write([]byte(given))
	m.Write([]byte(phc))
	m.Sum(id[:0])
	return id
}
