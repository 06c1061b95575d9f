package store

import (
	"context"
	"time"
)

// steadyFor is how long a clock must have gone evenly before a node deletes by
// it. What was used once is remembered until it has expired, some minutes later;
// a clock that is an hour ahead for a moment would have it forgotten, and taken
// once more when the clock is right again. Whatever a clock of after this time
// takes for over is so for every clock: an assertion lives five minutes, and two
// more for clocks that differ.
const steadyFor = 8 * time.Minute

// pace holds a clock that can be set against one that can't.
type pace struct{ from, clock time.Time }

// even is how long the clock has gone as the stopwatch does: since the node
// began, or since the clock was last set.
func (p *pace) even(stopwatch, clock time.Time) time.Duration {
	clock = clock.Round(0) // by the calendar
	passed := stopwatch.Sub(p.from)
	if drift := clock.Sub(p.clock) - passed; p.from.IsZero() || drift.Abs() > clockSkew/2 {
		p.from, p.clock = stopwatch, clock
		return 0
	}
	return passed
}

// agrees holds this node's clock against the one that all nodes share. Where one
// of many is wrong, it would delete what the others have just written.
func (s *Store) agrees(ctx context.Context) bool {
	if s.pgx == nil {
		return true
	}
	var there int64
	before := s.now()
	if err := (conn{ctx: ctx, pool: s.reads}).row("SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp())) AS bigint)").Scan(&there); err != nil {
		return true // the sweep will say so
	}
	if off := before.Sub(time.Unix(there, 0)); off.Abs() > clockSkew {
		s.log.Warn("nothing is swept: this machine's clock and the database's differ", "by", off.Round(time.Second).String())
		return false
	}
	return true
}
