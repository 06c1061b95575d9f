package login_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/store"
)

const (
	issuer   = "https://as.example"
	password = "correct horse battery"
	browser  = "browser-one"
)

// bed is a service on a database of its own, with a mailbox and a clock.
type bed struct {
	*login.Service
	t      *testing.T
	store  *store.Store
	box    *mail.Mailbox
	offset atomic.Int64
}

var began = time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)

// now goes on by a millisecond each time, so that letters have their order.
func (b *bed) now() time.Time { return began.Add(time.Duration(b.offset.Add(int64(time.Millisecond)))) }

func (b *bed) advance(d time.Duration) { b.offset.Add(int64(d)) }

var from = login.Visitor{Address: "192.0.2.1", Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}

func newBed(t *testing.T, change ...func(*login.Service)) *bed {
	t.Helper()
	b := &bed{t: t, box: new(mail.Mailbox)}
	ring, err := seal.Parse(seal.Generate())
	ok(t, err)
	b.store, err = store.Open(t.Context(), store.Config{Database: "sqlite::memory:", Issuer: issuer, MasterCheck: ring.Check(), Now: b.now})
	ok(t, err)
	t.Cleanup(func() { ok(t, b.store.Close()) })
	post, err := mail.New(mail.Config{Store: b.store, Box: ring.Box("mail", ""), Sender: b.box, From: "noreply@as.example", Brand: "O-stock", Issuer: issuer, Now: b.now})
	ok(t, err)
	b.Service = &login.Service{
		Store: b.store, Setups: b.store, Hasher: secret.NewHasher(0, 0, 0), Throttle: &login.Throttle{Now: b.now}, Now: b.now,
		Issuer: issuer, Brand: "O-stock", Post: post, Even: time.Millisecond,
		Chain: append(login.DefaultChain(), login.Authenticator{Name: login.WayEmail, Factor: 1, Order: 50}),
	}
	for _, f := range change {
		f(b.Service)
	}
	ok(t, b.Open(ring))
	return b
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, not %v", what, err, want)
	}
}

// person is an account with a password and a proven address.
func (b *bed) person(name string) login.User {
	b.t.Helper()
	u, err := b.Create(context.Background(), login.NewUser{
		Username: name, Email: name + "@example.com", Name: "Ada", Password: password, Claims: map[string]any{"email_verified": true},
	}, "")
	ok(b.t, err)
	return u
}

func (b *bed) user(u login.User) login.User {
	b.t.Helper()
	again, err := b.User(context.Background(), u.Subject)
	ok(b.t, err)
	return again
}

func (b *bed) evidence(name string) login.Evidence {
	b.t.Helper()
	e, err := b.ByPassword(context.Background(), login.Attempt{Username: name, Password: password, Address: from.Address})
	ok(b.t, err)
	return e
}

// signIn passes the gate by a password alone.
func (b *bed) signIn(name, device string) login.SignedIn {
	b.t.Helper()
	v, err := b.Authenticate(context.Background(), b.evidence(name), login.Want{Bind: browser, Browser: device})
	ok(b.t, err)
	if v.Next != login.NextNothing {
		b.t.Fatalf("the sign-in of %s wants %s", name, v.Next)
	}
	in, err := b.SignIn(context.Background(), v.Proof, nil, device, from)
	ok(b.t, err)
	return in
}

func (b *bed) actor(rec login.Record) login.Actor {
	b.t.Helper()
	a, err := b.Fresh(context.Background(), rec, from)
	ok(b.t, err)
	return a
}

// letter is the newest one to an address.
func (b *bed) letter(to string) mail.Received {
	b.t.Helper()
	ok(b.t, b.Post.Deliver(context.Background()))
	var newest mail.Received
	for _, l := range b.box.List() { // several are sent at once, but their ids are in order
		if strings.Contains(l.To, to) && l.ID > newest.ID {
			newest = l
		}
	}
	if newest.ID == "" {
		b.t.Fatalf("no letter to %s", to)
	}
	return newest
}

// letters counts those to an address.
func (b *bed) letters(to string) int {
	b.t.Helper()
	ok(b.t, b.Post.Deliver(context.Background()))
	n := 0
	for _, l := range b.box.List() {
		if strings.Contains(l.To, to) {
			n++
		}
	}
	return n
}

// token is what stands in a letter's link.
func token(l mail.Received) string { return tokenOf(l.Link) }

func tokenOf(link string) string {
	_, t, _ := strings.Cut(link, "?t=")
	return t
}
