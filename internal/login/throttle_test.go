package login

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// stand is a throttle with a clock of its own.
func stand() (*Throttle, *time.Time) {
	now := time.Unix(1_800_000_000, 0)
	return &Throttle{Now: func() time.Time { return now }}, &now
}

// fail makes a try with a wrong password and tells how long the next must wait
// when it wasn't judged.
func fail(t *Throttle, account, address, device string) time.Duration {
	done, err := t.begin(account, Attempt{Address: address, Device: device})
	var slow *SlowDown
	if errors.As(err, &slow) {
		return slow.RetryAfter
	}
	done(false, false)
	return 0
}

// Test236WaitsGrow: five tries are free, then each waits twice as long, a
// minute at most, and a quarter of an hour of peace forgets.
func Test236WaitsGrow(t *testing.T) {
	throttle, now := stand()
	for i := range limitPair.free {
		if wait := fail(throttle, "ada", "192.0.2.1", ""); wait != 0 {
			t.Fatalf("try %d waits %s", i+1, wait)
		}
	}
	var last time.Duration
	for i := range 10 {
		wait := fail(throttle, "ada", "192.0.2.1", "")
		if wait <= last && wait < limitPair.most || wait > limitPair.most+time.Second {
			t.Fatalf("wait %d is %s after %s", i+1, wait, last)
		}
		last = wait
		*now = now.Add(wait)
		if again := fail(throttle, "ada", "192.0.2.1", ""); again != 0 {
			t.Fatalf("after %s it is still %s", wait, again)
		}
	}
	*now = now.Add(forgetAfter)
	for range limitPair.free {
		if wait := fail(throttle, "ada", "192.0.2.1", ""); wait != 0 {
			t.Fatalf("not forgotten: %s", wait)
		}
	}
}

// Test238Success: it forgives the account at that address and no more.
func Test238Success(t *testing.T) {
	throttle, now := stand()
	for range limitPair.free {
		fail(throttle, "ada", "192.0.2.1", "")
	}
	*now = now.Add(2 * time.Second)
	done, err := throttle.begin("ada", Attempt{Address: "192.0.2.1", Device: "d"})
	if err != nil {
		t.Fatal(err)
	}
	done(true, true)
	if got := throttle.tallies[kept("n\x00192.0.2.1")].failures; got != limitPair.free {
		t.Errorf("the address has %d failures", got)
	}
	for i := range limitKnown.free {
		if wait := fail(throttle, "ada", "192.0.2.1", "d"); wait != 0 {
			t.Errorf("known browser, try %d: %s", i+1, wait)
		}
	}
	if fail(throttle, "ada", "192.0.2.1", "d") == 0 {
		t.Error("a known browser guesses without end")
	}
	if wait := fail(throttle, "bob", "192.0.2.1", "d"); wait != 0 {
		t.Errorf("ada's browser says something about bob: %s", wait)
	}
}

// TestGivenBack: a try that wasn't judged, since the server was busy, doesn't
// count, and doesn't cut short the wait that others earned.
func TestGivenBack(t *testing.T) {
	throttle, _ := stand()
	for range 3 * limitPair.free {
		done, err := throttle.begin("ada", Attempt{Address: "192.0.2.1"})
		if err != nil {
			t.Fatal(err)
		}
		done(true, false)
	}
	for range limitPair.free {
		if wait := fail(throttle, "ada", "192.0.2.1", ""); wait != 0 {
			t.Fatalf("%s", wait)
		}
	}
	if fail(throttle, "ada", "192.0.2.1", "") == 0 {
		t.Error("six wrong tries at once")
	}
}

// TestThrottleIsBounded: 244: what strangers try takes no more than so much room.
func TestThrottleIsBounded(t *testing.T) {
	throttle, now := stand()
	for i := range maxTallies {
		fail(throttle, fmt.Sprint("name ", i), fmt.Sprintf("198.51.%d.%d", i>>8&255, i&255), "")
		if i%10_000 == 0 {
			*now = now.Add(time.Minute)
		}
	}
	if n := len(throttle.tallies); n > maxTallies+3 {
		t.Errorf("%d tallies", n)
	}
}

// TestNetworkOf: an IPv6 customer has a /64.
func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "2001:db8:1:2::": "2001:db8:1:2::/64",
		"2001:db8:1:3::": "2001:db8:1:3::/64", "": "", "a socket": "a socket",
	} {
		if got := networkOf(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// TestCanonical: 236, 298.
func TestCanonical(t *testing.T) {
	for name, want := range map[string]string{
		"ada": "ada", "ADA": "ada", " ada ": "ada", "ada.": "ada", "a\u200bda": "ada", "\uff41da": "ada", "stra\u00dfe": "strasse",
		"zoe\u0308": "zo\u00eb", "\u017f": "s", "\u212a": "k", "a\x00b": "ab", "\xff": "", "...": "", "a\u02d8": "\u0103", "Ada@Example.COM": "ada@example.com",
	} {
		if got := Canonical(name); got != want || Canonical(got) != got {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// FuzzCanonical: the form is its own form, and holds nothing invisible.
func FuzzCanonical(f *testing.F) {
	for _, name := range []string{"ada", "\u0130", "\u1e9e", "a\u0345", "\u03c2.", "\ufdfa", "\u3300", "a. .", "a\u02d8", "\u1fb3"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		once := Canonical(name)
		if twice := Canonical(once); twice != once {
			t.Fatalf("%q: %q, then %q", name, once, twice)
		}
	})
}
