package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/valetkey/valetkey"
)

type serveCmd struct{}

// Run starts the server and returns when it was asked to stop and every
// request under way has its answer.
func (serveCmd) Run(ctx context.Context, s *Settings, c console) (err error) {
	tuneCollector()
	config, err := s.server(c)
	if err != nil {
		return err
	}
	config.AccessLog = true
	srv, err := valetkey.New(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	if err := s.seed.plant(ctx, srv); err != nil {
		return err
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	if err := greet(ctx, srv, c); err != nil {
		return err
	}
	return serve(ctx, newHTTP(srv), listener)
}

// tuneCollector trades some idle memory for CPU: what lives is a few MiB, so
// collecting each time it doubles costs a tenth of a request. GOGC wins.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// greet prints where the server is, and the link for the first administrator.
func greet(ctx context.Context, srv *valetkey.Server, c console) error {
	fmt.Fprintf(c.out, "Valet Key is ready at %s\n", srv.Issuer)
	link, err := srv.SetupLink(ctx)
	if err != nil || link == "" {
		return err
	}
	_, err = fmt.Fprintf(c.out, "There is no administrator yet. Open this link once to make the first:\n  %s\n", link)
	return err
}

// listen opens the port before anything is promised.
func (s *Settings) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if s.TLSCert == "" {
		return listener, nil
	}
	pair, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tls-cert: %w", err), listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"},
	}), nil
}

// newHTTP sets the times after which a slow peer is left.
func newHTTP(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

const stopWithin = 10 * time.Second

// serve answers until ctx is done, then lets what is under way finish.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
