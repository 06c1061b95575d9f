package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGarbageOf(t *testing.T) {
	for live, want := range map[uint64]int{0: 200, 8 << 20: 200, 32 << 20: 200, 64 << 20: 100, 100 << 20: 60, 128 << 20: 50, 1 << 30: 50} {
		if got := garbageOf(live); got != want {
			t.Errorf("%d MiB: %d percent, not %d", live>>20, got, want)
		}
	}
}

// The collector is told anew after each collection, and once more when the
// memory is free again.
func TestCollectorFollows(t *testing.T) {
	t.Setenv("GOGC", "") // which would win
	tuneCollector()
	percent := func() int {
		p := debug.SetGCPercent(mostGarbage)
		debug.SetGCPercent(p)
		return p
	}
	follows := func(want int) {
		for range 200 {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
			if percent() == want {
				return
			}
		}
		t.Errorf("%d percent, not %d", percent(), want)
	}
	held := make([]byte, 200<<20)
	follows(leastGarbage)
	runtime.KeepAlive(held)
	follows(mostGarbage)
}
