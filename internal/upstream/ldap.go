package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

const (
	maxUsername = 255
	maxPassword = 1024
	maxSearches = 32 // sign-ins by one directory at once; who comes later waits
)

// ldapDirectory signs people in by their password in an LDAP directory.
type ldapDirectory struct {
	c       Config
	guard   guard
	log     *slog.Logger
	mapping mapping
	now     func() time.Time
	servers []server
	last    atomic.Int32 // index of the server that answered last

	slots       chan struct{}
	whole, step time.Duration
	span        func(ctx context.Context, name string, attributes ...string) (end func(error))
}

func newDirectory(c Config, g guard, env Environment) *ldapDirectory {
	d := &ldapDirectory{
		c: c, guard: g, log: env.Log, mapping: newMapping(c), now: env.Now,
		slots: make(chan struct{}, maxSearches), whole: env.whole, step: env.step, span: env.Span,
	}
	for _, address := range c.URL {
		d.servers = append(d.servers, newServer(address, c, env))
	}
	return d
}

// connect tries the servers, the one that answered last first.
func (d *ldapDirectory) connect(ctx context.Context) (*conn, error) {
	var all []error
	first := int(d.last.Load())
	for i := range d.servers {
		n := (first + i) % len(d.servers)
		c, err := d.open(ctx, d.servers[n])
		if err == nil {
			d.last.Store(int32(n)) //nolint:gosec // an index of a short list
			return c, nil
		}
		all = append(all, err)
	}
	return nil, unavailable(errors.Join(all...))
}

// person is somebody who was found and gave the right password.
type person struct {
	conn   *conn // to read more
	entry  *ldap.Entry
	policy policy
}

func (d *ldapDirectory) password(ctx context.Context, username, password string) (id Identity, err error) {
	switch {
	case username == "" || len(username) > maxUsername || !utf8.ValidString(username):
		return id, wrong("no username, or none that a directory has")
	case password == "" || len(password) > maxPassword:
		return id, wrong("an empty or endless password isn't sent to the directory")
	}
	if d.span != nil {
		end := d.span(ctx, "upstream", "valetkey.connector", d.c.Name)
		defer func() { end(err) }()
	}
	ctx, cancel := context.WithTimeout(ctx, d.whole)
	defer cancel()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return id, unavailable(ctx.Err())
	}
	find := d.bySearch
	if d.c.UserDN != "" {
		find = d.byName
	}
	p, err := find(ctx, username, password)
	if err != nil {
		return id, err
	}
	defer p.conn.close()
	return d.identity(ctx, p, username)
}

// bySearch looks the person up as the service, and binds as the person on a
// connection of its own, so that the first one keeps its rights.
func (d *ldapDirectory) bySearch(ctx context.Context, username, password string) (p person, err error) {
	c, err := d.asService(ctx)
	if err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	entry, err := d.find(c, username)
	if err != nil {
		return p, err
	}
	own, err := d.open(ctx, c.server)
	if err != nil {
		return p, unavailable(err)
	}
	defer own.close()
	policy, err := own.bind(dn(entry.DN), password)
	return person{c, entry, policy}, err
}

// asService connects as bind_dn, or as nobody.
func (d *ldapDirectory) asService(ctx context.Context) (*conn, error) {
	c, err := d.connect(ctx)
	if err != nil || d.c.BindDN == "" {
		return c, err
	}
	if _, err := c.bind(dn(d.c.BindDN), d.c.BindPassword.reveal()); err != nil {
		c.close()
		return nil, unavailable(fmt.Errorf("as bind_dn: %w", Cause(err)))
	}
	return c, nil
}

// find gives the one entry of that name. None and several are the same to the
// person who asks.
func (d *ldapDirectory) find(c *conn, username string) (*ldap.Entry, error) {
	f := template(d.c.UserFilter).filter(map[string]string{holeUser: username})
	found, err := c.search(dn(d.c.Base), ldap.ScopeWholeSubtree, f, 2, d.attributes()...)
	switch {
	case errors.Is(err, errTooMany) || len(found) > 1:
		return nil, wrong("more than one entry matches the user filter")
	case err != nil:
		return nil, unavailable(err)
	case len(found) == 0 || found[0].DN == "":
		return nil, wrong("no entry matches the user filter")
	}
	return found[0], nil
}

// byName binds as the person at once, and reads with the person's own rights.
func (d *ldapDirectory) byName(ctx context.Context, username, password string) (p person, err error) {
	c, err := d.connect(ctx)
	if err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	name := template(d.c.UserDN).dn(map[string]string{holeUser: username})
	policy, err := c.bind(name, password)
	if err != nil {
		return p, err
	}
	entry, err := c.read(name, d.attributes()...)
	switch {
	case err != nil:
		return p, unavailable(err)
	case entry == nil:
		return p, unavailable(errors.New("people can't read their own entry; let them, or use bind_dn"))
	}
	return person{c, entry, policy}, nil
}

// attributes are those that are asked for.
func (d *ldapDirectory) attributes() []string {
	names := []string{d.c.Subject, "memberOf", attributeControl, attributeExpiry, attributeLastSet}
	for _, theirs := range d.c.Claims {
		names = append(names, theirs)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
