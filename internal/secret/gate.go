package secret

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrBusy says that too many passwords are being hashed just now. It is
// answered with 503 and Retry-After.
var ErrBusy = errors.New("too many passwords are being checked at once")

// gate lets so many in at once and lets so many more wait. Whoever waits is
// served round-robin by address: one address that sends hundreds takes turns
// with one that sends a single sign-in.
type gate struct {
	wait  time.Duration
	queue int

	mu      sync.Mutex
	free    int
	waiting int
	lines   map[string][]*waiter // by address, oldest first
	turns   []string             // addresses that have a line, the next one first
}

// waiter is somebody in a line. turn is closed on being let in, or on being
// sent away with out set; both under gate.mu.
type waiter struct {
	turn chan struct{}
	out  bool
}

func newGate(slots, queue int, wait time.Duration) *gate {
	return &gate{wait: wait, queue: queue, free: slots, lines: map[string][]*waiter{}}
}

// enter returns nil when a slot was taken; leave gives it back.
func (g *gate) enter(ctx context.Context, addr string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := g.join(addr)
	if w == nil {
		return err
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case <-w.turn:
		return w.verdict()
	case <-ctx.Done():
		return g.giveUp(addr, w, ctx.Err())
	case <-timer.C:
		return g.giveUp(addr, w, ErrBusy)
	}
}

// join takes a free slot (nil, nil), stands in line, or is refused.
func (g *gate) join(addr string) (*waiter, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free > 0 {
		g.free--
		return nil, nil
	}
	if g.waiting >= g.queue && !g.makeRoom(addr) {
		return nil, ErrBusy
	}
	w := &waiter{turn: make(chan struct{})}
	if len(g.lines[addr]) == 0 {
		g.turns = append(g.turns, addr)
	}
	g.lines[addr] = append(g.lines[addr], w)
	g.waiting++
	return w, nil
}

// makeRoom sends away the last of the longest line if that is longer than
// addr's would become: a flood from one address can't fill the queue for
// the others.
func (g *gate) makeRoom(addr string) bool {
	longest := addr
	for a, line := range g.lines {
		if len(line) > len(g.lines[longest]) {
			longest = a
		}
	}
	line := g.lines[longest]
	if len(line) <= len(g.lines[addr])+1 {
		return false
	}
	last := line[len(line)-1]
	g.remove(longest, last)
	last.out = true
	close(last.turn)
	return true
}

// leave hands the slot to the first of the next address's line.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.turns) == 0 {
		g.free++
		return
	}
	addr := g.turns[0]
	w := g.lines[addr][0]
	g.remove(addr, w)
	if len(g.lines[addr]) > 0 {
		g.turns = append(g.turns[1:], addr)
	}
	close(w.turn)
}

// giveUp takes w out of its line. When its turn came at the same moment the
// slot is passed on.
func (g *gate) giveUp(addr string, w *waiter, cause error) error {
	g.mu.Lock()
	waits := g.remove(addr, w)
	g.mu.Unlock()
	if !waits && w.verdict() == nil {
		g.leave()
	}
	return cause
}

// remove takes w out of addr's line, and the address out of the turns with
// its last; false when w isn't there any more.
func (g *gate) remove(addr string, w *waiter) bool {
	line := g.lines[addr]
	for i := range line {
		if line[i] != w {
			continue
		}
		g.waiting--
		g.lines[addr] = append(line[:i:i], line[i+1:]...)
		if len(line) == 1 {
			g.forget(addr)
		}
		return true
	}
	return false
}

func (g *gate) forget(addr string) {
	delete(g.lines, addr)
	for i, a := range g.turns {
		if a == addr {
			g.turns = append(g.turns[:i:i], g.turns[i+1:]...)
			return
		}
	}
}

// verdict is read after turn is closed, or after remove found w gone, which
// is as late.
func (w *waiter) verdict() error {
	if w.out {
		return ErrBusy
	}
	return nil
}
