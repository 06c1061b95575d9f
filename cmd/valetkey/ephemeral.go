package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// ephemeral is a server for other programs' tests: in memory, seeded, ready at
// once, and gone with its process.
func (v *serveCmd) ephemeral(ctx context.Context, s *Settings, c console) (err error) {
	began := time.Now() //nolint:forbidigo // how long the start took, for people
	listener, err := loopback(ctx, s.Listen)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if s.Database != "" && s.Database != "sqlite::memory:" {
		return usageError{fmt.Errorf("%s: database: an ephemeral server keeps its database in memory; leave it out", s.Config.origin("database"))}
	}
	s.Listen, s.Database = listener.Addr().String(), "sqlite::memory:"
	if err := v.readSeed(&s.seed); err != nil {
		return usageError{err}
	}
	config, err := s.server(c)
	if err != nil {
		return err
	}
	config.Ephemeral, config.ThrottleOff, config.FetchAllowLoopback, config.AccessLog = true, true, true, true
	srv, err := valetkey.New(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	if err := s.seed.plant(ctx, srv); err != nil {
		return err
	}
	if terms, err := s.tls(); err != nil {
		return err
	} else if terms != nil {
		listener = tls.NewListener(listener, terms)
	}
	s.seed.present(c, srv.Issuer, time.Since(began))
	return serveAll(ctx, []door{{srv, listener}}, config.Log)
}

// loopback listens on this machine and nowhere else: whoever reaches an
// ephemeral server is whom they say.
func loopback(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !oauth.IsLoopbackHost(host) {
		return nil, usageError{fmt.Errorf("listen: %q is not on this machine; an ephemeral server listens on 127.0.0.1, [::1] or localhost alone", address)}
	}
	l, err := listen(ctx, address, nil)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// seedSections are what a seed file may hold; settings belong into --config.
var seedSections = []string{"clients", "groups", "resources", "scopes", "users"}

// readSeed reads the seed file, or takes the usual seed where nobody wrote one.
func (v *serveCmd) readSeed(into *seed) error {
	if v.Seed == "" {
		if len(into.Users)+len(into.Clients) == 0 {
			into.usual()
		}
		return nil
	}
	content, err := os.ReadFile(v.Seed)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	configuration := loaded.path
	loaded.path = v.Seed // what is wrong in it is told with its name
	entries, err := parseConfig(v.Seed, content, into)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		return fmt.Errorf("%s:%d: %q is no part of a seed, which has %s", v.Seed, entries[key].line, key, strings.Join(seedSections, ", "))
	}
	if configuration != "" {
		loaded.path = configuration
	}
	return nil
}

// usual is what tests mostly want: two people, an app with a secret, a command
// line and a single-page app.
func (s *seed) usual() {
	s.Users = []seedUser{
		{Username: "ada", Name: "Ada Lovelace", Email: "ada@example.com", Password: "analytical engine", Claims: map[string]any{"email_verified": true}},
		{Username: "grace", Name: "Grace Hopper", Email: "grace@example.com", Password: "nanosecond wire", Admin: true, Claims: map[string]any{"email_verified": true}},
	}
	s.Clients = []seedClient{
		{ID: "web", Secret: "web-secret", Metadata: oauth.Metadata{
			Name: "Web app", Type: oauth.TypeWeb, RedirectURIs: []string{"http://localhost:3000/callback", "http://127.0.0.1:3000/callback", "https://app.example/callback"},
			GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
		}},
		{ID: "spa", Metadata: oauth.Metadata{Name: "Single-page app", Type: oauth.TypeSPA, RedirectURIs: []string{"http://localhost:3000/", "http://localhost:5173/"}}},
		{ID: "cli", Metadata: oauth.Metadata{Name: "Command line", Type: oauth.TypeNative, RedirectURIs: []string{"http://127.0.0.1/callback"}}},
		{ID: "service", Secret: "service-secret", Metadata: oauth.Metadata{Name: "Service", Type: oauth.TypeService}},
	}
	s.Scopes = map[string]seedScope{
		"read":  {Title: "Read your data"},
		"write": {Title: "Change your data", Optional: true},
	}
}

// present says what there is to use.
func (s *seed) present(c console, issuer string, took time.Duration) {
	fmt.Fprintf(c.out, "Valet Key is ready at %s\n", issuer)
	fmt.Fprintf(c.out, "  It is ephemeral: nothing is kept. Ready after %s.\n", took.Round(time.Millisecond))
	for _, u := range s.Users {
		fmt.Fprintf(c.out, "  user    %s\n", u.Username)
	}
	for _, a := range s.Clients {
		fmt.Fprintf(c.out, "  client  %s\n", a.ID)
	}
	fmt.Fprintf(c.out, "  clock   POST %s/test/clock, such as advance=61s\n  headers X-Test-User: NAME signs in, X-Test-Consent: allow agrees\n", issuer)
}
