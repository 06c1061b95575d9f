package keys

import (
	"math"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// Stats is how the keys stand, as far as this node knows.
type Stats struct {
	Age  map[jose.Alg]time.Duration // of the key that signs, since it began to
	Next time.Time                  // of the next change to what signs or is published; zero: none is planned
}

// Stats never asks the store.
func (r *Ring) Stats() Stats {
	v, now := r.current(), r.c.Now()
	s := Stats{Age: make(map[jose.Alg]time.Duration, len(v.signers))}
	for _, rec := range v.records {
		if key := v.signers[rec.Alg]; key != nil && key.KID() == rec.KID {
			s.Age[rec.Alg] = now.Sub(time.Unix(rec.SignsAt, 0))
		}
	}
	if v.until != math.MaxInt64 {
		s.Next = time.Unix(v.until, 0)
	}
	return s
}
