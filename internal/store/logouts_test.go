package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/oauth"
)

func TestSessionClients(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		clients := func() []string { return must(b.SessionClients(ctx, g.user.Subject, g.session.ID))(t) }
		if got := clients(); len(got) != 0 {
			t.Errorf("before anything was given: %v", got)
		}
		b.addClient(t, "house")
		for _, id := range []string{"app", "house", "house"} {
			a := b.authorization(g)
			a.ClientID, a.ExpiresAt, a.RefreshUntil, a.SeedHash = id, b.time().Add(time.Minute), time.Time{}, nil
			if id == "house" {
				a.ConsentEpoch = 0
			}
			ok(t, b.Issue(ctx, a))
		}
		elsewhere := b.authorization(g)
		b.addClient(t, "elsewhere")
		elsewhere.ClientID, elsewhere.ConsentEpoch = "elsewhere", 0
		elsewhere.SessionID = b.addSession(t, g.user).ID
		ok(t, b.Issue(ctx, elsewhere))
		want := []string{"app", "house"}
		if diff := cmp.Diff(want, clients()); diff != "" {
			t.Error(diff)
		}
		// Hours later the tokens and their rows are gone.
		b.advance(3 * time.Hour)
		ok(t, b.Sweep(ctx))
		ok(t, b.Sweep(ctx))
		if n := b.count(t, "authorizations"); n != 1 {
			t.Errorf("%d authorizations are left", n)
		}
		if diff := cmp.Diff(want, clients()); diff != "" {
			t.Errorf("after sweeping: %s", diff)
		}
		ok(t, b.EndSession(ctx, g.session.ID, b.time()))
		ok(t, b.Sweep(ctx))
		if diff := cmp.Diff(want, clients()); diff != "" {
			t.Errorf("after its end: %s", diff)
		}
		b.advance(25 * time.Hour)
		ok(t, b.Sweep(ctx))
		if n := b.count(t, "session_clients"); n != 0 {
			t.Errorf("%d rows outlive their session", n)
		}
	})
}

func (b *bed) deliveries(n int) []oauth.LogoutDelivery {
	var out []oauth.LogoutDelivery
	for i := range n {
		out = append(out, oauth.LogoutDelivery{
			ID: fmt.Sprintf("d%02d", i), ClientID: "app", Subject: "sub", SessionID: "sid",
			DueAt: b.time().Add(-time.Duration(i) * time.Second), ExpiresAt: b.time().Add(time.Hour),
		})
	}
	return out
}

func TestLogouts(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, queued := t.Context(), b.deliveries(3)
		take := func(n int) []oauth.LogoutDelivery {
			t.Helper()
			return must(b.TakeLogouts(ctx, b.time(), b.time().Add(time.Minute), n))(t)
		}
		ok(t, b.QueueLogouts(ctx, nil))
		ok(t, b.QueueLogouts(ctx, queued))
		ok(t, b.QueueLogouts(ctx, queued))
		for i := range queued {
			queued[i].DueAt = b.time().Add(time.Minute) // as they stand once taken
		}
		if diff := cmp.Diff(queued[1:], take(2)); diff != "" {
			t.Errorf("those that are due first: %s", diff)
		}
		if diff := cmp.Diff(queued[:1], take(2)); diff != "" {
			t.Errorf("the rest: %s", diff)
		}
		if got := take(2); len(got) != 0 {
			t.Errorf("taken already: %v", got)
		}
		ok(t, b.LogoutDone(ctx, "d00"))
		ok(t, b.LogoutFailed(ctx, "d01", b.time().Add(10*time.Minute)))
		b.advance(time.Minute)
		if got := take(9); len(got) != 1 || got[0].ID != "d02" || got[0].Tries != 0 {
			t.Errorf("after the lease: %+v", got)
		}
		b.advance(9 * time.Minute)
		if got := take(9); len(got) != 2 || got[0].ID != "d01" || got[0].Tries != 1 {
			t.Errorf("after the failure: %+v", got)
		}
		b.advance(50*time.Minute + time.Second)
		if got := take(9); len(got) != 0 {
			t.Errorf("expired: %+v", got)
		}
		ok(t, b.Sweep(ctx))
		if n := b.count(t, "logouts"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// Two that ask at once never get the same delivery.
func TestTakeLogoutsRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		ok(t, b.QueueLogouts(ctx, b.deliveries(40)))
		var mu sync.Mutex
		taken := map[string]int{}
		for range 40 {
			race(t, func(int) error {
				got, err := b.TakeLogouts(ctx, b.time(), b.time().Add(time.Minute), 3)
				ok(t, err)
				mu.Lock()
				defer mu.Unlock()
				for _, d := range got {
					taken[d.ID]++
				}
				return err
			})
			if len(taken) == 40 {
				break
			}
		}
		for id, n := range taken {
			if n != 1 {
				t.Errorf("%s was given %d times", id, n)
			}
		}
		if len(taken) != 40 {
			t.Errorf("%d of 40 were given", len(taken))
		}
	})
}
