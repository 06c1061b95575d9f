package demo

import (
	"sync/atomic"
	"time"
)

// Clock is the time of the whole demo. It can be moved ahead, so that a token
// really expires while somebody watches.
type Clock struct {
	Real   func() time.Time
	offset atomic.Int64
}

// Now is the demo's time.
func (c *Clock) Now() time.Time { return c.Real().Add(time.Duration(c.offset.Load())) }

// Advance moves the time ahead.
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }
