package resource

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const (
	// unknownEvery bounds what made-up kids can cause: one fetch in that time.
	unknownEvery = 30 * time.Second
	// failedEvery is how soon a fetch that failed is tried again, with keys in
	// hand and without.
	failedEvery      = 5 * time.Second
	failedEveryEmpty = time.Second
	// staleLife is how long the last key set is believed when there is no newer.
	staleLife = 24 * time.Hour
)

// keySet keeps the server's keys. One goroutine fetches; the others wait for it.
type keySet struct {
	server *server
	now    func() time.Time

	mu       sync.Mutex
	keys     []jose.PublicKey
	fetched  time.Time // when keys came; zero: never
	fresh    time.Time // until when they are good
	tried    time.Time // when the last attempt ended
	err      error     // and how
	fetching chan struct{}
}

func newKeySet(s *server, now func() time.Time) *keySet { return &keySet{server: s, now: now} }

// get returns the keys. It fetches them when they are old, or when none has
// that kid: the server may have rotated. While the server fails, old keys are
// used at once and the next attempt goes on beside. The error is ErrUnavailable
// when nothing can be said about the kid because the server can't be reached.
func (k *keySet) get(ctx context.Context, kid string) ([]jose.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for round := 0; ; round++ {
		if k.enough(kid) {
			return k.keys, nil
		}
		if round > 0 || !k.due() {
			return k.makeDo(kid)
		}
		done := k.start(ctx)
		if k.err != nil && k.usable() && k.has(kid) {
			return k.keys, nil
		}
		if err := k.wait(ctx, done); err != nil {
			return nil, err
		}
	}
}

// enough: the keys are fresh and have the kid.
func (k *keySet) enough(kid string) bool { return k.now().Before(k.fresh) && k.has(kid) }

func (k *keySet) has(kid string) bool {
	return kid == "" && len(k.keys) > 0 || slices.ContainsFunc(k.keys, func(p jose.PublicKey) bool { return p.KID == kid })
}

// due tells whether to fetch (or wait for who does), and not for a stranger's
// sake too often.
func (k *keySet) due() bool {
	pause := unknownEvery
	switch {
	case k.fetching != nil, k.tried.IsZero():
		return true
	case k.err != nil && k.fetched.IsZero():
		pause = failedEveryEmpty
	case k.err != nil:
		pause = failedEvery
	case !k.now().Before(k.fresh):
		return true
	}
	return k.now().Sub(k.tried) >= pause
}

// makeDo answers with what there is. Keys that are old are good for a day if
// the kid is among them; when the kid isn't and the last fetch failed, nobody
// knows.
func (k *keySet) makeDo(kid string) ([]jose.PublicKey, error) {
	if k.usable() && (k.err == nil || k.has(kid)) {
		return k.keys, nil
	}
	return nil, unavailable(k.err)
}

func (k *keySet) usable() bool {
	return !k.fetched.IsZero() && k.now().Before(k.fetched.Add(staleLife))
}

// start begins a fetch, or joins the one under way. It doesn't end with the
// request that began it, since others wait too.
func (k *keySet) start(ctx context.Context) <-chan struct{} {
	if k.fetching == nil {
		k.fetching = make(chan struct{})
		go k.fetch(context.WithoutCancel(ctx), k.fetching)
	}
	return k.fetching
}

// wait waits for a fetch to end. Callers hold k.mu; it is let go meanwhile.
func (k *keySet) wait(ctx context.Context, done <-chan struct{}) error {
	k.mu.Unlock()
	defer k.mu.Lock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *keySet) fetch(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	keys, life, err := k.server.keys(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err, k.tried = err, k.now()
	if err == nil {
		k.keys, k.fetched, k.fresh = keys, k.now(), k.now().Add(life)
	}
	k.fetching = nil
	close(done)
}
