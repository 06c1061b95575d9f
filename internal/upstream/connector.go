package upstream

import "context"

// List gives the connectors, by order and then as they came.
func (r *Registry) List() []*Connector { return r.list }

// Find gives a connector by its name. One that was switched off or taken out
// isn't found, and so can't finish what it began (case 270).
func (r *Registry) Find(name string) (*Connector, bool) {
	for _, c := range r.list {
		if c.Name == name {
			return c, true
		}
	}
	return nil, false
}

// Close lets go of idle connections.
func (r *Registry) Close() {
	for _, c := range r.list {
		c.engine.close()
	}
}

// Redirects tells a connector that sends the browser away, by Begin and Finish,
// from one that takes a Password.
func (c *Connector) Redirects() bool { return c.engine.begin != nil }

// Begin gives the address that the browser is sent to.
func (c *Connector) Begin(ctx context.Context, req Request) (authorizeURL string, err error) {
	if c.engine.begin == nil {
		return "", ErrUnsupported
	}
	return c.engine.begin(ctx, req)
}

// Finish takes what the browser brought back. It waits 10 seconds at most.
func (c *Connector) Finish(ctx context.Context, req Request, cb Callback) (Identity, error) {
	if c.engine.finish == nil {
		return Identity{}, ErrUnsupported
	}
	id, err := c.engine.finish(ctx, req, cb)
	return c.named(id, err)
}

// Password asks a directory. It waits 10 seconds at most.
func (c *Connector) Password(ctx context.Context, username, password string) (Identity, error) {
	if c.engine.password == nil {
		return Identity{}, ErrUnsupported
	}
	id, err := c.engine.password(ctx, username, password)
	return c.named(id, err)
}

// named hands nothing out beside an error.
func (c *Connector) named(id Identity, err error) (Identity, error) {
	if err != nil {
		return Identity{}, err
	}
	id.Connector = c.Name
	return id, nil
}

// LogoutURL is where the browser is sent to sign out there too; "" when the
// provider has no such place.
func (c *Connector) LogoutURL(ctx context.Context, idToken, postLogoutRedirectURI, state string) (string, error) {
	if c.engine.logoutURL == nil {
		return "", nil
	}
	return c.engine.logoutURL(ctx, idToken, postLogoutRedirectURI, state)
}

// LogoutToken checks a logout token (OpenID Connect Back-Channel Logout §2.6)
// and says whose sessions end: the one of sid if it isn't empty, else all of
// subject. The caller sees to it that (issuer, jti) comes once.
func (c *Connector) LogoutToken(ctx context.Context, token string) (issuer, subject, sid, jti string, err error) {
	if c.engine.logout == nil {
		return "", "", "", "", ErrUnsupported
	}
	t, err := c.engine.logout(ctx, token)
	if err != nil {
		return "", "", "", "", err
	}
	return t.Iss, t.Sub, t.SID, t.JTI, nil
}

// Test tries step by step what a sign-in needs, as far as that goes without a
// person.
func (c *Connector) Test(ctx context.Context) []Check { return c.engine.test(ctx) }

// Check is one step of Test.
type Check struct {
	Step  string // what it is about: discovery, keys, bind …
	Tried string // what was asked, of whom
	OK    bool
	Found string // what came back; never a secret
	Do    string // what to do about it; "" when OK
}
