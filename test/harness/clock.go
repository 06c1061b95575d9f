package harness

import (
	"sync/atomic"
	"time"
)

// Clock is real time that a test can move.
type Clock struct{ offset atomic.Int64 }

// Now is the test's time.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.offset.Load()))
}

// Advance moves the time ahead, or back.
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

const ioTimeout = 10 * time.Second
