//go:build unix

package faults

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/cluster"
	"github.com/valetkey/valetkey/test/harness"
)

// behind is a server whose standby lacks its last commits.
type behind struct {
	first, second *cluster.Cluster
	url           string
	environment   []string
}

func asynchronous(t *testing.T, binary string) *behind {
	t.Helper()
	first, _ := postgres(t)
	second, err := first.Standby(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Remove() })
	url := first.URL("valetkey", second)
	return &behind{first, second, url, []string{"VALETKEY_DATABASE=" + url, "VALETKEY_MASTER_SECRET_FILE=" + secretFile(t, binary)}}
}

// cutOff lets the standby have all that there is, and nothing from then on.
func (b *behind) cutOff(t *testing.T) {
	t.Helper()
	if err := b.first.CaughtUp(); err != nil {
		t.Fatal(err)
	}
	if err := b.second.Stop(false); err != nil {
		t.Fatal(err)
	}
}

// takeOver is the primary's end.
func (b *behind) takeOver(t *testing.T) {
	t.Helper()
	if err := b.first.Stop(true); err != nil {
		t.Fatal(err)
	}
	if err := b.second.Start(); err != nil {
		t.Fatal(err)
	}
	if err := b.second.Promote(); err != nil {
		t.Fatal(err)
	}
}

