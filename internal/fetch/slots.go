package fetch

import (
	"context"
	"sync"
	"time"
)

const (
	maxInFlight     = 128
	maxInFlightHost = 2
	slotPatience    = time.Second
	slotPause       = 10 * time.Millisecond
)

// slots count what is under way. For a host's own one may wait a moment, since
// those before may be quick; for one of all nobody waits: a slow host would
// gather waiting requests, and those of others behind them.
type slots struct {
	mu    sync.Mutex
	total int
	hosts map[string]int
}

func (s *slots) take(ctx context.Context, host string) error {
	patience := time.NewTimer(slotPatience)
	defer patience.Stop()
	for {
		busy, err := s.tryTake(host)
		if !busy {
			return err
		}
		select {
		case <-patience.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(slotPause):
		}
	}
}

// tryTake says by busy that waiting may help.
func (s *slots) tryTake(host string) (busy bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hosts[host] >= maxInFlightHost:
		return true, refused("%d requests to this host are under way", maxInFlightHost)
	case s.total >= maxInFlight:
		return false, refused("%d requests are under way", maxInFlight)
	}
	s.hosts[host]++
	s.total++
	return false, nil
}

func (s *slots) free(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}
