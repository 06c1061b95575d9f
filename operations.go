package valetkey

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/valetkey/valetkey/internal/endpoint"
)

// isOperation tells the paths that probes ask by address, not by name.
func isOperation(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// Operations answers /healthz, /readyz and /metrics to whoever reaches it, by any
// name: for a listener that strangers don't reach.
func (s *Server) Operations() http.Handler {
	mux := http.NewServeMux()
	s.probes(mux)
	mux.Handle("GET /metrics", s.metrics)
	return mux
}

// operations are those of the server's own address: what is counted is for this
// machine only; others ask at ops-listen.
func (s *Server) operations(mux *http.ServeMux, front *endpoint.Front) {
	s.probes(mux)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if !fromHere(r, front) {
			http.NotFound(w, r) // which is what others are told of any path that isn't there
			return
		}
		s.metrics.ServeHTTP(w, r)
	})
}

// fromHere says whether a request comes from this machine itself. One that a
// proxy of this machine hands on doesn't, whether or not the proxy is trusted.
func fromHere(r *http.Request, front *endpoint.Front) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	ip, err := netip.ParseAddr(front.Address(r))
	return err == nil && ip.Unmap().IsLoopback()
}

// probes: alive, which asks nothing, and able to serve.
func (s *Server) probes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		state := s.readiness(r.Context())
		w.Header().Set("Cache-Control", "no-store")
		_, verbose := r.URL.Query()["verbose"]
		if verbose {
			w.Header().Set("Content-Type", "application/json")
		} else {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		}
		if !state.Ready {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if verbose {
			_ = json.NewEncoder(w).Encode(state)
			return
		}
		_, _ = w.Write([]byte(state.words() + "\n"))
	})
}

// readiness is what /readyz?verbose shows. What failed is told in words of ours:
// a driver's name hosts and users.
type readiness struct {
	Ready  bool        `json:"ready"`
	Checks []readiable `json:"checks"`
}

type readiable struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"`
}

func (r readiness) words() string {
	for _, c := range r.Checks {
		if !c.OK {
			return c.Why
		}
	}
	return "ready"
}

const readyWithin = 2 * time.Second

// readiness asks the database only while the server isn't stopping.
func (s *Server) readiness(ctx context.Context) (r readiness) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	note := func(name, why string, ok bool) bool {
		if ok {
			why = ""
		}
		r.Checks = append(r.Checks, readiable{name, ok, why})
		return ok
	}
	r.Ready = note("running", "the server is stopping", !s.draining.Load()) &&
		note("database", "the database can't be reached", s.store.Ping(ctx) == nil) &&
		note("cache", "other nodes' changes can't be seen", s.store.Fresh(ctx) == nil)
	return r
}

// Drain makes /readyz answer 503 from now on, so that a load balancer sends
// nobody here any more; requests are answered as before. Letters that are being
// sent are finished, and no more are begun: others do it, or the next start.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.stopPost()
}
