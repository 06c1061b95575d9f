package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/oauth"
)

func (b *bed) device(code string) oauth.Device {
	return oauth.Device{
		DeviceHash: []byte("device " + code), UserHash: []byte("user " + code), ClientID: "tv", Address: "192.0.2.1",
		Content: []byte("content\x00\xff"), Interval: 5, CreatedAt: b.time(), ExpiresAt: b.time().Add(10 * time.Minute),
	}
}

func TestDevices(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, want := t.Context(), b.device("1")
		ok(t, b.StartDevice(ctx, want, 9, 9))
		same := func(what string, got oauth.Device) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		same("by user code", must(b.DeviceByUserCode(ctx, want.UserHash))(t))
		want.PolledAt = b.time()
		same("polled", must(b.PollDevice(ctx, want.DeviceHash, "tv", b.time()))(t))
		for what, poll := range map[string]func() error{
			"another client's":      func() error { _, err := b.PollDevice(ctx, want.DeviceHash, "other", b.time()); return err },
			"an unknown one":        func() error { _, err := b.PollDevice(ctx, []byte("x"), "tv", b.time()); return err },
			"an unknown user code":  func() error { _, err := b.DeviceByUserCode(ctx, []byte("x")); return err },
			"deciding what isn't":   func() error { return b.DecideDevice(ctx, []byte("x"), oauth.DeviceDenied, nil, b.time()) },
			"polling by user code":  func() error { _, err := b.PollDevice(ctx, want.UserHash, "tv", b.time()); return err },
			"finding by its secret": func() error { _, err := b.DeviceByUserCode(ctx, want.DeviceHash); return err },
		} {
			wants(t, what, poll(), oauth.ErrNotFound)
		}
		ok(t, b.DecideDevice(ctx, want.UserHash, oauth.DeviceApproved, []byte("grant\x00"), b.time()))
		wants(t, "a later decision", b.DecideDevice(ctx, want.UserHash, oauth.DeviceDenied, nil, b.time()), oauth.ErrConflict)
		want.Decision, want.Grant = oauth.DeviceApproved, []byte("grant\x00")
		same("decided", must(b.DeviceByUserCode(ctx, want.UserHash))(t))
		b.advance(5 * time.Second)
		want.PolledAt = b.time()
		same("polled again", must(b.PollDevice(ctx, want.DeviceHash, "tv", b.time()))(t))
		wants(t, "the user code again", b.StartDevice(ctx, oauth.Device{
			DeviceHash: []byte("2"), UserHash: want.UserHash, Content: []byte{}, ExpiresAt: want.ExpiresAt,
		}, 9, 9), oauth.ErrReplayed)
	})
}

func TestExpiredDevice(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, d := t.Context(), b.device("1")
		ok(t, b.StartDevice(ctx, d, 9, 9))
		b.advance(10 * time.Minute)
		wants(t, "deciding", b.DecideDevice(ctx, d.UserHash, oauth.DeviceApproved, nil, b.time()), oauth.ErrNotFound)
		_, err := b.DeviceByUserCode(ctx, d.UserHash)
		wants(t, "the user code", err, oauth.ErrNotFound)
		b.advance(10 * time.Minute)
		ok(t, b.Sweep(ctx))
		if got := must(b.PollDevice(ctx, d.DeviceHash, "tv", b.time()))(t); !got.ExpiresAt.Equal(d.ExpiresAt) {
			t.Errorf("%+v", got)
		}
		b.advance(time.Second)
		ok(t, b.Sweep(ctx))
		_, err = b.PollDevice(ctx, d.DeviceHash, "tv", b.time())
		wants(t, "once swept", err, oauth.ErrNotFound)
	})
}

func TestPollTooSoon(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, d := t.Context(), b.device("1")
		ok(t, b.StartDevice(ctx, d, 9, 9))
		for i, poll := range []struct {
			after    time.Duration
			tooSoon  bool
			interval int64
		}{
			{0, false, 5}, // the first poll is never too soon
			{5 * time.Second, false, 5},
			{4 * time.Second, true, 10},
			{5 * time.Second, true, 15}, // for good
			{15 * time.Second, false, 15},
			{time.Minute, false, 15},
		} {
			b.advance(poll.after)
			got := must(b.PollDevice(ctx, d.DeviceHash, "tv", b.time()))(t)
			if got.TooSoon != poll.tooSoon || got.Interval != poll.interval || !got.PolledAt.Equal(b.time()) {
				t.Errorf("poll %d: %+v", i, got)
			}
		}
	})
}

// Of polls at the same moment one is in time, and each of the others slows the
// device down.
func TestPollRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, d := t.Context(), b.device("1")
		ok(t, b.StartDevice(ctx, d, 9, 9))
		onlyOne(t, race(t, func(int) error {
			got, err := b.PollDevice(ctx, d.DeviceHash, "tv", b.time())
			if err == nil && got.TooSoon {
				return oauth.ErrConflict
			}
			return err
		}), oauth.ErrConflict)
		b.advance(time.Hour)
		if got := must(b.PollDevice(ctx, d.DeviceHash, "tv", b.time()))(t); got.TooSoon || got.Interval != 5+31*5 {
			t.Errorf("%+v", got)
		}
	})
}

func TestDecideDeviceRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, d := t.Context(), b.device("1")
		ok(t, b.StartDevice(ctx, d, 9, 9))
		onlyOne(t, race(t, func(i int) error {
			decision := []oauth.DeviceDecision{oauth.DeviceApproved, oauth.DeviceDenied}[i%2]
			return b.DecideDevice(ctx, d.UserHash, decision, []byte{byte(i)}, b.time())
		}), oauth.ErrConflict)
	})
}

func TestDevicesAreCapped(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		start := func(code, client, address string) error {
			d := b.device(code)
			d.ClientID, d.Address = client, address
			return b.StartDevice(ctx, d, 3, 2)
		}
		ok(t, start("1", "tv", "a"))
		ok(t, start("2", "tv", "a"))
		wants(t, "of the address", start("3", "radio", "a"), oauth.ErrConflict)
		wants(t, "whose code is taken, too", start("1", "radio", "a"), oauth.ErrReplayed)
		ok(t, start("4", "tv", "b"))
		wants(t, "of the client", start("5", "tv", "c"), oauth.ErrConflict)
		ok(t, b.DecideDevice(ctx, []byte("user 1"), oauth.DeviceDenied, nil, b.time()))
		ok(t, start("6", "tv", "a")) // one that is decided doesn't wait
		b.advance(10 * time.Minute)
		ok(t, start("7", "tv", "a"))
	})
}

func TestStartDeviceRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		onlyOne(t, race(t, func(i int) error {
			d := b.device("1")
			d.DeviceHash = fmt.Append(nil, i)
			return b.StartDevice(ctx, d, 99, 99)
		}), oauth.ErrReplayed)
		answers := race(t, func(i int) error { return b.StartDevice(ctx, b.device(fmt.Sprint("r", i)), 6, 99) })
		b.expectCapped(t, answers, 5)
	})
}
