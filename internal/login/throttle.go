package login

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

// SlowDown refuses a try for a while; errors.Is(err, ErrSlowDown) holds.
type SlowDown struct{ RetryAfter time.Duration }

func (e *SlowDown) Error() string { return fmt.Sprintf("too many tries, again in %s", e.RetryAfter) }

// Is makes ErrSlowDown the kind of every SlowDown.
func (e *SlowDown) Is(target error) bool { return target == ErrSlowDown }

// Throttle slows guessing. It counts failures by (account, address), by
// address, and by account over all addresses. Nothing a stranger does locks an
// owner out: a browser that signed in before has a count of its own, and the
// count over all addresses only thins the tries, it never stops them.
//
// The counts are in memory and bounded: losing them costs an attacker's delay
// to start again, keeping them would let strangers write rows.
type Throttle struct {
	Off bool
	Now func() time.Time

	mu      sync.Mutex
	tallies map[string]*tally // by kept
}

// kept is a key as it is remembered: its kind, and no more of a long name than
// what tells it from others.
func kept(key string) string {
	sum := sha256.Sum256([]byte(key))
	return key[:1] + string(sum[:16])
}

type tally struct {
	failures int
	until    time.Time // refused before
	last     time.Time
}

// limits: how many failures are free, and how long a further one waits at most.
type limit struct {
	free   int
	most   time.Duration
	forget time.Duration // after so long without a failure; zero: forgetAfter
}

func (l limit) forgets() time.Duration {
	if l.forget > 0 {
		return l.forget
	}
	return forgetAfter
}

var (
	limitPair    = limit{free: 5, most: time.Minute}
	limitKnown   = limit{free: 10, most: time.Minute}
	limitAddress = limit{free: 30, most: 30 * time.Second}
	limitAccount = limit{free: 50, most: 2 * time.Second}
	limitFactor  = limit{free: 5, most: 15 * time.Minute, forget: 24 * time.Hour}
	limitLetters = limit{free: 5, most: 15 * time.Minute, forget: time.Hour}
	limitWriters = limit{free: 20, most: 5 * time.Minute, forget: time.Hour}
	limitParked  = limit{free: 100, most: time.Minute}
)

const (
	forgetAfter = 15 * time.Minute
	maxTallies  = 100_000
)

// Attempt is one try to sign in.
type Attempt struct {
	Username string
	Password string
	Address  string // the client's, resolved once from trusted proxies
	Device   string // the browser's cookie; among the person's browsers it has a count of its own
}

// line is where a try stands in line for its hash: a browser that is known to be
// the person's has one of its own, which no flood from strangers is before.
func (a Attempt) line() string {
	if a.Device != "" {
		return secret.KnownBrowser + a.Device
	}
	return networkOf(a.Address)
}

type slot struct {
	key string
	limit
}

func (t *Throttle) slots(account string, a Attempt) []slot {
	if a.Device != "" {
		return []slot{{"k\x00" + account + "\x00" + a.Device, limitKnown}}
	}
	network := networkOf(a.Address)
	return []slot{
		{"p\x00" + account + "\x00" + network, limitPair},
		{"n\x00" + network, limitAddress},
		{"a\x00" + account, limitAccount},
	}
}

// begin takes a place before any hash is computed, so that parallel guesses
// count as they start. done gives the place back unless the try was wrong, and
// after a success remembers the browser.
func (t *Throttle) begin(account string, a Attempt) (done func(giveBack, success bool), err error) {
	if t.Off {
		return func(bool, bool) {}, nil
	}
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	slots := t.slots(account, a)
	if err := t.refused(slots, now); err != nil {
		return nil, err
	}
	for _, s := range slots {
		t.count(s, now)
	}
	return func(giveBack, success bool) { t.finish(account, a, slots, giveBack, success) }, nil
}

// beginFactor is begin for a second factor. Whoever tries one has passed the
// first, so it is the account itself that is slowed, and by more: at 4 guesses an
// hour a code of six digits, of which three fit at a time, is found in years; the
// owner hears of it after the tenth.
func (t *Throttle) beginFactor(subject string) (done func(giveBack bool), failures int, err error) {
	if t.Off {
		return func(bool) {}, 0, nil
	}
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	slots := []slot{{"f\x00" + subject, limitFactor}}
	if err := t.refused(slots, now); err != nil {
		return nil, 0, err
	}
	t.count(slots[0], now)
	return func(giveBack bool) { t.finish("", Attempt{}, slots, giveBack, giveBack) }, t.tallies[kept(slots[0].key)].failures, nil
}

// mail counts a letter that somebody wants sent: by who would get it, known or
// not, and by where it was asked for. A browser of the person's own has a count of
// its own, so that no stranger uses theirs up.
func (t *Throttle) mail(account, address, browser string) error {
	if browser != "" {
		return t.counted(slot{"m\x00" + account + "\x00" + browser, limitLetters})
	}
	return t.counted(slot{"m\x00" + account, limitLetters}, slot{"w\x00" + networkOf(address), limitWriters})
}

// Park counts what a browser from an address has kept here while it is away.
func (t *Throttle) Park(address string) error {
	return t.counted(slot{"q\x00" + networkOf(address), limitParked})
}

func (t *Throttle) counted(slots ...slot) error {
	if t.Off {
		return nil
	}
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	if err := t.refused(slots, now); err != nil {
		return err
	}
	for _, s := range slots {
		t.count(s, now)
	}
	return nil
}

func (t *Throttle) refused(slots []slot, now time.Time) error {
	for _, s := range slots {
		if tl := t.tallies[kept(s.key)]; tl != nil && now.Before(tl.until) && now.Sub(tl.last) < s.forgets() {
			return &SlowDown{RetryAfter: tl.until.Sub(now).Round(time.Second) + time.Second}
		}
	}
	return nil
}

func (t *Throttle) count(s slot, now time.Time) {
	tl := t.tallies[kept(s.key)]
	if tl == nil || now.Sub(tl.last) >= s.forgets() {
		tl = &tally{}
		t.tallies[kept(s.key)] = tl
	}
	tl.failures++
	tl.last = now
	if over := tl.failures - s.free; over >= 0 {
		wait := min(time.Second<<min(over, 10), s.most)
		tl.until = now.Add(wait)
	}
}

func (t *Throttle) finish(account string, a Attempt, slots []slot, giveBack, success bool) {
	if !giveBack {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, s := range slots {
		switch tl := t.tallies[kept(s.key)]; {
		case tl == nil:
		case i == 0 && success:
			delete(t.tallies, kept(s.key))
		default:
			tl.failures--
			tl.until = time.Time{}
		}
	}
}

// forget keeps the maps within bounds: first what is old, then everything.
func (t *Throttle) forget(now time.Time) {
	if t.tallies == nil {
		t.tallies = map[string]*tally{}
	}
	if len(t.tallies) < maxTallies {
		return
	}
	for k, tl := range t.tallies {
		if now.Sub(tl.last) >= forgetAfter && k[0] != 'f' { // which are of people who know a password
			delete(t.tallies, k)
		}
	}
	if len(t.tallies) >= maxTallies {
		maps.DeleteFunc(t.tallies, func(k string, _ *tally) bool { return k[0] != 'f' })
	}
}

// networkOf counts an IPv6 customer, who has a /64, as one.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap()
	if ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64)
	return prefix.String()
}
