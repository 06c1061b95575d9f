package resource

import (
	"fmt"
	"testing"
	"time"
)

// However many proofs come by, a bounded number is remembered, and a flood
// pushes out its own.
func TestUsedProofsAreBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	u := newUsedProofs(func() time.Time { return now })
	until := now.Add(time.Minute)
	if !u.useOnce("victim", "1", until) || u.useOnce("victim", "1", until) {
		t.Fatal("used once is wrong")
	}
	for i := range 3 * maxProofsKey {
		u.useOnce("flood", fmt.Sprint(i), until)
	}
	if n := len(u.keys["flood"].order); n != maxProofsKey || len(u.keys["flood"].ids) != n || u.total != maxProofsKey+1 || u.useOnce("victim", "1", until) {
		t.Errorf("%d of one key, %d in all", n, u.total)
	}
	for k := range 12 {
		for i := range maxProofsKey {
			u.useOnce(fmt.Sprint("flood", k), fmt.Sprint(i), until)
		}
	}
	if u.total > maxProofs {
		t.Errorf("%d in all", u.total)
	}
	now = until
	u.useOnce("victim", "2", now.Add(time.Minute))
	if u.total != 1 || len(u.keys) != 1 {
		t.Errorf("%d left of %d keys after all have expired", u.total, len(u.keys))
	}
}

func TestUsedProofsExpire(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	u := newUsedProofs(func() time.Time { return now })
	u.useOnce("a", "late", now.Add(2*time.Minute))
	u.useOnce("a", "early", now.Add(time.Second))
	now = now.Add(90 * time.Second)
	if u.useOnce("a", "late", now) || u.useOnce("a", "early", now) { // the early one waits behind
		t.Error("forgotten too soon")
	}
	now = now.Add(30 * time.Second)
	if !u.useOnce("a", "late", now.Add(time.Minute)) || !u.useOnce("a", "early", now.Add(time.Minute)) || u.total != 2 {
		t.Errorf("not forgotten, %d", u.total)
	}
}
