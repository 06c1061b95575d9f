package fetch

import "sync"

const (
	maxInFlight     = 128
	maxInFlightHost = 2
)

// slots count what is under way. Nobody waits for one: a slow host would
// gather waiting requests, and those of others behind them.
type slots struct {
	mu    sync.Mutex
	total int
	hosts map[string]int
}

func (s *slots) take(host string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hosts[host] >= maxInFlightHost:
		return refused("%d requests to this host are under way", maxInFlightHost)
	case s.total >= maxInFlight:
		return refused("%d requests are under way", maxInFlight)
	}
	s.hosts[host]++
	s.total++
	return nil
}

func (s *slots) free(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}
