package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/valetkey/valetkey"
)

// opsDoor is the listener for probes and collectors; none without ops-listen.
// It is plain HTTP and answers by any name.
func (s *Settings) opsDoor(ctx context.Context, srv *valetkey.Server) ([]door, error) {
	if s.OpsListen == "" {
		return nil, nil
	}
	listener, err := listen(ctx, s.OpsListen, nil)
	if err != nil {
		return nil, fmt.Errorf("ops-listen: %w", err)
	}
	handler := srv.Operations()
	if s.Profiling == "on" {
		handler = withProfiles(handler)
	}
	return []door{{handler, listener}}, nil
}

// withProfiles adds /debug/pprof. A profile may take longer than an answer.
func withProfiles(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	for path, handle := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
			type none struct{}
			handle(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, none{}))) // where pprof finds the limit
		})
	}
	return mux
}

// hold serves until ctx is done. Then /readyz says no and all goes on for
// stop-delay, so that load balancers send nobody here any more; then every door
// is closed and what is under way answered. Operations are asked to the last.
func (s *Settings) hold(ctx context.Context, srv *valetkey.Server, doors, ops []door, log *slog.Logger) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	cancel := context.AfterFunc(ctx, func() {
		log.Info("stopping", "delay", s.StopDelay)
		srv.Drain()
		time.Sleep(s.StopDelay)
		stop()
	})
	defer cancel()
	aside, stopAside := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAside()
	var side sync.WaitGroup
	var failed error
	if len(ops) > 0 {
		side.Go(func() {
			failed = serveAll(aside, ops, log)
			stop()
		})
	}
	err := serveAll(serving, doors, log)
	stopAside()
	side.Wait()
	return errors.Join(err, failed)
}
