package resource

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxProofs    = 100_000
	maxProofsKey = maxProofs / 10
)

// usedProofs remembers DPoP proofs by key. Who sends too many pushes out his
// own, not another's: no stolen proof comes back to life by somebody else's
// flood, and nobody is shut out.
type usedProofs struct {
	now func() time.Time

	mu    sync.Mutex
	keys  map[string]*usedByKey // by thumbprint
	total int
	swept time.Time
}

// fewProofs are found by looking at each: who makes a new key for every proof
// shall not cost a map for every key.
const fewProofs = 8

type usedByKey struct {
	ids   map[[32]byte]struct{} // nil while they are few
	order []usedProof           // as they came
}

func (k *usedByKey) has(id [32]byte) bool {
	if k.ids == nil {
		return slices.ContainsFunc(k.order, func(p usedProof) bool { return p.id == id })
	}
	_, used := k.ids[id]
	return used
}

func (k *usedByKey) add(p usedProof) {
	k.order = append(k.order, p)
	switch {
	case k.ids != nil:
		k.ids[p.id] = struct{}{}
	case len(k.order) > fewProofs:
		k.ids = make(map[[32]byte]struct{}, len(k.order))
		for _, p := range k.order {
			k.ids[p.id] = struct{}{}
		}
	}
}

type usedProof struct {
	id    [32]byte
	until time.Time
}

func newUsedProofs(now func() time.Time) *usedProofs {
	return &usedProofs{now: now, keys: map[string]*usedByKey{}}
}

// useOnce tells whether a key's proof comes for the first time.
func (u *usedProofs) useOnce(key, jti string, until time.Time) bool {
	id := sha256.Sum256([]byte(jti))
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sweep()
	k := u.keys[key]
	if k == nil {
		k = &usedByKey{}
		u.keys[strings.Clone(key)] = k // not what it was cut out of
	}
	if k.has(id) {
		return false
	}
	if len(k.order) >= maxProofsKey {
		u.total -= k.drop(1)
	}
	k.add(usedProof{id, until})
	u.total++
	return true
}

// sweep forgets once a second what has expired. If there are still too many it
// forgets the oldest of any key.
func (u *usedProofs) sweep() {
	if now := u.now(); now.Sub(u.swept) >= time.Second || now.Before(u.swept) {
		u.swept = now
		for key, k := range u.keys {
			u.total -= k.drop(k.expired(now))
			if len(k.order) == 0 {
				delete(u.keys, key)
			}
		}
	}
	for key, k := range u.keys {
		if u.total < maxProofs {
			return
		}
		u.total -= k.drop(1)
		if len(k.order) == 0 {
			delete(u.keys, key)
		}
	}
}

// expired counts those at the front that no check lets through any more. One
// behind a longer-lived one waits for it.
func (k *usedByKey) expired(now time.Time) (n int) {
	for n < len(k.order) && !now.Before(k.order[n].until) {
		n++
	}
	return n
}

func (k *usedByKey) drop(n int) int {
	for _, p := range k.order[:n] {
		delete(k.ids, p.id)
	}
	k.order = k.order[n:]
	return n
}
