package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// resolved is a map that is read without a lock: it is copied when something is
// added, which happens once for each key.
type resolved[K comparable, V any] struct {
	current atomic.Pointer[map[K]V]
	adding  sync.Mutex
	make    func(K) V
}

func (r *resolved[K, V]) of(key K) V {
	if m := r.current.Load(); m != nil {
		if v, ok := (*m)[key]; ok {
			return v
		}
	}
	return r.add(key)
}

func (r *resolved[K, V]) add(key K) V {
	r.adding.Lock()
	defer r.adding.Unlock()
	old := r.current.Load()
	next := map[K]V{}
	if old != nil {
		if v, ok := (*old)[key]; ok {
			return v
		}
		next = maps.Clone(*old)
	}
	v := r.make(key)
	next[key] = v
	r.current.Store(&next)
	return v
}

// size is how many keys there are.
func (r *resolved[K, V]) size() int {
	if m := r.current.Load(); m != nil {
		return len(*m)
	}
	return 0
}
