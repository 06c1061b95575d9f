package secret

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"testing"
)

// TestMemoryIsBounded: many secrets that were right, and many
// addresses that signed in, cost less than 32 MiB.
func TestMemoryIsBounded(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c, g := NewCache(nil, 10_000), newGate(1, 64, 0)
	for i := range 300_000 {
		var id [32]byte
		binary.BigEndian.PutUint64(id[:], uint64(i))
		if known, wait := c.start(id); known || wait != nil {
			t.Fatal("it is new")
		}
		c.finish(id, i%2 == 0)
		if w, err := g.join("2001:db8::" + strconv.Itoa(i)); w != nil || err != nil {
			t.Fatal("there is nobody else")
		}
		g.leave()
	}
	after := heap()
	if len(c.known) > 10_000 || len(c.busy) > 0 || len(g.had) > 2*lately || len(g.lines) > 0 {
		t.Errorf("%d secrets, %d being verified, %d addresses and %d lines", len(c.known), len(c.busy), len(g.had), len(g.lines))
	}
	if t.Logf("%d KiB", (int64(after)-int64(before))>>10); after > before+32<<20 {
		t.Errorf("the heap grew by %d MiB", (after-before)>>20)
	}
	runtime.KeepAlive(c)
	runtime.KeepAlive(g)
}
