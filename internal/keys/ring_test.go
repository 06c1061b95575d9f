package keys

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/seal"
)

// rows is a Store under one mutex that holds to the unique rule.
type rows struct {
	mu      sync.Mutex
	records []Record
	reads   atomic.Int64
	down    atomic.Bool
}

var errDown = errors.New("store is down")

func (s *rows) SigningKeys(context.Context) ([]Record, error) {
	if s.down.Load() {
		return nil, errDown
	}
	s.reads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records), nil
}

func (s *rows) AddSigningKey(_ context.Context, r Record) (bool, error) {
	if s.down.Load() {
		return false, errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.records, func(o Record) bool { return o.Alg == r.Alg && o.Replaces == r.Replaces }) {
		return false, nil
	}
	s.records = append(s.records, r)
	return true, nil
}

func (s *rows) UpdateSigningKey(_ context.Context, r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.records {
		if o.KID == r.KID {
			r.Sealed = o.Sealed
			s.records[i] = r
		}
	}
	return nil
}

func (s *rows) DeleteSigningKeys(_ context.Context, before int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = slices.DeleteFunc(s.records, func(r Record) bool { return r.RemovedAt < before })
	return nil
}

// clock is moved by hand.
type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.seconds.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

type world struct {
	rows  *rows
	clock *clock
	box   *seal.Box
}

func newWorld(t *testing.T) world {
	t.Helper()
	k, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	w := world{rows: &rows{}, clock: &clock{}, box: k.Box("signing-key", "sk_")}
	w.clock.seconds.Store(1_800_000_000)
	return w
}

