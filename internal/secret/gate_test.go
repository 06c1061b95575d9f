package secret

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The queue is served round-robin by address, first come first served within
// one.
func TestGateTakesTurnsByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 64, time.Minute)
		if err := g.enter(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
		var order []string
		var wg sync.WaitGroup
		for _, who := range []string{"a1", "a2", "a3", "b1", "c1", "b2"} {
			wg.Go(func() {
				if err := g.enter(t.Context(), who[:1]); err != nil {
					t.Error(err)
					return
				}
				order = append(order, who) // the gate has one slot: no lock needed
				time.Sleep(time.Second)
				g.leave()
			})
			synctest.Wait()
		}
		g.leave()
		wg.Wait()
		if want := []string{"a1", "b1", "c1", "a2", "b2", "a3"}; !slices.Equal(order, want) {
			t.Errorf("served %v, want %v", order, want)
		}
		empty(t, g, 1)
	})
}

// Case 241: who finds the queue full is refused at once, but a flood from one
// address makes room for others.
func Test241GateQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 4, time.Minute)
		_ = g.enter(t.Context(), "first")
		results := make(chan error, 10)
		enter := func(addr string) {
			go func() { results <- g.enter(t.Context(), addr) }()
			synctest.Wait()
		}
		for range 4 {
			enter("flood")
		}
		start := time.Now()
		enter("flood") // the fifth
		if err := <-results; !errors.Is(err, ErrBusy) || time.Since(start) != 0 {
			t.Errorf("the fifth: %v after %v", err, time.Since(start))
		}
		enter("other") // in place of the flood's last
		if err := <-results; !errors.Is(err, ErrBusy) {
			t.Errorf("sent away: %v", err)
		}
		if len(g.lines["flood"]) != 3 || len(g.lines["other"]) != 1 || g.waiting != 4 {
			t.Errorf("lines %v, %d waiting", g.lines, g.waiting)
		}
		enter("third") // flood has 3: makes room; now 2, 1, 1
		<-results
		enter("fourth") // flood has 2, which isn't more than one above none
		if err := <-results; !errors.Is(err, ErrBusy) {
			t.Errorf("one more: %v", err)
		}
		for range 4 {
			g.leave()
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		g.leave()
		empty(t, g, 1)
	})
}

func TestGateWaitsNoLongerThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 4, 5*time.Second)
		_ = g.enter(t.Context(), "first")
		start := time.Now()
		if err := g.enter(t.Context(), "a"); !errors.Is(err, ErrBusy) || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.enter(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context: %v", err)
		}
		if err := g.enter(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with one that has ended: %v", err)
		}
		g.leave()
		empty(t, g, 1)
	})
}

// However many come, go and give up, no more than slots are inside and none
// is lost.
func TestGateUnderRace(t *testing.T) {
	g := newGate(3, 16, 20*time.Millisecond)
	var inside, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7+1)*time.Millisecond)
			defer cancel()
			if g.enter(ctx, string(rune('a'+i%5))) != nil {
				return
			}
			most.Store(max(most.Load(), inside.Add(1)))
			time.Sleep(time.Duration(i%3) * time.Millisecond)
			inside.Add(-1)
			g.leave()
		})
	}
	wg.Wait()
	if most.Load() > 3 {
		t.Errorf("%d inside at once", most.Load())
	}
	empty(t, g, 3)
}

func empty(t *testing.T, g *gate, slots int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free != slots || g.waiting != 0 || len(g.lines) != 0 || len(g.turns) != 0 {
		t.Errorf("left behind: %d free, %d waiting, lines %v, turns %v", g.free, g.waiting, g.lines, g.turns)
	}
}
