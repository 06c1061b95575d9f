package secret

import (
	"context"
	"time"
)

// Meter is told of each hash, to be counted.
type Meter interface {
	// Hashed: how long a hash waited for its turn, and how long it took.
	Hashed(waited, took time.Duration)
	// Refused: the queue was full, or the turn didn't come in time.
	Refused()
}

// Stats says how many hashes wait and run just now.
func (h *Hasher) Stats() (waiting, running int) {
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	return h.gate.waiting, h.slots - h.gate.free
}

// metered is work that its Meter hears of, and a part of the request's trace.
func (h *Hasher) metered(ctx context.Context, addr string, work func()) (err error) {
	if h.Span != nil {
		end := h.Span(ctx, "hash")
		defer func() { end(err) }()
	}
	came := time.Now() //nolint:forbidigo // how long it takes, which no test's clock moves
	if err = h.gate.enter(ctx, addr); err != nil {
		if ctx.Err() == nil {
			h.Meter.Refused()
		}
		return err
	}
	defer h.gate.leave()
	began := time.Now() //nolint:forbidigo // as above
	work()
	h.Meter.Hashed(began.Sub(came), time.Since(began))
	return nil
}

type unmetered struct{}

func (unmetered) Hashed(time.Duration, time.Duration) {}
func (unmetered) Refused()                            {}
