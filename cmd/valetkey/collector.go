package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage may lie about, in percent of what lives, and in MiB where
// that says less.
const (
	mostGarbage  = 200
	leastGarbage = 50
	garbageRoom  = 64 << 20
)

// tuneCollector trades some idle memory for CPU: what lives is a few MiB, so
// collecting each time it doubles costs a tenth of a request. With thousands of
// connections far more lives, and there memory is what runs short: then less
// may lie about. GOGC wins.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(mostGarbage)
	tuneAgain(mostGarbage)
}

// collection is unreachable at once, so that its cleanup runs after the next one.
type collection struct{ _ *collection }

func tuneAgain(percent int) {
	runtime.AddCleanup(&collection{}, func(was int) {
		now := garbageOf(live())
		if now != was {
			debug.SetGCPercent(now)
		}
		tuneAgain(now)
	}, percent)
}

// garbageOf steps by tens, so that small changes change nothing.
func garbageOf(live uint64) int {
	percent := 100 * garbageRoom / max(live, 1)
	return int(min(max(percent, leastGarbage), mostGarbage)) / 10 * 10
}

// live is what the last collection found in use.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
