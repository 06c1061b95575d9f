package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// attempt is the making of an algorithm's first key. Whoever needs the key
// waits for the same one; key and err are set when done is closed.
type attempt struct {
	done chan struct{}
	key  *jose.PrivateKey
	err  error
}

const makeTimeout = 30 * time.Second

// attempt joins the attempt that is under way, or starts one. It isn't ended
// with the request that started it: others wait for it too.
func (r *Ring) attempt(ctx context.Context, alg jose.Alg) *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.making[alg]; a != nil {
		return a
	}
	a := &attempt{done: make(chan struct{})}
	r.making[alg] = a
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeTimeout)
		defer cancel()
		a.key, a.err = r.first(ctx, alg)
		r.mu.Lock()
		delete(r.making, alg)
		r.mu.Unlock()
		close(a.done)
	}()
	return a
}

// first makes a key that signs at once, unless the store has one after all.
func (r *Ring) first(ctx context.Context, alg jose.Alg) (*jose.PrivateKey, error) {
	for range 5 {
		if err := r.load(ctx); err != nil {
			return nil, err
		}
		v := r.current()
		if key := v.signers[alg]; key != nil {
			return key, nil
		}
		if _, err := r.add(ctx, r.immediate(v, alg)); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("signing keys: no key for %s could be made", alg)
}

// immediate plans a key that follows the last of its algorithm and signs now.
func (r *Ring) immediate(v *view, alg jose.Alg) Record {
	now := r.c.Now().Unix()
	replaces := ""
	if line := chain(v.records, alg); len(line) > 0 {
		replaces = line[len(line)-1].KID
	}
	return plan(alg, replaces, now, now, r.c)
}

// add draws the key of a plan and stores it. false: another node was first.
func (r *Ring) add(ctx context.Context, rec Record) (bool, error) {
	key, err := jose.Generate(rec.Alg)
	if err != nil {
		return false, err
	}
	der, err := key.Marshal()
	if err != nil {
		return false, fmt.Errorf("signing key %s: %w", key.KID(), err)
	}
	rec.KID = key.KID()
	rec.Sealed = []byte(r.c.Box.Seal(der, []byte(rec.KID)))
	clear(der)
	added, err := r.c.Store.AddSigningKey(ctx, rec)
	if err != nil {
		return false, fmt.Errorf("add signing key %s: %w", rec.KID, err)
	}
	if added {
		r.c.Log.InfoContext(ctx, "signing key made", "kid", rec.KID, "alg", rec.Alg,
			"signs_at", time.Unix(rec.SignsAt, 0).UTC(), "replaces", rec.Replaces)
	}
	return added, nil
}

// Run sees to the keys until ctx ends. It logs a trouble when it begins and
// when it is over, not every two seconds.
func (r *Ring) Run(ctx context.Context) {
	ticker := time.NewTicker(r.c.Poll)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.c.Changed:
		}
		err := r.Tick(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			r.c.Log.ErrorContext(ctx, "signing keys can't be looked after", "error", err)
		case err == nil && failing:
			r.c.Log.InfoContext(ctx, "signing keys are looked after again")
		}
		failing = err != nil
	}
}

// Tick reloads the keys and does what Step says, until there is nothing to do.
func (r *Ring) Tick(ctx context.Context) error {
	for range 4 { // Make, then Move, and another node's doings in between
		if err := r.load(ctx); err != nil {
			return err
		}
		actions := Step(r.c.Now(), r.current().records, r.c)
		if len(actions) == 0 {
			return nil
		}
		for _, a := range actions {
			if err := r.do(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Ring) do(ctx context.Context, a Action) error {
	switch a := a.(type) {
	case Make:
		if a.Plan.SignsAt == a.Plan.PublishedAt { // nothing signs: others may wait for it
			_, err := r.Signer(ctx, a.Plan.Alg)
			return err
		}
		_, err := r.add(ctx, a.Plan)
		return err
	case Move:
		return r.c.Store.UpdateSigningKey(ctx, a.Record)
	case Sweep:
		return r.c.Store.DeleteSigningKeys(ctx, a.Before)
	}
	return nil
}