// status is what a path answers.
func status(t *testing.T, p *harness.Process, path string) int {
	t.Helper()
	resp, err := http.Get("http://" + p.Address + path)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// eventually waits for what must come within ten seconds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

// TestFailoverThatLost: case 325 and 3.3. A standby takes over that never had the
// last commits. Nodes that run and nodes that start refuse to use it; once an
// operator has ended everything, nothing that was used up in what is lost works
// again, and the nodes go on as they are.
func TestFailoverThatLost(t *testing.T) {
	t.Parallel()
	binary := harness.Binary(t, "failpoints")
	b := asynchronous(t, binary)
	v := &traveller{Process: harness.NewProcess(t, binary, b.environment...)}
	v.start(t, -30*time.Second)
	v.Target = v.Process.Target(t)
	v.register(t)
	v.enrol(t)
	v.start(t, 0) // the app shows another code
	ctx := context.Background()
	old, err := v.Flow(ctx)
	if err != nil {
		t.Fatal(err)
	}
	unused, err := v.Code(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b.cutOff(t)
	used := v.once(t)
	rotated, err := v.Refresh(ctx, old.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	b.takeOver(t)

	eventually(t, "/readyz says no", func() bool { return status(t, v.Process, "/readyz") == http.StatusServiceUnavailable })
	for range 10 {
		if _, err := v.Refresh(ctx, old.Refresh); err == nil || !strings.Contains(err.Error(), "503") {
			t.Fatalf("a node that runs: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !strings.Contains(v.Out.String(), "valetkey doctor --recover") {
		t.Errorf("the log doesn't say what to do: %s", v.Out)
	}
	refusedStart(t, binary, b)
	if out := fails(t, v.Process, "doctor"); !strings.Contains(out, "took over that may lack the last commits") {
		t.Errorf("doctor says %s", out)
	}

	if out := v.Say(t, "doctor", "--recover"); !strings.Contains(out, "was ended") || !strings.Contains(out, "timeline 2") {
		t.Errorf("doctor --recover says %s", out)
	}
	eventually(t, "/readyz says yes", func() bool { return status(t, v.Process, "/readyz") == http.StatusOK })
	for _, u := range used {
		if u.again() == nil {
			t.Errorf("the %s is good again", u.what)
		}
	}
	for name, token := range map[string]string{"before": old.Refresh, "in what is lost": rotated.Refresh} {
		if _, err := v.Refresh(ctx, token); !refused(err) {
			t.Errorf("a refresh token of %s: %v", name, err)
		}
	}
	for name, token := range map[string]string{"before": old.Access, "in what is lost": rotated.Access} {
		if err := v.Introspect(ctx, token); err == nil {
			t.Errorf("an access token of %s is active", name)
		}
	}
	if _, err := v.Redeem(ctx, unused); !refused(err) {
		t.Errorf("a code of before: %v", err)
	}
	if _, err := v.Code(ctx); err == nil {
		t.Error("a session of before is signed in")
	}
	fresh(t, v)
}

// refusedStart is a node that starts after a fail-over that nobody has judged.
func refusedStart(t *testing.T, binary string, b *behind) {
	t.Helper()
	another := harness.NewProcess(t, binary, b.environment...)
	another.Launch(t)
	if err := another.Cmd.Wait(); err == nil || !strings.Contains(another.Out.String(), "valetkey doctor --recover") {
		t.Errorf("a node that starts: %v, %s", err, another.Out)
	}
	another.Cmd = nil
}

// TestFailoverGivenUp: the standby was synchronous once, and is a copy of then.
// What it says of itself is no word for it.
func TestFailoverGivenUp(t *testing.T) {
	t.Parallel()
	binary := harness.Binary(t)
	b := asynchronous(t, binary)
	if err := b.first.Exec("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	p := harness.NewProcess(t, binary, b.environment...)
	p.Start(t)
	target := p.Target(t)
	if said := p.Say(t, "doctor"); !strings.Contains(said, "commits wait for a standby") {
		t.Errorf("doctor says %s", said)
	}
	code, err := target.Code(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b.cutOff(t)
	if err := b.first.Exec("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // the node notices
	if _, err := target.Redeem(context.Background(), code); err != nil {
		t.Fatal(err)
	}
	b.takeOver(t)
	eventually(t, "/readyz says no", func() bool { return status(t, p, "/readyz") == http.StatusServiceUnavailable })
	for range 10 {
		if _, err := target.Redeem(context.Background(), code); err == nil || !strings.Contains(err.Error(), "503") {
			t.Fatalf("a node that runs: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}

	// The old primary, first in the address, is no way out.
	p.Say(t, "doctor", "--recover")
	eventually(t, "/readyz says yes", func() bool { return status(t, p, "/readyz") == http.StatusOK })
	if _, err := target.Redeem(context.Background(), code); !refused(err) {
		t.Errorf("after the recovery: %v", err)
	}
	if err := b.first.Start(); err != nil {
		t.Fatal(err)
	}
	if err := b.second.Stop(true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "/readyz says no", func() bool { return status(t, p, "/readyz") == http.StatusServiceUnavailable })
	time.Sleep(time.Second)
	if _, err := target.Redeem(context.Background(), code); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(p.Out.String(), "another one has taken over") {
		t.Errorf("the old primary is used: %v", err)
	}
}

// fresh is what works as it always did.
func fresh(t *testing.T, v *traveller) {
	t.Helper()
	browser := harness.NewBrowser(t, v.URL)
	if _, err := browser.SignIn("/login", "ada", harness.Password); err != nil {
		t.Fatal(err)
	}
	v.Cookies = browser.Cookies()
	tokens, err := v.Flow(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Refresh(context.Background(), tokens.Refresh); err != nil {
		t.Error(err)
	}
	if out := v.Say(t, "doctor", "--verify"); !strings.Contains(out, "0 wrong") {
		t.Errorf("doctor: %s", out)
	}
}

// fails runs a command that must.
func fails(t *testing.T, p *harness.Process, args ...string) string {
	t.Helper()
	cmd := exec.Command(p.Binary, args...)
	cmd.Env = p.Environment
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%v succeeded: %s", args, out)
	}
	return string(out)
}

// TestFailoverKept: with failover: keep a node goes on at once, and what was lost
// is as it was before; the other nodes do so when an operator says that nothing
// was.
func TestFailoverKept(t *testing.T) {
	t.Parallel()
	binary := harness.Binary(t)
	b := asynchronous(t, binary)
	keeping := harness.NewProcess(t, binary, append(b.environment, "VALETKEY_FAILOVER=keep")...)
	keeping.Start(t)
	target := keeping.Target(t)
	ctx := context.Background()
	code, err := target.Code(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b.cutOff(t)
	if _, err := target.Redeem(ctx, code); err != nil {
		t.Fatal(err)
	}
	b.takeOver(t)
	var tokens loadgen.Tokens
	eventually(t, "the code, whose use was lost, is redeemed again", func() bool {
		tokens, err = target.Redeem(ctx, code)
		return err == nil
	})
	if _, err := target.Refresh(ctx, tokens.Refresh); err != nil {
		t.Error(err)
	}
	// That one goes on is no word for the others.
	time.Sleep(time.Second)
	refusedStart(t, binary, b)
	if out := keeping.Say(t, "doctor", "--recover", "--keep"); !strings.Contains(out, "Nothing was ended") {
		t.Error(out)
	}
	strict := harness.NewProcess(t, binary, b.environment...)
	strict.Start(t)
	if err := strict.Stop(); err != nil {
		t.Error(err)
	}
	if err := target.Introspect(ctx, tokens.Access); err != nil {
		t.Errorf("after --keep: %v", err)
	}
}
