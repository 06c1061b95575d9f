package resource

import (
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// distinct is how many keys a stranger makes up, and mostGrown what they may
// cost.
const (
	distinct  = 400_000
	mostGrown = 32 << 20
)

// grown is by how much a cache makes the heap grow; what fill returns is kept
// while it is measured.
func grown(t *testing.T, fill func() any) {
	t.Helper()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	kept := fill()
	after := heap()
	runtime.KeepAlive(kept)
	t.Logf("%.1f MiB", float64(int64(after)-int64(before))/(1<<20))
	if after > before+mostGrown {
		t.Errorf("the heap grew by %d MiB", (after-before)>>20)
	}
}

// hashed is a name as long as a thumbprint.
func hashed(i int) string {
	var b [32]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// TestMemoryIsBounded: 3.12. More keys than any of them holds, each a stranger's, cost less than
// 32 MiB, and no time that grows with what is kept.
func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	t.Run("proofs, each by a key of its own", func(t *testing.T) {
		grown(t, func() any {
			u := newUsedProofs(clock)
			for i := range distinct {
				if key := hashed(i); !u.useOnce(key, "1", now.Add(time.Minute)) || i%1000 == 0 && u.useOnce(key, "1", now.Add(time.Minute)) {
					t.Fatal("used once is wrong")
				}
			}
			return u
		})
	})
	t.Run("proofs of ten keys", func(t *testing.T) {
		grown(t, func() any {
			u := newUsedProofs(clock)
			for i := range distinct {
				u.useOnce(hashed(i%10), hashed(i), now.Add(time.Minute))
			}
			return u
		})
	})
	t.Run("revocations", func(t *testing.T) {
		grown(t, func() any {
			r := newRevocations(Config{MaxTokenLife: time.Hour, Now: clock, Log: slog.New(slog.DiscardHandler)})
			for i := range distinct {
				r.add([]revocation{{Token: hashed(i), At: jose.NumericDate(now.Unix())}})
			}
			return r
		})
	})
	t.Run("answers", func(t *testing.T) {
		grown(t, func() any {
			a := newAnswers(nil, Config{Now: clock})
			for i := range distinct {
				n := &answer{done: make(chan struct{}), until: now.Add(time.Minute)}
				close(n.done)
				var id [32]byte
				binary.BigEndian.PutUint64(id[:], uint64(i))
				a.makeRoom()
				if a.known[id] = n; len(a.known) > maxAnswers {
					t.Fatalf("%d are known", len(a.known))
				}
			}
			return a
		})
	})
}
