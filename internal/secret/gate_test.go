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

// Case 241: who finds the queue full is refused at once, and beside others a line
// that takes as many places as it leaves; a flood from one address makes room.
func Test241GateQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 4, time.Minute)
		_ = g.enter(t.Context(), "first")
		results := make(chan error, 10)
		enter := func(addr string) {
			go func() { results <- g.enter(t.Context(), addr) }()
			synctest.Wait()
		}
		refused := func(who string) {
			t.Helper()
			start := time.Now()
			enter(who)
			if err := <-results; !errors.Is(err, ErrBusy) || time.Since(start) != 0 {
				t.Errorf("%s: %v after %v", who, err, time.Since(start))
			}
		}
		for range 4 { // alone it may fill the queue
			enter("flood")
		}
		refused("flood")
		for i, who := range []string{"other", "third", "fourth"} {
			enter(who) // in place of the flood's last
			if err := <-results; !errors.Is(err, ErrBusy) {
				t.Errorf("sent away for %s: %v", who, err)
			}
			if len(g.lines["flood"]) != 3-i || g.waiting != 4 {
				t.Errorf("lines %v, %d waiting", g.lines, g.waiting)
			}
			refused(who)
			refused("flood")
		}
		refused("fifth") // nobody has two
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

// 3.7: when many addresses send without end, who comes from elsewhere finds room
// and is next; a known browser is before even those.
func TestGateLetsOthersThroughAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 8, time.Minute)
		flood := func(i int) string { return string(rune('a' + i%16)) }
		_ = g.enter(t.Context(), "first")
		for i := range 16 * (unlike + 2) { // each is served a few times
			go func() { _ = g.enter(t.Context(), flood(i)) }()
			synctest.Wait()
			g.leave()
		}
		served := make(chan string, 16)
		enter := func(who string) {
			go func() {
				if g.enter(t.Context(), who) == nil {
					served <- who
				}
			}()
			synctest.Wait()
		}
		for i := range 8 {
			enter(flood(i))
		}
		enter("elsewhere")
		enter(KnownBrowser + "ada's")
		for _, want := range []string{KnownBrowser + "ada's", "elsewhere"} {
			g.leave()
			if got := <-served; got != want {
				t.Errorf("%s before %s", got, want)
			}
		}
		for range 6 {
			g.leave()
			<-served
		}
		g.leave()
		empty(t, g, 1)
	})
}

// What had its turns long ago is forgotten.
func TestGateForgets(t *testing.T) {
	g := newGate(1, 8, time.Minute)
	for i := range 10 * lately {
		if err := g.enter(t.Context(), string(rune(i))); err != nil {
			t.Fatal(err)
		}
		g.leave()
	}
	if len(g.had) > 2*lately {
		t.Errorf("%d are remembered", len(g.had))
	}
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
