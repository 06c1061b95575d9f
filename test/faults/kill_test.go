//go:build unix

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// entry is what the ledger knows of one flow.
type entry struct {
	code     string
	redeemed bool // acknowledged
	tokens   loadgen.Tokens
	rotated  time.Time // asked for, and not answered
	revoking bool      // asked for
	revoked  bool      // acknowledged
}

type ledger struct {
	mu      sync.Mutex
	entries []*entry
}

func (l *ledger) add(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// work runs flows until the server is gone, and writes down each answer before
// it asks for more.
func (l *ledger) work(ctx context.Context, target *loadgen.Target, workers int) {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for turn := 0; ctx.Err() == nil; turn++ {
				if !l.flow(ctx, target, turn) {
					return
				}
			}
		})
	}
	running.Wait()
}

func (l *ledger) flow(ctx context.Context, target *loadgen.Target, turn int) bool {
	code, err := target.Code(ctx)
	if err != nil {
		return false
	}
	e := &entry{code: code}
	l.add(e)
	if e.tokens, err = target.Redeem(ctx, code); err != nil {
		return false
	}
	e.redeemed = true
	for range turn % 3 {
		asked := time.Now()
		fresh, err := target.Refresh(ctx, e.tokens.Refresh)
		if err != nil {
			e.rotated = asked
			return false
		}
		e.tokens = fresh
	}
	if turn%4 == 3 {
		e.revoking = true
		if err := target.Revoke(ctx, e.tokens.Refresh); err != nil {
			return false
		}
		e.revoked = true
	}
	return true
}

// settle compares the ledger with the server that was started again.
func (l *ledger) settle(t *testing.T, target *loadgen.Target) {
	t.Helper()
	var running sync.WaitGroup
	places := make(chan struct{}, 64) // a long ledger would use up the test's own sockets
	for _, e := range l.entries {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			switch {
			case !e.redeemed:
				e.unanswered(t, target)
			case e.revoked:
				e.ended(t, target)
			case !e.revoking:
				e.stands(t, target)
			}
		})
	}
	running.Wait()
}

// unanswered: the code is unused, or used with nobody told; never used twice.
func (e *entry) unanswered(t *testing.T, target *loadgen.Target) {
	ctx := context.Background()
	if _, err := target.Redeem(ctx, e.code); err != nil && !refused(err) {
		t.Errorf("an unanswered code: %v", err)
	}
	if _, err := target.Redeem(ctx, e.code); !refused(err) {
		t.Errorf("an unanswered code is redeemed twice: %v", err)
	}
}

func (e *entry) ended(t *testing.T, target *loadgen.Target) {
	ctx := context.Background()
	if err := target.Introspect(ctx, e.tokens.Access); !errors.Is(err, loadgen.ErrInactive) {
		t.Errorf("an acknowledged revocation is undone: %v", err)
	}
	if _, err := target.Refresh(ctx, e.tokens.Refresh); !refused(err) {
		t.Errorf("an acknowledged revocation is undone: %v", err)
	}
}

func (e *entry) stands(t *testing.T, target *loadgen.Target) {
	ctx := context.Background()
	if err := target.Introspect(ctx, e.tokens.Access); err != nil {
		t.Errorf("an acknowledged access token is lost: %v", err)
	}
	// One whose successor was made and not told of is good for a minute more.
	_, err := target.Refresh(ctx, e.tokens.Refresh)
	late := !e.rotated.IsZero() && time.Since(e.rotated) > time.Minute
	if err != nil && (!late || !refused(err)) {
		t.Errorf("an acknowledged refresh token is lost: %v", err)
	}
	if _, err := target.Redeem(ctx, e.code); !refused(err) {
		t.Errorf("a code is redeemed twice: %v", err)
	}
}

func refused(err error) bool { return err != nil && strings.Contains(err.Error(), "invalid_grant") }

// places are where a process is ended: before and after a commit, and before and
// in the midst of an answer.
var places = []string{"before-commit", "after-commit", "before-answer", "mid-answer"}

// TestKills: case 322. Killed at random moments and at each place, the server is
// back within two seconds; no acknowledged token is lost, no code is redeemed
// twice, no revocation is undone.
func TestKills(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, p *harness.Process) {
		p.Start(t)
		target := p.Target(t)
		p.Kill()
		acknowledged, slowest := 0, time.Duration(0)
		kills := either(50, 1000)
		for i := range kills {
			l, took := killed(t, p, target, i)
			slowest = max(slowest, took)
			l.settle(t, target)
			p.Kill()
			for _, e := range l.entries {
				if e.redeemed {
					acknowledged++
				}
			}
			if t.Failed() {
				t.Fatalf("in round %d of %d", i, kills)
			}
		}
		if slowest > 2*time.Second {
			t.Errorf("it was ready after %s", slowest)
		}
		if acknowledged < kills {
			t.Errorf("only %d answers were acknowledged in %d rounds", acknowledged, kills)
		}
		t.Logf("%d kills, %d acknowledged flows, slowest start %s", kills, acknowledged, slowest)
		p.Say(t, "doctor", "--verify")
	})
}

// killed is one round: a server under load dies and is started again.
func killed(t *testing.T, p *harness.Process, target *loadgen.Target, round int) (*ledger, time.Duration) {
	t.Helper()
	environment := p.Environment
	place := ""
	if round%2 == 1 {
		place = places[round/2%len(places)]
		p.Environment = append(environment[:len(environment):len(environment)], fmt.Sprintf("VALETKEY_FAILPOINT=%s:%d", place, 1+rand.IntN(40)))
	}
	p.Launch(t)
	p.Environment = environment
	var l ledger
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	died := make(chan struct{})
	cmd := p.Cmd
	go func() { _ = cmd.Wait(); close(died) }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if p.Ready(2 * time.Second) { // it may die as it starts, too
			l.work(ctx, target, 8)
		}
	}()
	patience := 3 * time.Second
	if place == "" {
		patience = time.Duration(20+rand.IntN(180)) * time.Millisecond
	}
	select {
	case <-died:
	case <-time.After(patience):
		if place != "" {
			t.Errorf("it never came to %s: %s", place, p.Out)
		}
		_ = cmd.Process.Kill()
		<-died
	}
	cancel()
	<-done
	p.Cmd = nil
	target.HTTP.CloseIdleConnections()
	return &l, p.Start(t)
}
