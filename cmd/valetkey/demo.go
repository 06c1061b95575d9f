package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/demo"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/resource"
)

type demoCmd struct {
	AppListen string `help:"Address of Saleswave, the app." default:"127.0.0.1:8081"`
	APIListen string `name:"api-listen" help:"Address of the Organization API." default:"127.0.0.1:8082"`
}

var verified = map[string]any{"email_verified": true}

// demoUsers are printed, so they protect nothing but a database in memory.
var demoUsers = []valetkey.NewUser{
	{Username: "ada", Name: "Ada Lovelace", Email: "ada@example.com", Password: "analytical engine", Claims: verified},
	{Username: "grace", Name: "Grace Hopper", Email: "grace@example.com", Password: "nanosecond wire", Admin: true, Claims: verified},
}

// demoParts are the three programs on their listeners.
type demoParts struct {
	server, app, api net.Listener
}

// Run starts the server, the app and the API in this process.
func (d *demoCmd) Run(ctx context.Context, s *Settings, c console) error {
	if err := s.check(); err != nil {
		return err
	}
	started := time.Now() //nolint:forbidigo // how long the start took, for people
	parts, err := d.listen(ctx, s)
	if err != nil {
		return err
	}
	clock := &demo.Clock{Real: time.Now} //nolint:forbidigo // the one real clock of this process
	issuer := "http://localhost:" + port(parts.server)
	apiURL := "http://" + parts.api.Addr().String()
	srv, err := valetkey.New(ctx, d.config(s, c, issuer, apiURL, clock))
	if err != nil {
		return err
	}
	appURL := "http://" + parts.app.Addr().String()
	client, err := plantDemo(ctx, srv, appURL)
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	api, err := srv.Admin().CreateClient(ctx, valetkey.NewClient{ID: demoAPI, Metadata: oauth.Metadata{
		Name: "O-stock Organization API", Type: oauth.TypeService,
	}})
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	err = d.serve(ctx, parts, srv, func() error {
		fmt.Fprintf(c.out, demoWords, time.Since(started).Round(time.Millisecond), appURL, issuer, apiURL, issuer)
		for _, u := range demoUsers {
			fmt.Fprintf(c.out, "  %-6s  password: %s\n", u.Username, u.Password)
		}
		return nil
	}, appURL, issuer, client, resource.Config{
		Issuer: issuer, Audience: apiURL, BaseURL: apiURL, ClientID: api.ID, ClientSecret: api.Secret, Revocations: true, Now: clock.Now,
	}, clock)
	return errors.Join(err, srv.Close())
}

// demoAPI is the client that speaks for the API: it reads which tokens were
// revoked.
const demoAPI = "organization-api"

const demoWords = `Valet Key demo, ready after %s; nothing is kept on disk.

  Saleswave, an app that wants data   %s   <- start here: Connect O-stock
  the authorization server            %s
  O-stock's Organization API          %s

Sign in, allow it, and see your organizations in Saleswave with every request
that made it. Your account and the apps you let in: %[5]s/account
To register an app of your own: %[5]s/developer
Letters that it would send (codes, new passwords): %[5]s/mailbox

Users:
`

func (d *demoCmd) listen(ctx context.Context, s *Settings) (p demoParts, err error) {
	for _, one := range []struct {
		address string
		into    *net.Listener
	}{{s.Listen, &p.server}, {d.AppListen, &p.app}, {d.APIListen, &p.api}} {
		if *one.into, err = listen(ctx, one.address, nil); err != nil {
			return p, fmt.Errorf("listen: %w", err)
		}
	}
	return p, nil
}

func port(l net.Listener) string {
	_, p, _ := net.SplitHostPort(l.Addr().String())
	return p
}

func (d *demoCmd) config(s *Settings, c console, issuer, apiURL string, clock *demo.Clock) valetkey.Config {
	quiet := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return valetkey.Config{
		Issuer: issuer, Name: "O-stock", Signup: true, Now: clock.Now, Phones: clock.Real, Log: quiet, Templates: s.Templates,
		ThrottleOff: s.Throttle == "off", Mailbox: true,
		Authenticators: append(valetkey.DefaultAuthenticators(), valetkey.Authenticator{Name: "email", Factor: 1, Order: 25}),
		Resources:      []oauth.Resource{{URL: apiURL, Name: "O-stock Organization API", Client: demoAPI}},
		// Nothing here is anybody's, so programs may register themselves and have
		// their documents on this machine.
		Registration: oauth.RegistrationOpen, FetchAllowLoopback: true,
		Scopes: []oauth.Scope{
			{Name: demo.ScopeRead, Title: "See your organizations", Description: "Their names, cities and how many positions they hold.", Resource: apiURL},
			{Name: "organizations:write", Title: "Change your organizations", Optional: true, Resource: apiURL},
			{Name: "PRODUCTION", Title: "Use your live O-stock data", Description: "Not the practice data.", Resource: apiURL},
		},
	}
}

// plantDemo makes the users and registers Saleswave.
func plantDemo(ctx context.Context, srv *valetkey.Server, appURL string) (valetkey.Client, error) {
	admin := srv.Admin()
	for _, u := range demoUsers {
		if _, err := admin.CreateUser(ctx, u); err != nil {
			return valetkey.Client{}, err
		}
	}
	return admin.CreateClient(ctx, valetkey.NewClient{ID: "saleswave", OwnerName: "grace", Verified: true, Metadata: oauth.Metadata{
		Name: "Saleswave", Type: oauth.TypeWeb, RedirectURIs: []string{appURL + "/callback"}, HomepageURI: appURL,
		Description: "The CRM that knows your customers' portfolios", Audience: "Sales teams",
	}})
}

// serve runs the three until ctx is done. The app finds the server by its
// discovery document, so the server answers first.
func (d *demoCmd) serve(ctx context.Context, p demoParts, srv http.Handler, ready func() error, appURL, issuer string, client valetkey.Client, protect resource.Config, clock *demo.Clock) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	failed := make(chan error, 3)
	run := func(handler http.Handler, l net.Listener) {
		running.Go(func() {
			if err := serve(ctx, newHTTP(handler, slog.Default()), l); err != nil {
				failed <- err
			}
		})
	}
	run(srv, p.server)
	app, err := demo.NewApp(ctx, appURL, protect.Audience, issuer, client.ID, client.Secret, clock)
	if err != nil {
		return err
	}
	run(app.Handler(), p.app)
	api := resource.New(protect)
	defer api.Close()
	run(demo.NewAPI(api), p.api)
	if err := ready(); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
