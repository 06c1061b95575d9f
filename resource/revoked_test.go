package resource

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// However many revocations come, a bounded number is kept; while some are
// missing the feed is as good as silent.
func TestRevocationsAreBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	c := Config{MaxTokenLife: time.Hour, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	r := newRevocations(c)
	f := &feed{c: c, revoked: r, answered: now}
	add := func(from, to int) (news int) {
		var entries []revocation
		for i := from; i < to; i++ {
			entries = append(entries, revocation{Token: fmt.Sprint(i), At: jose.NumericDate(now.Unix())})
		}
		return r.add(entries)
	}
	if news := add(0, maxRevoked); news != maxRevoked || r.incomplete() || f.stale() {
		t.Errorf("%d news, stale %v", news, f.stale())
	}
	if news := add(0, maxRevoked); news != 0 || f.stale() {
		t.Errorf("told again: %d news, stale %v", news, f.stale())
	}
	if news := add(maxRevoked, maxRevoked+2); news != 0 || len(r.at) != maxRevoked || !f.stale() {
		t.Errorf("one too many: %d news, %d kept, stale %v", news, len(r.at), f.stale())
	}
	now = now.Add(time.Hour + feedSkew)
	f.answered = now
	if r.add(nil); len(r.at) != maxRevoked || !f.stale() {
		t.Errorf("%d kept, stale %v", len(r.at), f.stale())
	}
	now = now.Add(time.Minute)
	f.answered = now
	if news := add(0, 1); news != 1 || len(r.at) != 1 || f.stale() {
		t.Errorf("later: %d news, %d kept, stale %v", news, len(r.at), f.stale())
	}
}

// The latest of several times counts.
func TestRevocationsOfAClient(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := newRevocations(Config{MaxTokenLife: time.Hour, Now: func() time.Time { return now }})
	at := func(d int) jose.NumericDate { return jose.NumericDate(now.Unix() + int64(d)) }
	for want, d := range []int{-10, 0, -20} {
		if news := r.add([]revocation{{ClientID: "c1", At: at(d)}}); (news == 1) != (want < 2) {
			t.Errorf("at %d: %d news", d, news)
		}
	}
	for d, want := range map[int]bool{-30: true, -5: true, 0: true, 1: false} {
		if got := r.covers(&claims{ClientID: "c1", ID: "x", IssuedAt: at(d)}); got != want {
			t.Errorf("made at %d: %v", d, got)
		}
	}
	if r.covers(&claims{IssuedAt: at(-5)}) || r.covers(&claims{ClientID: "c2", IssuedAt: at(-5)}) {
		t.Error("others are covered")
	}
}

func FuzzReadFeed(f *testing.F) {
	for _, seed := range []string{`{"now":1800000000,"entries":[{"token":"a","at":1800000000}],"cursor":"x"}`, `{"now":1,"entries":[{}]}`, `{"entries":7}`, `[`} {
		f.Add([]byte(seed))
	}
	now := time.Unix(1_800_000_000, 0)
	c := Config{MaxTokenLife: time.Hour, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, data []byte) {
		feed := &feed{c: c, revoked: newRevocations(c)}
		next, news, err := feed.read(data)
		if (err == nil) != (next.now != 0) || err != nil && news != 0 || feed.answered.IsZero() != (err != nil) {
			t.Errorf("%q: %+v, %d, %v", data, next, news, err)
		}
		if feed.revoked.covers(&claims{IssuedAt: 1}) {
			t.Errorf("%q covers the nameless", data)
		}
	})
}
