package valetkey

import (
	"context"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/internal/upstream"
)

// Check is one thing that was tried of a connector.
type Check = upstream.Check

// Connectors lists the providers that people may sign in with.
func (a *Admin) Connectors() []*upstream.Connector { return a.s.others.List() }

// TestConnector tries a connector out.
func (a *Admin) TestConnector(ctx context.Context, name string) ([]Check, error) {
	for _, c := range a.s.others.List() {
		if c.Name == name {
			return c.Test(ctx), nil
		}
	}
	return nil, fmt.Errorf("no connector is named %q, or it is switched off", name)
}

// Invite makes an invitation: a link that lets one person make an account. With
// an address it is sent there too, where mail is set up.
func (a *Admin) Invite(ctx context.Context, email string, groups []string) (link string, expires time.Time, err error) {
	return a.s.login.Invite(ctx, email, "", groups)
}

// SendsMail says whether letters leave this server.
func (a *Admin) SendsMail() bool { return a.s.post.Enabled() }

// ServedAs is the issuer that the database's server last went by, "" before its
// first start. Links that are made under another one lead elsewhere.
func (a *Admin) ServedAs(ctx context.Context) (string, error) { return a.s.store.NotedIssuer(ctx) }

// RecoveryLink makes a one-time link by which somebody chooses a new password;
// with factors their lost second factors are taken away.
func (a *Admin) RecoveryLink(ctx context.Context, subject string, factors bool) (link string, expires time.Time, err error) {
	return a.s.login.OperatorLink(ctx, subject, factors)
}

// SetGroups says which groups a person is in, beside those that a connector
// tells of.
func (a *Admin) SetGroups(ctx context.Context, subject string, groups []string) error {
	return a.s.store.SetMemberships(ctx, subject, "", groups)
}
