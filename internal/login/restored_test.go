package login

import (
	"testing"
	"time"
)

func TestTooOld(t *testing.T) {
	now := time.Unix(10_000, 0)
	s := &Service{Now: func() time.Time { return now }}
	for _, c := range []struct {
		name     string
		restored int64
		at       int64
		want     bool
	}{
		{"within its life", 0, 9_950, false},
		{"at its end", 0, 9_940, false},
		{"over", 0, 9_939, true},
		{"before a restore", 9_960, 9_950, true},
		{"in its second", 9_950, 9_950, true},
		{"after it", 9_949, 9_950, false},
	} {
		s.Restored = nil
		if c.restored != 0 {
			s.Restored = func() time.Time { return time.Unix(c.restored, 0) }
		}
		if got := s.TooOld(c.at, time.Minute); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// A code of an authenticator app that was used between a backup and its restore
// doesn't work again.
func TestLastStepAfterRestore(t *testing.T) {
	app := TOTP{LastStep: 5}
	for restored, want := range map[int64]int64{0: 5, 149: 5, 180: 6, 209: 6, 210: 7} {
		s := &Service{}
		if restored != 0 {
			s.Restored = func() time.Time { return time.Unix(restored, 0) }
		}
		if got := s.lastStep(app); got != want {
			t.Errorf("restored at %d: step %d, not %d", restored, got, want)
		}
	}
}
