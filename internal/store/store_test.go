package store

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const issuer = "https://as.example"

// bed is a store to test, with a clock of its own and the means to open
// another one on the same database.
type bed struct {
	*Store
	url    string
	offset *atomic.Int64
}

// began lies beyond what 32 bits of seconds can tell.
var began = time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)

func (b *bed) time() time.Time { return began.Add(time.Duration(b.offset.Load())) }

func (b *bed) advance(d time.Duration) { b.offset.Add(int64(d)) }

func (b *bed) config() Config {
	return Config{
		Database: b.url, Issuer: issuer, MasterCheck: []string{"check"}, Now: b.time, Poll: 20 * time.Millisecond,
	}
}

func (b *bed) open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), b.config())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func newBed(t testing.TB, url string) *bed {
	t.Helper()
	b := &bed{url: url, offset: new(atomic.Int64)}
	b.Store = b.open(t)
	return b
}

// databases runs a test on every kind of database.
func databases(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, newBed(t, "sqlite::memory:")) })
	shared(t, test)
}

// shared runs a test on the databases that several processes can open.
func shared(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, newBed(t, sqliteFile(t))) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, newBed(t, testkit.PostgresSchema(t))) })
}

func sqliteFile(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "a b%?.db")
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants checks for one of oauth's errors; nil for none.
func wants(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, not %v", what, err, want)
	}
}

// race runs fn in 32 goroutines at once and counts their answers.
func race(t *testing.T, fn func(i int) error) map[error]int {
	t.Helper()
	var mu sync.Mutex
	var done sync.WaitGroup
	answers := map[error]int{}
	start := make(chan struct{})
	for i := range 32 {
		done.Go(func() {
			<-start
			err := sentinel(fn(i))
			mu.Lock()
			defer mu.Unlock()
			answers[err]++
		})
	}
	close(start)
	done.Wait()
	return answers
}

func sentinel(err error) error {
	for _, known := range []error{
		oauth.ErrNotFound, oauth.ErrReplayed, oauth.ErrConflict, oauth.ErrEnded, oauth.ErrUnavailable,
		oauth.ErrProofUsed,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

func onlyOne(t *testing.T, answers map[error]int, others ...error) {
	t.Helper()
	rest := answers[nil] - 1
	for _, err := range others {
		rest += answers[err]
	}
	if answers[nil] != 1 || rest != 31 {
		t.Errorf("answers are %v, not one success and 31 × %v", answers, others)
	}
}

// addUser makes a user.
func (b *bed) addUser(t testing.TB, name string, admin bool) login.User {
	t.Helper()
	u := login.User{
		Subject: secret.NewID(), Username: name, UsernameKey: login.Canonical(name), Email: name + "@Example.org",
		Password: "phc", Admin: admin, Epoch: 1, Claims: oauth.Claims{"locale": "de"},
	}
	ok(t, b.CreateUser(t.Context(), u))
	return u
}

func newClient(id string) *oauth.Client {
	c, err := oauth.NewClient(id, oauth.Metadata{Name: "App " + id, RedirectURIs: []string{"https://app.example/cb"}}, issuer)
	if err != nil {
		panic(err)
	}
	c.Epoch = 1
	return c
}

func (b *bed) addClient(t testing.TB, id string) *oauth.Client {
	t.Helper()
	c := newClient(id)
	ok(t, b.CreateClient(t.Context(), c))
	return c
}

// addSession signs a user in.
func (b *bed) addSession(t testing.TB, u login.User) login.Record {
	t.Helper()
	epoch := must(b.SubjectEpoch(t.Context(), u.Subject))(t)
	r := login.Record{
		Session: oauth.Session{
			ID: secret.NewID(), Subject: u.Subject, UserEpoch: epoch, Logins: 1, AuthTime: b.time(), ACR: "1", AMR: []string{"pwd"},
		},
		SecretHash: []byte("hash"), CreatedAt: b.time(), ExpiresAt: b.time().Add(12 * time.Hour),
	}
	ok(t, b.StartSession(t.Context(), login.Start{Record: r}))
	return r
}

// ground is a user, a client, a session and a consent between them.
type ground struct {
	user    login.User
	client  *oauth.Client
	session login.Record
	consent oauth.Consent
}

func (b *bed) ground(t testing.TB) ground {
	t.Helper()
	g := ground{user: b.addUser(t, "u1", false), client: b.addClient(t, "app")}
	g.session = b.addSession(t, g.user)
	g.consent = must(b.Agree(t.Context(), oauth.Consent{
		Subject: g.user.Subject, ClientID: g.client.ID, Scopes: []string{"openid", "notes"}, SessionID: g.session.ID,
	}))(t)
	return g
}

// authorization is what a code of the ground would redeem.
func (b *bed) authorization(g ground) oauth.Authorization {
	return oauth.Authorization{
		ID: secret.NewID(), ClientID: g.client.ID, Subject: g.user.Subject, SessionID: g.session.ID,
		Scopes: []string{"openid", "notes"}, Resources: []string{"https://api.example"},
		Claims:   &oauth.ClaimsRequest{UserInfo: map[string]*oauth.ClaimRequest{"name": nil}},
		AuthTime: b.time(), ACR: "1", AMR: []string{"pwd"},
		UserEpoch: g.session.UserEpoch, ClientEpoch: 1, ConsentEpoch: g.consent.Epoch,
		CreatedAt: b.time(), ExpiresAt: b.time().Add(90 * 24 * time.Hour),
		SeedHash: []byte("seed"), RefreshUntil: b.time().Add(90 * 24 * time.Hour),
	}
}

func (b *bed) rotation(a oauth.Authorization, from int64) oauth.Rotation {
	later := b.time().Add(90 * 24 * time.Hour)
	return oauth.Rotation{ID: a.ID, SeedHash: a.SeedHash, From: from, At: b.time(), RefreshUntil: later, ExpiresAt: later}
}

// setPassword is what every change of a password is to the store.
func (b *bed) setPassword(t *testing.T, subject, phc, keep string) error {
	t.Helper()
	_, err := b.Apply(t.Context(), login.Change{Subject: subject, At: b.time(), Ends: true, Keep: keep, Password: &phc})
	return err
}
