package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/valetkey/valetkey"
)

type serveCmd struct {
	Ephemeral bool   `help:"For tests of other programs: nothing on disk, a clock that moves, people signed in by a header." env:"VALETKEY_EPHEMERAL"`
	Seed      string `help:"With --ephemeral: file (YAML) with users, clients, scopes and resources." placeholder:"FILE" env:"VALETKEY_SEED"`

	testFlags
}

// Run starts the server and returns when it was asked to stop and every
// request under way has its answer.
func (v *serveCmd) Run(ctx context.Context, s *Settings, c console) (err error) {
	tuneCollector()
	if v.Ephemeral {
		return v.ephemeral(ctx, s, c)
	}
	if v.Seed != "" {
		return usageError{errors.New("--seed goes with --ephemeral; a server that stays reads users and clients from --config")}
	}
	config, err := s.server(c)
	if err != nil {
		return err
	}
	config.AccessLog = true
	v.set(&config)
	pair, err := s.certificate(config.Log)
	if err != nil {
		return err
	}
	if err := s.observed(&config, pair); err != nil {
		return err
	}
	srv, err := valetkey.New(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	if err := s.seed.plant(ctx, srv); err != nil {
		return err
	}
	doors, err := s.doors(ctx, srv, pair)
	if err != nil {
		return err
	}
	ops, err := s.opsDoor(ctx, srv)
	if err != nil {
		return errors.Join(err, closeAll(doors))
	}
	go watch(ctx, pair, lookEvery)
	if err := greet(ctx, srv, c); err != nil {
		return err
	}
	return s.hold(ctx, srv, doors, ops, config.Log)
}

// observed tells the server how it is looked at.
func (s *Settings) observed(c *valetkey.Config, pair *certificate) (err error) {
	c.Version, c.OperationsElsewhere = version, s.OpsListen != ""
	if pair != nil {
		c.Certificate = pair
	}
	c.Traces, err = s.traces(os.Getenv, c.Log)
	return err
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

// door is a listener and what answers behind it.
type door struct {
	handler  http.Handler
	listener net.Listener
}

// doors opens every port before anything is promised.
func (s *Settings) doors(ctx context.Context, srv *valetkey.Server, pair *certificate) ([]door, error) {
	config := pair.terms()
	front, err := listen(ctx, s.Listen, config)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	doors := []door{{srv, front}}
	if s.MTLSListen == "" {
		return doors, nil
	}
	side, err := listen(ctx, s.MTLSListen, askCertificate(config))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mtls-listen: %w", err), front.Close())
	}
	return append(doors, door{srv.MTLS(), side}), nil
}

func closeAll(doors []door) (err error) {
	for _, d := range doors {
		err = errors.Join(err, d.listener.Close())
	}
	return err
}

// tls is nil without a certificate.
func (s *Settings) tls() (*tls.Config, error) {
	pair, err := s.certificate(slog.New(slog.DiscardHandler))
	return pair.terms(), err
}

// terms are nil without a certificate. Of TLS 1.2 only what RFC 9325 §4.2
// recommends: forward secrecy and authenticated encryption. TLS 1.3 has
// nothing else.
func (c *certificate) terms() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// askCertificate asks clients for a certificate and leaves the judging to the
// server's rules, which know self-signed ones: RFC 8705 §2. A resumed session
// would not show it again.
func askCertificate(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.ClientAuth, config.SessionTicketsDisabled = tls.RequestClientCert, true
	return config
}

func listen(ctx context.Context, address string, config *tls.Config) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("something else listens at %s: stop it, or choose another address", address)
	}
	if err != nil {
		return nil, err
	}
	listener = patientListener{listener, unread}
	if config == nil {
		return listener, nil
	}
	return tls.NewListener(listener, config), nil
}

// wholeAnswer is how long an answer may take that its peer takes bit by bit.
const wholeAnswer = 30 * time.Second

// newHTTP sets the times after which a slow peer is left. What a stranger's
// connection fails of is in the log in its form.
func newHTTP(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelInfo),
		Handler:  patientStreams(handler, unread, wholeAnswer), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: wholeAnswer, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		// A frame's announcement alone takes the memory for it.
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 100, MaxReadFrameSize: 16 << 10,
			MaxReceiveBufferPerConnection: 256 << 10, MaxReceiveBufferPerStream: 256 << 10,
		},
	}
}

// stopWithin leaves a second of the ten that a stop may take to what comes after.
const stopWithin = 9 * time.Second

// serveAll serves every door; when one fails the others stop in peace.
func serveAll(ctx context.Context, doors []door, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	errs := make([]error, len(doors))
	for i, d := range doors {
		running.Go(func() {
			errs[i] = serve(ctx, newHTTP(d.handler, log), d.listener)
			stop()
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

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
