package keys

import (
	"cmp"
	"math"
	"slices"

	"github.com/valetkey/valetkey/internal/jose"
)

// view is what the ring answers from: the opened keys, and what follows from
// them between two moments. It is never changed, only replaced.
type view struct {
	records []Record
	opened  map[string]*jose.PrivateKey

	from, until int64 // what is below holds from ≤ now < until
	signers     map[jose.Alg]*jose.PrivateKey
	public      []jose.PublicKey
	jwks        []byte
}

func newView(now int64, records []Record, opened map[string]*jose.PrivateKey) *view {
	v := &view{
		records: records, opened: opened,
		from: now, until: math.MaxInt64, signers: map[jose.Alg]*jose.PrivateKey{},
	}
	v.records = slices.SortedFunc(slices.Values(records), func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Alg, b.Alg), cmp.Compare(a.SignsAt, b.SignsAt), cmp.Compare(a.KID, b.KID))
	})
	for _, r := range v.records {
		v.changesAt(now, r.SignsAt, r.RemovedAt)
		if now < r.RemovedAt {
			v.public = append(v.public, opened[r.KID].Public())
		}
		if _, ok := v.signers[r.Alg]; ok {
			continue
		}
		if s, ok := signer(now, chain(records, r.Alg)); ok {
			v.signers[r.Alg] = opened[s.KID]
		}
	}
	v.jwks = jose.MarshalJWKS(v.public)
	return v
}

// changesAt brings until forward to the next of these times.
func (v *view) changesAt(now int64, times ...int64) {
	for _, t := range times {
		if t > now {
			v.until = min(v.until, t)
		}
	}
}

func (v *view) holds(now int64) bool { return v.from <= now && now < v.until }

func (v *view) has(kid string) bool {
	return slices.ContainsFunc(v.public, func(p jose.PublicKey) bool { return p.KID == kid })
}

// same tells whether records say what v was made of.
func (v *view) same(records []Record) bool {
	if len(records) != len(v.records) {
		return false
	}
	for _, r := range records {
		if !slices.ContainsFunc(v.records, r.equal) {
			return false
		}
	}
	return true
}

func (r Record) equal(o Record) bool {
	return r.KID == o.KID && r.Replaces == o.Replaces && r.PublishedAt == o.PublishedAt &&
		r.SignsAt == o.SignsAt && r.RetiresAt == o.RetiresAt && r.RemovedAt == o.RemovedAt
}
