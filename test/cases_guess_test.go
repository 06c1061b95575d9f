package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/harness"
)

// Test116GuessedTokens: who asks about tokens that are none is told to wait;
// real ones are answered all the while.
// RFC 7662 §4.
func Test116GuessedTokens(t *testing.T) {
	config := setup(databases["sqlite"](t))
	config.ThrottleOff = false
	srv := harness.Start(t, config)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	token := grant(t, srv, "web", nil).String("access_token")
	counts := map[int]int{}
	for i := range 500 {
		kind := []string{"at_", "rt_", "x.y.", ""}[i%4]
		counts[call(t, srv, "/introspect", "api:"+harness.Secret, one("token", fmt.Sprintf("%sguess%d", kind, i))).Status]++
	}
	if counts[200] != 300 || counts[429] != 200 {
		t.Errorf("116: %v", counts)
	}
	if !active(t, srv, "api", token) || !active(t, srv, "web", token) {
		t.Error("116: a real token is not answered")
	}
	if a := call(t, srv, "/introspect", "other:"+harness.Secret, one("token", "guess")); a.Status != 200 {
		t.Errorf("116: another client: %d", a.Status)
	}
	srv.Clock.Advance(time.Minute + time.Second)
	if a := call(t, srv, "/introspect", "api:"+harness.Secret, one("token", "guess")); a.Status != 200 {
		t.Errorf("116 a minute later: %d", a.Status)
	}
}
