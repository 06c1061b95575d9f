package secret

import (
	"context"
	"crypto/rand"
	"runtime"
	"time"
)

// Defaults of a Hasher: more than a slot a core only makes everybody slower.
const (
	DefaultQueue = 64
	DefaultWait  = 5 * time.Second
)

// Hasher hashes what people chose. Nothing else in the program may: 200
// sign-ins at once without its gate are 3.9 GB (measured).
type Hasher struct {
	Meter Meter // told of each hash
	// Span begins a part of a request's trace; nil: nothing is traced.
	Span func(ctx context.Context, name string, attributes ...string) (end func(error))

	gate  *gate
	slots int
}

// NewHasher makes a Hasher that runs slots hashes at once and lets queue more
// wait, each for at most wait. Zero values give GOMAXPROCS, 64 and 5 s.
func NewHasher(slots, queue int, wait time.Duration) *Hasher {
	if slots <= 0 {
		slots = runtime.GOMAXPROCS(0)
	}
	if queue <= 0 {
		queue = DefaultQueue
	}
	if wait <= 0 {
		wait = DefaultWait
	}
	return &Hasher{Meter: unmetered{}, gate: newGate(slots, queue, wait), slots: slots}
}

// Hash returns the PHC string of a password. addr is whose turn it is, an IP
// address as a rule; the error is ErrBusy or the context's.
func (h *Hasher) Hash(ctx context.Context, addr, password string) (phc string, err error) {
	a := argon{
		memory: ownMemory, time: ownTime, threads: ownThreads,
		salt: make([]byte, saltSize), tag: make([]byte, tagSize),
	}
	_, _ = rand.Read(a.salt)
	err = h.admitted(ctx, addr, func() { a.tag = a.derive(password) })
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

// Verify tells whether password is the one behind phc. A phc that isn't
// understood is an error, never a mere false.
func (h *Hasher) Verify(ctx context.Context, addr, password, phc string) (ok bool, err error) {
	p, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	err = h.admitted(ctx, addr, func() { ok = p.verify(password) })
	return ok, err
}

// VerifyNothing spends what Verify spends on a hash of our own making. It is
// called for an unknown user, so that the time tells nobody that there is none.
func (h *Hasher) VerifyNothing(ctx context.Context, addr, password string) error {
	a := argon{
		memory: ownMemory, time: ownTime, threads: ownThreads,
		salt: make([]byte, saltSize), tag: make([]byte, tagSize),
	}
	return h.admitted(ctx, addr, func() { _ = a.verify(password) })
}

// Outdated tells whether a hash that was just verified should be made again:
// it was imported, or made when hashes cost something else.
func Outdated(phc string) bool {
	a, err := parseArgon(phc)
	return err != nil || !a.own()
}

// Known tells whether Verify understands phc, for imports.
func Known(phc string) error {
	_, err := parsePHC(phc)
	return err
}

func (h *Hasher) admitted(ctx context.Context, addr string, work func()) error {
	return h.metered(ctx, addr, work)
}

// verifier is one way of hashing.
type verifier interface{ verify(password string) bool }

func (a argon) verify(password string) bool { return Equal(a.derive(password), a.tag) }
