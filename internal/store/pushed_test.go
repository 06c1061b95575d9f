package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/oauth"
)

func (b *bed) pushed(handle string) oauth.PushedRequest {
	return oauth.PushedRequest{
		Handle: handle, ClientID: "app", Address: "192.0.2.1", Content: []byte("content\x00\xff"),
		ExpiresAt: b.time().Add(90 * time.Second), KeepUntil: b.time().Add(time.Hour),
	}
}

func TestPushed(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, want := t.Context(), b.pushed("h")
		ok(t, b.Push(ctx, want, 100, 100))
		wants(t, "the handle again", b.Push(ctx, want, 100, 100), oauth.ErrConflict)
		same := func(what string) {
			t.Helper()
			if diff := cmp.Diff(want, must(b.Pushed(ctx, "h"))(t)); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		same("pushed")
		b.advance(30 * time.Minute)
		same("expired")
		ok(t, b.SpendPushed(ctx, "h"))
		want.Spent = true
		same("spent")
		wants(t, "spending again", b.SpendPushed(ctx, "h"), oauth.ErrReplayed)
		wants(t, "spending none", b.SpendPushed(ctx, "none"), oauth.ErrNotFound)
		b.advance(30 * time.Minute)
		_, err := b.Pushed(ctx, "h")
		wants(t, "after its time", err, oauth.ErrNotFound)
		wants(t, "spending after its time", b.SpendPushed(ctx, "h"), oauth.ErrNotFound)
		b.advance(time.Second)
		ok(t, b.Sweep(ctx))
		if n := b.count(t, "pushed"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestSpendPushedRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ok(t, b.Push(t.Context(), b.pushed("h"), 1, 1))
		onlyOne(t, race(t, func(int) error { return b.SpendPushed(t.Context(), "h") }), oauth.ErrReplayed)
	})
}

// The client is capped, and the client at an address, each by what is live.
func TestPushIsCapped(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		n := 0
		push := func(client, address string, perClient, perAddress int) error {
			n++
			p := b.pushed(fmt.Sprint(n))
			p.ClientID, p.Address = client, address
			return b.Push(t.Context(), p, perClient, perAddress)
		}
		ok(t, push("app", "1", 3, 2))
		ok(t, push("app", "1", 3, 2))
		wants(t, "a third at the address", push("app", "1", 3, 2), oauth.ErrConflict)
		ok(t, push("app", "2", 3, 2))
		wants(t, "a fourth of the client", push("app", "3", 3, 2), oauth.ErrConflict)
		ok(t, push("other", "1", 3, 2))
		ok(t, push("app", "1", 0, 4))
		wants(t, "a fifth at the address", push("app", "1", 0, 3), oauth.ErrConflict)
		ok(t, push("app", "1", 5, 0))
		wants(t, "a sixth of the client", push("app", "1", 5, 0), oauth.ErrConflict)
		ok(t, push("app", "1", 0, 0))
		b.advance(90 * time.Second)
		ok(t, push("app", "1", 1, 1))
		wants(t, "after the time of all others", push("app", "1", 2, 1), oauth.ErrConflict)
		ok(t, b.SpendPushed(t.Context(), fmt.Sprint(n-1)))
		ok(t, push("app", "1", 1, 1))
	})
}

// The caps hold for racers too: on PostgreSQL but for those that are at it at
// the same moment.
func TestPushRacers(t *testing.T) {
	for name, caps := range map[string][2]int{"of a client": {5, 0}, "at an address": {0, 5}} {
		t.Run(name, func(t *testing.T) {
			databases(t, func(t *testing.T, b *bed) {
				answers := race(t, func(i int) error {
					return b.Push(t.Context(), b.pushed(fmt.Sprint(i)), caps[0], caps[1])
				})
				b.expectCapped(t, answers, 5)
			})
		})
	}
}

func (b *bed) expectCapped(t *testing.T, answers map[error]int, limit int) {
	t.Helper()
	most := limit
	if b.kind == PostgreSQL {
		most += 16 // connections
	}
	if answers[nil] < limit || answers[nil] > most || answers[nil]+answers[oauth.ErrConflict] != 32 {
		t.Errorf("answers are %v, not %d successes", answers, limit)
	}
}
