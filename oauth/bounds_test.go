package oauth

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// TestMemoryIsBounded: of what strangers make up cost each memory of
// ours less than 32 MiB.
func TestMemoryIsBounded(t *testing.T) {
	const distinct, most = 300_000, 32 << 20
	now := time.Unix(1_800_000_000, 0)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, m := range []struct {
		what string
		fill func() (kept any)
	}{
		{"counts by address", func() any {
			l := newLimits()
			for i := range distinct {
				l.allow("device\x00a"+networkOf(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)), wrongPerAddress, wrongSpan, now)
			}
			return &l
		}},
		{"documents", func() any {
			d := newDocuments()
			for i := range distinct {
				key := sha256.Sum256(fmt.Append(nil, i))
				if c, wait, mine := d.look(key, now); c != nil || !mine {
					t.Fatal("it is new")
				} else if i%2 == 0 {
					d.loaded(key, wait, &Client{ID: fmt.Sprint(i)}, now.Add(time.Hour), nil)
				} else {
					d.loaded(key, wait, nil, now, errTooOften)
				}
			}
			return &d
		}},
		{"key sets", func() any {
			k := newKeySets()
			for i := range distinct {
				k.look(fmt.Sprintf("https://%d.example/jwks", i), "", now, func(done func([]jose.PublicKey, []byte, time.Duration, error)) {
					go done([]jose.PublicKey{}, []byte(`{"keys":[]}`), time.Hour, nil)
				})
			}
			return &k
		}},
		{"counts by long names", func() any {
			l := newLimits()
			for i := range distinct {
				l.allow(fmt.Sprintf("request_uri\x00https://%0500d", i), 60, time.Minute, now)
			}
			return &l
		}},
		{"large key sets", func() any {
			k := newKeySets()
			for i := range 2000 {
				_, loading := k.look(fmt.Sprintf("https://%d.example/jwks", i), "", now, func(done func([]jose.PublicKey, []byte, time.Duration, error)) {
					go done([]jose.PublicKey{}, make([]byte, maxKeySetSize), time.Hour, nil)
				})
				if <-loading; len(k.now(fmt.Sprintf("https://%d.example/jwks", i)).body) != maxKeySetSize {
					t.Fatal("what was just fetched is forgotten")
				}
			}
			return &k
		}},
		{"repeated refreshes", func() any {
			r := newRepeats()
			for i := range distinct {
				r.count(fmt.Sprintf("%032d", i), 1)
			}
			return &r
		}},
	} {
		t.Run(m.what, func(t *testing.T) {
			before := heap()
			kept := m.fill()
			after := heap()
			runtime.KeepAlive(kept)
			if t.Logf("%d KiB", (int64(after)-int64(before))>>10); after > before+most {
				t.Errorf("the heap grew by %d MiB", (after-before)>>20)
			}
		})
	}
}
