package keys

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/valetkey/valetkey/internal/jose"
)

// Ring holds the opened keys and sees to their life. Any number of goroutines
// may use it.
type Ring struct {
	c    Config
	view atomic.Pointer[view]

	loading  sync.Mutex // one load at a time, so that an older one can't overtake
	lastLook int64      // when Public last went to the store for a kid; under loading

	mu     sync.Mutex
	making map[jose.Alg]*attempt
}

// New loads the keys. An ES256 key that is missing is made at once, others in
// the background. A key that can't be opened is an error: the master secret is
// another one.
func New(ctx context.Context, c Config) (*Ring, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Ring{c: c, making: map[jose.Alg]*attempt{}}
	r.view.Store(newView(c.Now().Unix(), nil, nil))
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	if c.OneOff {
		return r, nil
	}
	for _, alg := range c.Algs {
		if r.current().signers[alg] != nil {
			continue
		}
		if alg != jose.ES256 {
			r.attempt(ctx, alg)
		} else if _, err := r.Signer(ctx, alg); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Signer returns the key that signs now. When there is none yet it is made,
// and Signer waits: 0.4 s at worst, for RSA.
func (r *Ring) Signer(ctx context.Context, alg jose.Alg) (*jose.PrivateKey, error) {
	if !alg.Valid() {
		return nil, fmt.Errorf("signing keys: unknown algorithm %q", alg)
	}
	if key := r.current().signers[alg]; key != nil {
		return key, nil
	}
	a := r.attempt(ctx, alg)
	select {
	case <-a.done:
		return a.key, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// JWKS is the key set for everyone: published, signing and retiring keys. It
// waits for the configured algorithms' first keys: a key set without RS256
// that is cached for an hour would break everyone who came early. The bytes
// are shared; don't change them.
func (r *Ring) JWKS(ctx context.Context) ([]byte, error) {
	for _, alg := range r.c.Algs {
		if _, err := r.Signer(ctx, alg); err != nil {
			return nil, err
		}
	}
	return r.current().jwks, nil
}

// Public are the keys by which we accept what we signed ourselves.
func (r *Ring) Public(context.Context) []jose.PublicKey { return r.current().public }

// PublicFor is Public, after a look at the store if no key has that kid: the
// token may come from a node that rotated in the last two seconds. Strangers'
// made-up kids cause one look a second, not more.
func (r *Ring) PublicFor(ctx context.Context, kid string) []jose.PublicKey {
	if v := r.current(); v.has(kid) || !r.mayLook() {
		return v.public
	}
	if err := r.load(ctx); err != nil {
		r.c.Log.WarnContext(ctx, "signing keys can't be read", "error", err)
	}
	return r.current().public
}

func (r *Ring) mayLook() bool {
	r.loading.Lock()
	defer r.loading.Unlock()
	now := r.c.Now().Unix()
	if now == r.lastLook {
		return false
	}
	r.lastLook = now
	return true
}

// List shows the keys as the store has them now.
func (r *Ring) List(ctx context.Context) ([]Status, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	now := r.c.Now().Unix()
	records := r.current().records
	list := make([]Status, 0, len(records))
	for _, rec := range records {
		list = append(list, rec.status(stateOf(now, rec, chain(records, rec.Alg))))
	}
	return list, nil
}

// current is the view for now.
func (r *Ring) current() *view {
	now := r.c.Now().Unix()
	for {
		v := r.view.Load()
		if v.holds(now) {
			return v
		}
		next := newView(now, v.records, v.opened)
		if r.view.CompareAndSwap(v, next) {
			return next
		}
	}
}

// load reads the store and opens the keys that are new.
func (r *Ring) load(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	records, err := r.c.Store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	old := r.view.Load()
	if old.same(records) {
		return nil
	}
	opened := map[string]*jose.PrivateKey{}
	for _, rec := range records {
		key, ok := old.opened[rec.KID]
		if !ok {
			if key, err = r.open(rec); err != nil {
				return err
			}
		}
		opened[rec.KID] = key
	}
	r.view.Store(newView(r.c.Now().Unix(), slices.Clone(records), opened))
	return nil
}

func (r *Ring) open(rec Record) (*jose.PrivateKey, error) {
	der, err := r.c.Box.Open(string(rec.Sealed), []byte(rec.KID))
	if err != nil {
		return nil, fmt.Errorf("signing key %s: sealed under another master secret, or altered: %w", rec.KID, err)
	}
	key, err := jose.Unmarshal(rec.Alg, der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", rec.KID, err)
	}
	if key.KID() != rec.KID {
		return nil, fmt.Errorf("signing key %s: the row holds another key", rec.KID)
	}
	return key, nil
}
