// Package valetkey is an OAuth 2.0 and OpenID Connect authorization server as
// an http.Handler. It is the only wiring there is: New puts the parts
// together and decides nothing.
//
//	srv, err := valetkey.New(ctx, valetkey.Config{Issuer: "https://example.com", Database: "sqlite:auth.db"})
//	http.Handle("/", srv)
package valetkey

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/metrics"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/trace"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// Server is a running authorization server. It is safe for use by many
// goroutines; Close ends it.
type Server struct {
	Issuer string

	handler http.Handler
	mtls    http.Handler
	store   *store.Store
	login   *login.Service
	oauth   *oauth.Server
	keys    *keys.Ring
	stop    context.CancelFunc
	running sync.WaitGroup
	post    *mail.Post
	others  *upstream.Registry
	mailbox *mail.Mailbox
	clock   *testClock // an ephemeral server's

	metrics  *metrics.Metrics
	tracer   *trace.Tracer // nil: nothing is traced
	draining atomic.Bool
	stopPost context.CancelFunc

	providers []login.Provider // connectors, switched on or off
}

// New opens the database, brings its schema up to date and returns a server
// that answers. What runs beside requests ends with Close.
func New(ctx context.Context, c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.fill()
	var clock *testClock
	if c.Ephemeral {
		clock = &testClock{real: c.Now}
		c.Now, c.Mailbox = clock.now, c.Mail == nil
	}
	ring, err := c.keyring()
	if err != nil {
		return nil, err
	}
	s := &Server{Issuer: c.Issuer, clock: clock}
	if s.metrics, s.tracer, err = c.observers(ctx); err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, s.watched(store.Config{Database: c.Database, Issuer: c.Issuer, MasterCheck: ring.Check(), Now: c.Now, Log: c.Log, KeepRevocations: c.keepRevocations(), KeepGoing: c.FailoverKeep}))
	if err != nil {
		return nil, err
	}
	if err := st.Declare(ctx, c.Scopes, c.Resources); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	if !c.OneOff {
		if err := st.NoteIssuer(ctx); err != nil { // it serves all the same
			c.Log.Warn("noting the issuer failed", "error", err)
		}
	}
	signing, err := keys.New(ctx, keys.Config{Store: st, Box: ring.Box("signing-key", ""), Now: c.Now, Log: c.Log, OneOff: c.OneOff, Changed: st.Moved()})
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s.store, s.keys = st, signing
	hasher := secret.NewHasher(runtime.GOMAXPROCS(0), 64, 5*time.Second)
	hasher.Meter, hasher.Span = &s.metrics.Hashes, s.span()
	if err := s.people(c, ring, hasher); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s.oauth = oauth.New(oauth.Server{
		Issuer: c.Issuer, Store: st, Keys: signing, Users: s.login, Secret: secret.NewCache(hasher, 10_000), Seal: ring, Now: c.Now,
		Notify: s.notify(c), Signup: c.Signup && c.Users == nil && !c.SignupInvite, AccessLifetime: c.AccessLifetime,
		Meter: &s.metrics.Rules, Named: s.named(), Outbound: s.fetcher(c), Strangers: s.fetcher(c),
		Directory: s.login, Registration: c.Registration, RegistrationProfile: c.RegistrationProfile, Documents: c.Documents,
		TrustedIssuers: c.TrustedIssuers, DPoPNonce: c.DPoPNonce, Unlimited: c.ThrottleOff, MTLSURL: c.MTLSURL, ClientCAs: c.ClientCAs,
		CertificateHeader: c.CertificateHeader != "", Log: c.Log, Locales: locale.Tags(), Restored: st.RestoredAt,
	})
	if err := s.route(c, ring, hasher); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s.start(c)
	return s, nil
}

// start runs what has no request to ride on.
func (s *Server) start(c Config) {
	ctx, stop := context.WithCancel(context.Background())
	mails, stopPost := context.WithCancel(ctx)
	s.stop, s.stopPost = stop, stopPost
	if c.OneOff {
		return
	}
	s.running.Go(func() { s.store.Run(ctx) })
	s.running.Go(func() { s.keys.Run(ctx) })
	s.running.Go(func() { s.oauth.Run(ctx) })
	s.running.Go(func() { s.reseal(ctx) })
	s.running.Go(func() { s.warnOfWays(ctx, c.Log) })
	if s.post.Enabled() {
		s.running.Go(func() { s.post.Run(mails) })
	}
	s.sendTraces(ctx)
}

// reseal brings what is kept sealed in rows under the master key that seals
// now, so that an old one can be taken out.
func (s *Server) reseal(ctx context.Context) {
	for after := ""; ; {
		page, err := s.store.ListClients(ctx, nil, after, 500)
		if err != nil || len(page) == 0 {
			return
		}
		for _, old := range page {
			c := *old
			if changed, err := s.oauth.ResealSecret(&c); err != nil || !changed {
				continue
			}
			_ = s.store.SetClientSecret(ctx, c.ID, c.SecretHash, c.SecretPHC, c.SecretKey) // at the next start again
		}
		after = page[len(page)-1].ID
	}
}

// ServeHTTP answers every path of the server.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// MTLS answers the endpoints that programs call, for a TLS listener that asks
// for client certificates (tls.RequestClientCert) at Config.MTLSURL: RFC 8705
// §5. It has no pages.
func (s *Server) MTLS() http.Handler { return s.mtls }

// Close writes what is waiting and closes the database. No request may be
// under way.
func (s *Server) Close() error {
	s.stop()
	s.running.Wait()
	s.others.Close()
	return s.store.Close()
}

// Writes tells how many durable commits the server made.
func (s *Server) Writes() uint64 { return s.store.Writes() }