func (w world) node(t *testing.T, algs ...jose.Alg) *Ring {
	t.Helper()
	r, err := New(t.Context(), Config{Store: w.rows, Box: w.box, Now: w.clock.now, Algs: algs, Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signed(t *testing.T, r *Ring, alg jose.Alg) string {
	t.Helper()
	k, err := r.Signer(t.Context(), alg)
	if err != nil {
		t.Fatal(err)
	}
	token, err := k.Sign("at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func verifies(token string, keys []jose.PublicKey) bool {
	_, _, err := jose.Verify(token, []string{"at+jwt"}, jose.Algs(), keys)
	return err == nil
}

// Case 320: any number of nodes start on an empty database; there is one key
// of each algorithm.
func Test320NodesStartOnAnEmptyDatabase(t *testing.T) {
	w := newWorld(t)
	sets := make([]string, 8)
	var wg sync.WaitGroup
	for i := range sets {
		wg.Go(func() {
			r, err := New(t.Context(), Config{Store: w.rows, Box: w.box, Now: w.clock.now})
			if err != nil {
				t.Error(err)
				return
			}
			set, err := r.JWKS(t.Context())
			if err != nil {
				t.Error(err)
			}
			sets[i] = string(set)
		})
	}
	wg.Wait()
	for _, set := range sets {
		if set != sets[0] || strings.Count(set, `"kid"`) != 2 {
			t.Errorf("key set %s", set)
		}
	}
	if len(w.rows.records) != 2 {
		t.Errorf("%d rows", len(w.rows.records))
	}
}

// Case 317: through three rotations every key is in the key set for Lead
// before it signs and for Overlap after, and no token is ever refused by who
// caches the set for three hours.
func Test317RotationIsNeverNoticed(t *testing.T) {
	w := newWorld(t)
	a, b := w.node(t, jose.ES256), w.node(t, jose.ES256)
	var cached []jose.PublicKey // what a resource server fetched
	kids := map[string]bool{}
	type old struct {
		token string
		until int64
	}
	var tokens []old
	for hour := 0; hour < 24*270; hour += 3 {
		for _, r := range []*Ring{a, b} { // both nodes look after the keys
			if err := r.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range []*Ring{a, b} {
			token := signed(t, r, jose.ES256)
			kid, _, _ := jose.KeyID(token)
			kids[kid] = true
			if cached != nil && !verifies(token, cached) {
				t.Fatalf("hour %d: a new token is refused by a key set of three hours ago", hour)
			}
			tokens = append(tokens, old{token, w.clock.seconds.Load() + 20*3600})
		}
		tokens = slices.DeleteFunc(tokens, func(o old) bool { return o.until < w.clock.seconds.Load() })
		if hour%5 == 0 && !verifies(tokens[0].token, b.Public(t.Context())) {
			t.Fatalf("hour %d: a token of 20 hours ago is refused", hour)
		}
		set, err := b.JWKS(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if cached, err = jose.ParseJWKS(set); err != nil || len(cached) > 2 {
			t.Fatalf("hour %d: %s, %v", hour, set, err)
		}
		w.clock.advance(3 * time.Hour)
	}
	if len(kids) != 3 || len(w.rows.records) > 3 {
		t.Errorf("%d keys signed, %d rows", len(kids), len(w.rows.records))
	}
}

// Case 318: after an emergency the old keys are gone on this node at once, on
// the other with its next look, and what they signed is refused.
func Test318EmergencyRotation(t *testing.T) {
	w := newWorld(t)
	a, b := w.node(t, jose.ES256), w.node(t, jose.ES256)
	if err := a.Rotate(t.Context(), jose.ES256, false); err != nil { // one lies waiting, too
		t.Fatal(err)
	}
	if err := b.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	token := signed(t, b, jose.ES256)
	if err := a.Rotate(t.Context(), jose.ES256, true); err != nil {
		t.Fatal(err)
	}
	fresh := signed(t, a, jose.ES256)
	if keys := b.PublicFor(t.Context(), kidOf(t, fresh)); !verifies(fresh, keys) {
		t.Error("the other node doesn't look when it meets the new kid")
	}
	for name, r := range map[string]*Ring{"a": a, "b": b} {
		keys := r.Public(t.Context())
		if len(keys) != 1 || verifies(token, keys) || !verifies(fresh, keys) || kidOf(t, signed(t, r, jose.ES256)) != kidOf(t, fresh) {
			t.Errorf("node %s: %d keys", name, len(keys))
		}
	}
	w.clock.advance(60 * 24 * time.Hour)
	if err := b.Tick(t.Context()); err != nil || len(b.Public(t.Context())) != 1 {
		t.Errorf("two months later: %d keys, %v", len(b.Public(t.Context())), err)
	}
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	kid, _, err := jose.KeyID(token)
	if err != nil {
		t.Fatal(err)
	}
	return kid
}

func states(t *testing.T, r *Ring) string {
	t.Helper()
	list, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range list {
		out = append(out, string(s.Alg)+" "+string(s.State))
	}
	return strings.Join(out, ", ")
}

func TestRotateByHand(t *testing.T) {
	w := newWorld(t)
	r := w.node(t, jose.ES256)
	old := kidOf(t, signed(t, r, jose.ES256))
	for range 3 { // again is no more than once
		if err := r.Rotate(t.Context(), jose.ES256, false); err != nil {
			t.Fatal(err)
		}
		if got := states(t, r); got != "ES256 signing, ES256 published" {
			t.Errorf("rotated: %s", got)
		}
	}
	if kidOf(t, signed(t, r, jose.ES256)) != old {
		t.Error("the new one signs at once")
	}
	w.clock.advance(24 * time.Hour)
	if got := states(t, r); got != "ES256 retiring, ES256 signing" || kidOf(t, signed(t, r, jose.ES256)) == old {
		t.Errorf("a day later: %s", got)
	}
	w.clock.advance(24 * time.Hour)
	if got := states(t, r); got != "ES256 removed, ES256 signing" || len(r.Public(t.Context())) != 1 {
		t.Errorf("two days later: %s", got)
	}
	if err := r.Rotate(t.Context(), "HS256", true); err == nil {
		t.Error("any algorithm can be rotated")
	}
}

// A command in another process rotates; the server sees it by polling.
func TestAnotherProcessRotates(t *testing.T) {
	w := newWorld(t)
	server := w.node(t, jose.ES256)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); server.Run(ctx) }()
	command, err := New(t.Context(), Config{Store: w.rows, Box: w.box, Now: w.clock.now, Algs: []jose.Alg{jose.ES256}, OneOff: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Rotate(t.Context(), jose.ES256, true); err != nil {
		t.Fatal(err)
	}
	want := kidOf(t, signed(t, command, jose.ES256))
	for deadline := time.Now().Add(5 * time.Second); kidOf(t, signed(t, server, jose.ES256)) != want; {
		if time.Now().After(deadline) {
			t.Fatal("the server never saw it")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
}

// Two nodes rotate at the same time: one successor.
func TestNodesRotateTogether(t *testing.T) {
	for _, emergency := range []bool{false, true} {
		w := newWorld(t)
		nodes := []*Ring{w.node(t, jose.ES256), w.node(t, jose.ES256), w.node(t, jose.ES256)}
		var wg sync.WaitGroup
		for _, r := range nodes {
			wg.Go(func() {
				if err := r.Rotate(t.Context(), jose.ES256, emergency); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		alive := 0
		for _, r := range w.rows.records {
			if r.RemovedAt > w.clock.seconds.Load() {
				alive++
			}
		}
		if want := map[bool]int{false: 2, true: 1}[emergency]; alive != want {
			t.Errorf("emergency %v: %d keys alive, want %d", emergency, alive, want)
		}
	}
}

// A key that wasn't configured is made when it is first asked for, once, and
// lives on like the others.
func TestLazyKeys(t *testing.T) {
	w := newWorld(t)
	r := w.node(t, jose.ES256)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := r.Signer(t.Context(), jose.EdDSA); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := states(t, r); got != "ES256 signing, EdDSA signing" {
		t.Errorf("keys: %s", got)
	}
	set, _ := r.JWKS(t.Context())
	if !strings.Contains(string(set), "EdDSA") {
		t.Errorf("key set %s", set)
	}
	w.clock.advance(89 * 24 * time.Hour)
	if err := r.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := states(t, r); got != "ES256 signing, ES256 published, EdDSA signing, EdDSA published" {
		t.Errorf("89 days later: %s", got)
	}
	if _, err := r.Signer(t.Context(), "none"); err == nil {
		t.Error("a key for none")
	}
}

func TestOneOffMakesNothing(t *testing.T) {
	w := newWorld(t)
	r, err := New(t.Context(), Config{Store: w.rows, Box: w.box, Now: w.clock.now, OneOff: true})
	if err != nil || len(w.rows.records) != 0 || len(r.Public(t.Context())) != 0 {
		t.Errorf("%d rows, %v", len(w.rows.records), err)
	}
}

// Case 316: with another master secret, or rows that were exchanged, nothing
// starts.
func Test316WrongMasterSecret(t *testing.T) {
	w := newWorld(t)
	w.node(t, jose.ES256)
	if _, err := New(t.Context(), Config{Store: w.rows, Box: newWorld(t).box, Now: w.clock.now}); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another secret: %v", err)
	}
	if strings.Contains(string(w.rows.records[0].Sealed), "PRIVATE") || !strings.HasPrefix(string(w.rows.records[0].Sealed), "sk_") {
		t.Errorf("row holds %q", w.rows.records[0].Sealed)
	}
	other := newWorld(t)
	other.box = w.box
	other.node(t, jose.ES256)
	w.rows.records[0].Sealed = other.rows.records[0].Sealed // another row's, under the same secret
	if _, err := New(t.Context(), Config{Store: w.rows, Box: w.box, Now: w.clock.now}); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another row's key: %v", err)
	}
}

func TestStoreIsDown(t *testing.T) {
	w := newWorld(t)
	r := w.node(t, jose.ES256)
	w.rows.down.Store(true)
	signed(t, r, jose.ES256) // what is in memory goes on
	if _, err := r.Signer(t.Context(), jose.EdDSA); !errors.Is(err, errDown) {
		t.Errorf("a key that must be made: %v", err)
	}
	if err := r.Tick(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("Tick: %v", err)
	}
	if _, err := New(t.Context(), Config{Store: w.rows, Box: w.box, Now: w.clock.now}); !errors.Is(err, errDown) {
		t.Errorf("New: %v", err)
	}
	w.rows.down.Store(false)
	if _, err := r.Signer(t.Context(), jose.EdDSA); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Who waits for a key may stop waiting; the making goes on for the others.
func TestSignerRespectsContext(t *testing.T) {
	w := newWorld(t)
	r := w.node(t, jose.ES256)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Signer(ctx, jose.PS256); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if _, err := r.Signer(t.Context(), jose.PS256); err != nil {
		t.Error(err)
	}
	if got := states(t, r); got != "ES256 signing, PS256 signing" {
		t.Errorf("keys: %s", got)
	}
}

// Made-up kids cause one look at the store a second.
func TestMadeUpKIDs(t *testing.T) {
	w := newWorld(t)
	r := w.node(t, jose.ES256)
	before := w.rows.reads.Load()
	for range 100 {
		r.PublicFor(t.Context(), "made up")
	}
	w.clock.advance(time.Second)
	r.PublicFor(t.Context(), "made up")
	if n := w.rows.reads.Load() - before; n != 2 {
		t.Errorf("%d looks", n)
	}
}

func TestConfig(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]Config{
		"nothing":       {},
		"no box":        {Store: w.rows, Now: w.clock.now},
		"unknown alg":   {Store: w.rows, Box: w.box, Now: w.clock.now, Algs: []jose.Alg{"HS256"}},
		"lead too long": {Store: w.rows, Box: w.box, Now: w.clock.now, Period: time.Hour},
	} {
		if _, err := New(t.Context(), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkSigner(b *testing.B) {
	k, _ := seal.Parse(seal.Generate())
	c := &clock{}
	r, err := New(b.Context(), Config{Store: &rows{}, Box: k.Box("k", "k_"), Now: c.now, Algs: []jose.Alg{jose.ES256}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = r.Signer(b.Context(), jose.ES256)
	}
}
