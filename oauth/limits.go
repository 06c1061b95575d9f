package oauth

import (
	"sync"
	"time"
)

// limits count what strangers do, by address or by client. They live in
// memory and are bounded: losing them costs nothing but a delay.
type limits struct {
	mu     *sync.Mutex
	counts map[string]count
}

type count struct {
	began time.Time
	n     int
}

const maxCounts = 100_000

func newLimits() limits { return limits{mu: new(sync.Mutex), counts: map[string]count{}} }

// allow counts one act under a key and says whether there were at most n of
// them in the current span of time.
func (l *limits) allow(key string, n int, per time.Duration, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[key]
	if now.Sub(c.began) >= per || now.Before(c.began) {
		c = count{began: now}
	}
	c.n++
	if len(l.counts) >= maxCounts {
		clear(l.counts)
	}
	l.counts[key] = c
	return c.n <= n
}

// spent says, without counting, whether the next act would be refused.
func (l *limits) spent(key string, n int, per time.Duration, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[key]
	return c.n >= n && now.Sub(c.began) < per && !now.Before(c.began)
}

func tooMany(what string) *Error {
	return newError(CodeTooManyRequests, "too many %s; try again later", what)
}
