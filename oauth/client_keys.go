package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// How long a fetched key set is good, and how often one may be asked for: a
// token that names a made-up kid shall not turn us against its client's host.
const (
	keySetLife    = time.Hour
	keySetPause   = time.Minute
	maxKeySets    = 10_000
	maxKeySetsAll = 8 << 20 // bytes as they came; parsed they take several times as much
	maxKeySetSize = 64 << 10
)

// keySets are the key sets behind jwks_uri, one of each address however many
// clients name it. A slow one keeps only those waiting who asked for it.
type keySets struct {
	mu   *sync.Mutex
	sets map[string]*keySet
	size *int // of all bodies
}

type keySet struct {
	keys    []jose.PublicKey
	body    []byte
	err     error     // of the last try
	tried   time.Time // when it last began
	until   time.Time // keys are good before
	loading chan struct{}
}

func newKeySets() keySets {
	return keySets{mu: new(sync.Mutex), sets: map[string]*keySet{}, size: new(int)}
}

// clientKeys returns the keys by which a token of a client's may be verified.
func (s *Server) clientKeys(ctx context.Context, c *Client, token string) ([]jose.PublicKey, error) {
	if c.JWKSURI == "" {
		return c.keys, nil
	}
	kid, _, err := jose.KeyID(token)
	if err != nil {
		return nil, err
	}
	set, err := s.keySet(ctx, c.JWKSURI, kid)
	return set.keys, err
}

// keySet answers from memory while the set is good and has the kid. An unknown
// kid fetches again, but not more than once a minute. OpenID Connect Core
// §10.1.1. When the address fails, keys that we had stay good.
func (s *Server) keySet(ctx context.Context, address, kid string) (keySet, error) {
	if s.Outbound == nil {
		return keySet{}, errors.New("keys are not fetched here")
	}
	set, loading := s.keySets.look(address, kid, s.Now(), func(done func([]jose.PublicKey, []byte, time.Duration, error)) {
		go s.loadKeySet(context.WithoutCancel(ctx), address, done)
	})
	if loading != nil {
		select {
		case <-loading:
		case <-ctx.Done():
			return keySet{}, ctx.Err()
		}
		set = s.keySets.now(address)
	}
	if set.keys == nil {
		return set, fmt.Errorf("keys at %s: %w", address, set.err)
	}
	return set, nil
}

func (s *Server) loadKeySet(ctx context.Context, address string, done func([]jose.PublicKey, []byte, time.Duration, error)) {
	document, err := s.Outbound.Get(ctx, address, maxKeySetSize)
	if err != nil {
		done(nil, nil, 0, err)
		return
	}
	keys, err := jose.ParseJWKS(document.Body)
	if keys == nil {
		keys = []jose.PublicKey{}
	}
	done(keys, document.Body, min(max(document.MaxAge, keySetPause), keySetLife), err)
}

// look finds a set; loading is what to wait for when it has to be fetched.
func (k *keySets) look(address, kid string, now time.Time, load func(func([]jose.PublicKey, []byte, time.Duration, error))) (keySet, chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := k.sets[address]
	if set == nil {
		k.makeRoom()
		set = &keySet{}
		k.sets[strings.Clone(address)] = set
	}
	good := set.keys != nil && now.Before(set.until) && (kid == "" || slices.ContainsFunc(set.keys, func(p jose.PublicKey) bool { return p.KID == kid }))
	switch {
	case good:
		return *set, nil
	case set.loading != nil:
		return *set, set.loading
	case !set.tried.IsZero() && now.Sub(set.tried) < keySetPause && now.After(set.tried.Add(-keySetPause)):
		return *set, nil
	}
	set.tried, set.loading = now, make(chan struct{})
	load(func(keys []jose.PublicKey, body []byte, life time.Duration, err error) {
		k.loaded(set, keys, body, now.Add(life), err)
	})
	return *set, set.loading
}

func (k *keySets) loaded(set *keySet, keys []jose.PublicKey, body []byte, until time.Time, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if set.err = err; err == nil {
		*k.size += len(body) - len(set.body)
		set.keys, set.body, set.until = keys, body, until
	}
	if *k.size > maxKeySetsAll {
		k.makeRoom() // not of this one, which is loading still
	}
	close(set.loading)
	set.loading = nil
}

func (k *keySets) now(address string) keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	if set := k.sets[address]; set != nil {
		return *set
	}
	return keySet{err: errors.New("forgotten")}
}

// makeRoom drops sets at random; who needs one fetches it again.
func (k *keySets) makeRoom() {
	for address, set := range k.sets {
		if len(k.sets) < maxKeySets && *k.size <= maxKeySetsAll {
			return
		}
		if set.loading == nil {
			*k.size -= len(set.body)
			delete(k.sets, address)
		}
	}
}
