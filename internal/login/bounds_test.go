package login

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMemoryIsBounded: 3.12. Names and addresses that strangers make up, as long
// as they may be, cost less than 32 MiB.
func TestMemoryIsBounded(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	now := time.Unix(1_800_000_000, 0)
	throttle := &Throttle{Now: func() time.Time { return now }}
	long := strings.Repeat("n", maxUsername-10)
	before, most := heap(), uint64(0)
	for i := range 300_000 {
		done, err := throttle.begin(long+fmt.Sprint(i), Attempt{Address: fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)})
		if slow := (*SlowDown)(nil); err != nil && !errors.As(err, &slow) {
			t.Fatal(err)
		} else if err == nil {
			done(false, false)
		}
		if i%30_000 == 0 {
			most = max(most, heap())
		}
	}
	if grown := most - min(before, most); grown > 32<<20 {
		t.Errorf("the heap grew by %d MiB for %d counts", grown>>20, len(throttle.tallies))
	}
	t.Logf("%d MiB at most", (most-min(before, most))>>20)
	runtime.KeepAlive(throttle)
}
