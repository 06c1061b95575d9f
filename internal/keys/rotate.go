package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/valetkey/valetkey/internal/jose"
)

// Rotate replaces an algorithm's key by hand. As a rule the new one is
// published now and signs after Lead; if one is waiting already, nothing is
// done. In an emergency every key of the algorithm is removed at once, one
// that is waiting too (it lay beside them), and a new one signs at once:
// what the old ones signed is refused from now on.
func (r *Ring) Rotate(ctx context.Context, alg jose.Alg, emergency bool) error {
	if !alg.Valid() {
		return fmt.Errorf("signing keys: unknown algorithm %q", alg)
	}
	rotate := r.rotate
	if emergency {
		rotate = r.replaceAll
	}
	for range 5 { // again when another node was first
		if err := r.load(ctx); err != nil {
			return err
		}
		done, err := rotate(ctx, alg)
		if err != nil {
			return err
		}
		if done {
			return r.Tick(ctx)
		}
	}
	return errors.New("signing keys: another node is rotating; try again")
}

func (r *Ring) rotate(ctx context.Context, alg jose.Alg) (bool, error) {
	v := r.current()
	plan := r.immediate(v, alg)
	line := chain(v.records, alg)
	if last := len(line) - 1; last >= 0 {
		switch {
		case line[last].SignsAt > plan.SignsAt:
			return true, nil
		case line[last].RemovedAt > plan.SignsAt:
			plan = postponed(plan, r.c)
		}
	}
	return r.add(ctx, plan)
}

// postponed is the plan of a key that is published first and signs Lead later.
func postponed(p Record, c Config) Record {
	return plan(p.Alg, p.Replaces, p.PublishedAt, p.PublishedAt+seconds(c.Lead), c)
}

// replaceAll removes before it adds: if it ends half way there is no key, and
// whoever needs one makes it.
func (r *Ring) replaceAll(ctx context.Context, alg jose.Alg) (bool, error) {
	v := r.current()
	next := r.immediate(v, alg)
	for _, rec := range v.records {
		if rec.Alg != alg || rec.RemovedAt <= next.SignsAt {
			continue
		}
		rec.RetiresAt, rec.RemovedAt = min(rec.RetiresAt, next.SignsAt), next.SignsAt
		if err := r.c.Store.UpdateSigningKey(ctx, rec); err != nil {
			return false, fmt.Errorf("remove signing key %s: %w", rec.KID, err)
		}
		r.c.Log.WarnContext(ctx, "signing key removed", "kid", rec.KID, "alg", alg)
	}
	return r.add(ctx, next)
}
