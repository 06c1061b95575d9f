//go:build unix

package faults

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/harness"
)

// once does everything that works once, each for the first time, and keeps it.
func (v *traveller) once(t *testing.T) []used {
	t.Helper()
	ctx := context.Background()
	code, err := v.Code(ctx)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := v.key.Proof(http.MethodPost, v.URL+"/token", v.now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	form, shown := v.asserted(t, nil), v.code(t)
	all := []used{
		{"code", func() error { _, err := v.Redeem(ctx, code); return err }},
		{"proof", func() error { return errorOf(v.say(t, "/token", v.asserted(t, nil), "DPoP", proof)) }},
		{"assertion", func() error { return errorOf(v.say(t, "/token", form)) }},
		{"one-time code", func() error { return v.secondFactor(t, shown) }},
	}
	for _, u := range all {
		if err := u.again(); err != nil {
			t.Fatalf("%s: a %s for the first time: %v", v.offset, u.what, err)
		}
	}
	return all
}

// TestReplayAfterKill: 3.12. What works once is used, the server is killed right
// after its answer and started again, and doesn't take it again: codes, DPoP
// proofs, client assertions and the codes of an authenticator app.
func TestReplayAfterKill(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, p *harness.Process) {
		v := &traveller{Process: p}
		v.start(t, 0)
		v.Target = v.Process.Target(t)
		v.register(t)
		v.enrol(t)
		rounds := either(10, 300)
		for i := range rounds {
			v.Kill()
			v.start(t, time.Duration(i+1)*30*time.Second) // the app shows another code
			all := v.once(t)
			v.Kill()
			v.start(t, v.offset)
			for _, u := range all {
				if u.again() == nil {
					t.Errorf("round %d: the %s is good again", i, u.what)
				}
			}
		}
		t.Logf("%d rounds", rounds)
	})
}
