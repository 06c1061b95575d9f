package oauth

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// limits count what strangers do, by address or by client. They live in
// memory and are bounded: losing them costs nothing but a delay.
type limits struct {
	mu     *sync.Mutex
	counts map[[16]byte]count // by the hash of a key, which may be long
}

type count struct {
	began time.Time
	n     int
}

const maxCounts = 100_000

func newLimits() limits { return limits{mu: new(sync.Mutex), counts: map[[16]byte]count{}} }

func hashOf(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:16])
}

// allow counts one act under a key and says whether there were at most n of
// them in the current span of time.
func (l *limits) allow(key string, n int, per time.Duration, now time.Time) bool {
	id := hashOf(key)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[id]
	if now.Sub(c.began) >= per || now.Before(c.began) {
		c = count{began: now}
	}
	c.n++
	if _, known := l.counts[id]; !known && len(l.counts) >= maxCounts {
		l.makeRoom(now)
	}
	l.counts[id] = c
	return c.n <= n
}

// makeRoom drops what is over, and if that isn't enough any: keys are free to
// make, and nobody shall set everybody's counts back by making many.
func (l *limits) makeRoom(now time.Time) {
	for key, c := range l.counts {
		if now.Sub(c.began) > time.Hour {
			delete(l.counts, key)
		}
	}
	for key := range l.counts {
		if len(l.counts) < maxCounts*9/10 {
			return
		}
		delete(l.counts, key)
	}
}

// networkOf is what counts as one place: an IPv4 address, or the network that
// one IPv6 customer has to themselves.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	network, _ := ip.Prefix(64)
	return network.String()
}

// mayAct counts one act under a key, unless the server counts none. A device's
// codes are counted always.
func (s *Server) mayAct(key string, n int, per time.Duration) bool {
	return s.Unlimited || s.limits.allow(key, n, per, s.Now())
}

// spent says, without counting, whether the next act would be refused.
func (l *limits) spent(key string, n int, per time.Duration, now time.Time) bool {
	id := hashOf(key)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[id]
	return c.n >= n && now.Sub(c.began) < per && !now.Before(c.began)
}

func tooMany(what string) *Error {
	return newError(CodeTooManyRequests, "too many %s; try again later", what)
}
