package secret

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrBusy says that too many passwords are being hashed just now. It is
// answered with 503 and Retry-After.
var ErrBusy = errors.New("too many passwords are being checked at once")

// KnownBrowser begins the name of a line that isn't an address but a browser in
// which the person has signed in before.
const KnownBrowser = "browser "

// gate lets so many in at once and lets so many more wait. Next is the address
// that had the fewest turns of late: one that sends hundreds takes turns with one
// that sends a single sign-in, and when hundreds of addresses send without end,
// who comes from elsewhere doesn't stand behind them. A browser that is known has
// a few turns ahead of any address.
type gate struct {
	wait  time.Duration
	queue int

	mu      sync.Mutex
	free    int
	waiting int
	lines   map[string][]*waiter // by address, oldest first
	turns   []string             // addresses that have a line, in the order they came
	had     map[string]int       // turns of late, by address
	given   int                  // turns since had was last halved
}

const (
	headStart = 4    // turns that a known browser is ahead
	unlike    = 1    // turns by which one address must be ahead of another to give way
	lately    = 1024 // turns, after which what was had counts half
)

// waiter is somebody in a line. turn is closed on being let in, or on being
// sent away with out set; both under gate.mu.
type waiter struct {
	turn chan struct{}
	out  bool
}

func newGate(slots, queue int, wait time.Duration) *gate {
	return &gate{wait: wait, queue: queue, free: slots, lines: map[string][]*waiter{}, had: map[string]int{}}
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
		g.count(addr)
		return nil, nil
	}
	if g.longEnough(addr) || g.waiting >= g.queue && !g.makeRoom(addr) {
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

// longEnough: beside others a line takes no more places than it leaves free. So
// whoever floods is refused at once, and not later to make room.
func (g *gate) longEnough(addr string) bool {
	own := len(g.lines[addr])
	return own > 0 && len(g.turns) > 1 && own >= g.queue-g.waiting
}

// makeRoom sends somebody away so that addr can wait: the last of the longest
// line if that is longer than addr's would become, else the last of the address
// that had far more turns. A flood can't fill the queue for the others.
func (g *gate) makeRoom(addr string) bool {
	from := slices.MaxFunc(g.turns, func(a, b string) int { return len(g.lines[a]) - len(g.lines[b]) })
	if len(g.lines[from]) <= len(g.lines[addr])+1 {
		from = slices.MaxFunc(g.turns, func(a, b string) int { return g.turnsOf(a) - g.turnsOf(b) })
		if g.turnsOf(from) <= g.turnsOf(addr)+unlike {
			return false
		}
	}
	line := g.lines[from]
	last := line[len(line)-1]
	g.remove(from, last)
	last.out = true
	close(last.turn)
	return true
}

// turnsOf is how many turns a line is counted to have had.
func (g *gate) turnsOf(line string) int {
	if strings.HasPrefix(line, KnownBrowser) {
		return g.had[line] - headStart
	}
	return g.had[line]
}

// count notes a turn. What was had long ago is forgotten by counting turns, so
// that the map stays small and no clock is asked.
func (g *gate) count(line string) {
	g.had[line]++
	if g.given++; g.given < lately {
		return
	}
	g.given = 0
	for name, n := range g.had {
		if g.had[name] = n / 2; n < 2 {
			delete(g.had, name)
		}
	}
}

// leave hands the slot to the first of the line whose turn it is.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.turns) == 0 {
		g.free++
		return
	}
	addr := slices.MinFunc(g.turns, func(a, b string) int { return g.turnsOf(a) - g.turnsOf(b) })
	w := g.lines[addr][0]
	g.remove(addr, w)
	if len(g.lines[addr]) > 0 { // behind the others that had as many
		g.forget(addr)
		g.turns = append(g.turns, addr)
	}
	g.count(addr)
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
			delete(g.lines, addr)
			g.forget(addr)
		}
		return true
	}
	return false
}

func (g *gate) forget(addr string) {
	at := slices.Index(g.turns, addr)
	g.turns = slices.Delete(g.turns, at, at+1)
}

// verdict is read after turn is closed, or after remove found w gone, which
// is as late.
func (w *waiter) verdict() error {
	if w.out {
		return ErrBusy
	}
	return nil
}
