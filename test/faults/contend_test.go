//go:build unix

package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// asked is an operation on one flow, answered what came of it.
type asked struct {
	what  string // redeem, refresh, revoke, introspect
	token string // that was refreshed
}

type answered struct {
	ok    bool
	token string // the successor
}

// standing is a flow as it must behave: a code that works once, and whose second
// use ends everything; one line of refresh tokens, of which the newest and the one
// before it work.
type standing struct {
	redeemed, ended bool
	before, newest  string
}

func stepOf(state, input, output any) (bool, any) {
	s, _ := state.(standing)
	in, _ := input.(asked)
	out, _ := output.(answered)
	switch in.what {
	case "redeem":
		if !s.redeemed {
			return out.ok, standing{redeemed: true, newest: out.token}
		}
		s.ended = true
		return !out.ok, s
	case "refresh":
		switch {
		case s.ended:
			return !out.ok, s
		case in.token == s.newest:
			return out.ok && out.token != s.newest, standing{redeemed: true, before: s.newest, newest: out.token}
		case in.token == s.before: // RFC 9700 §4.14.2 leaves this open: the same successor again
			return out.ok && out.token == s.newest, s
		}
		return !out.ok, s
	case "revoke":
		s.ended = true
		return true, s
	case "introspect":
		return out.ok == (s.redeemed && !s.ended), s
	}
	return false, s
}

var flowModel = porcupine.Model{
	Init: func() any { return standing{} },
	Step: stepOf,
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%+v: %+v", in, out)
	},
}

// nodes starts two servers on one database under one name. The second target
// speaks to the second, which alone has the arguments.
func nodes(t *testing.T, binary, database string, arguments ...string) [2]*loadgen.Target {
	t.Helper()
	both, _ := pair(t, binary, database, arguments...)
	return both
}

// pair is nodes with the first of them, for commands beside it.
func pair(t *testing.T, binary, database string, arguments ...string) ([2]*loadgen.Target, *harness.Process) {
	t.Helper()
	secret := secretFile(t, binary)
	first := harness.NewProcess(t, binary, "VALETKEY_DATABASE="+database, "VALETKEY_MASTER_SECRET_FILE="+secret)
	second := harness.NewProcess(t, binary, "VALETKEY_DATABASE="+database, "VALETKEY_MASTER_SECRET_FILE="+secret, "VALETKEY_ISSUER=http://"+first.Address)
	second.Arguments = arguments
	var both sync.WaitGroup // they start together
	first.Launch(t)
	second.Launch(t)
	for _, p := range []*harness.Process{first, second} {
		both.Go(func() {
			if !p.Ready(10 * time.Second) {
				t.Errorf("a node didn't start: %s", p.Out)
			}
		})
	}
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}
	a := first.Target(t)
	return [2]*loadgen.Target{a, at(a, second)}, first
}

// at is a target under the same name at another node.
func at(a *loadgen.Target, second *harness.Process) *loadgen.Target {
	b := *a
	b.HTTP = &http.Client{
		Timeout: a.HTTP.Timeout, CheckRedirect: a.HTTP.CheckRedirect,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, second.Address)
		}},
	}
	return &b
}

// history is what the contenders for one flow did.
type history struct {
	mu   sync.Mutex
	all  []porcupine.Operation
	odd  error        // an answer that is neither yes nor no
	last atomic.Value // the newest refresh token that anyone knows
	seen atomic.Value // an access token
}

func (h *history) note(client int, in asked, began time.Time, out answered, err error) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.odd = errors.Join(h.odd, fmt.Errorf("%s: %w", in.what, err))
		return
	}
	h.all = append(h.all, porcupine.Operation{ClientId: client, Input: in, Call: began.UnixNano(), Output: out, Return: now.UnixNano()})
}

// tell writes a history down, its tokens by number.
func (h *history) tell(t *testing.T, flow int) {
	t.Helper()
	slices.SortFunc(h.all, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	names := map[string]int{"": 0}
	name := func(token string) int {
		if _, ok := names[token]; !ok {
			names[token] = len(names)
		}
		return names[token]
	}
	for _, o := range h.all {
		in, _ := o.Input.(asked)
		out, _ := o.Output.(answered)
		t.Logf("flow %d: %6d to %6d µs: %s %d: %t %d", flow, (o.Call-h.all[0].Call)/1000, (o.Return-h.all[0].Call)/1000, in.what, name(in.token), out.ok, name(out.token))
	}
}

// yesNo tells a refusal from a failure.
func yesNo(err error) (bool, error) {
	if err == nil || refused(err) || errors.Is(err, loadgen.ErrInactive) {
		return err == nil, nil
	}
	return false, err
}

func (h *history) redeem(target *loadgen.Target, client int, code string) {
	began := time.Now()
	tokens, err := target.Redeem(context.Background(), code)
	ok, err := yesNo(err)
	if ok {
		h.last.Store(tokens.Refresh)
		h.seen.Store(tokens.Access)
	}
	h.note(client, asked{what: "redeem"}, began, answered{ok, tokens.Refresh}, err)
}

func (h *history) refresh(target *loadgen.Target, client int) {
	token, _ := h.last.Load().(string)
	if token == "" {
		return
	}
	began := time.Now()
	tokens, err := target.Refresh(context.Background(), token)
	ok, err := yesNo(err)
	if ok {
		h.last.Store(tokens.Refresh)
	}
	h.note(client, asked{"refresh", token}, began, answered{ok, tokens.Refresh}, err)
}

func (h *history) introspect(target *loadgen.Target, client int) {
	token, _ := h.seen.Load().(string)
	if token == "" {
		return
	}
	began := time.Now()
	ok, err := yesNo(target.Introspect(context.Background(), token))
	h.note(client, asked{what: "introspect"}, began, answered{ok: ok}, err)
}

func (h *history) revoke(target *loadgen.Target, client int) {
	token, _ := h.last.Load().(string)
	if token == "" {
		return
	}
	began := time.Now()
	err := target.Revoke(context.Background(), token)
	h.note(client, asked{what: "revoke"}, began, answered{ok: true}, err)
}

// contenders fight for each flow, half of them at each node.
const contenders = 32

// contend sets the contenders on one flow. In every third they
// fight for the code, else for the refresh tokens; in every other one of those
// somebody revokes in between.
func contend(both [2]*loadgen.Target, flow int) (*history, error) {
	code, err := both[0].Code(context.Background())
	if err != nil {
		return nil, err
	}
	h := &history{}
	if flow%3 != 0 {
		h.redeem(both[flow%2], 0, code)
	}
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range contenders {
		done.Go(func() {
			start.Wait()
			target := both[i%2]
			switch {
			case flow%3 == 0 && i < contenders-4:
				h.redeem(target, i, code)
			case i >= contenders-4:
				h.introspect(target, i)
			default:
				for range 2 {
					h.refresh(target, i)
				}
			}
			if flow%6 == 1 && i == 9 {
				h.revoke(target, i)
			}
			h.introspect(target, i)
		})
	}
	start.Done()
	done.Wait()
	return h, h.odd
}

// telling leaves out what says nothing more, since the checker's time doubles with
// each operation that is like another. A flow only moves on, so the moments at
// which a question has an answer lie side by side: that all of those who asked
// alike and were answered alike met such a moment is implied by the one that was
// called first, the one that was called last and the one that returned first.
func telling(all []porcupine.Operation) []porcupine.Operation {
	type alike struct {
		in  asked
		out answered
	}
	groups := map[alike][]porcupine.Operation{}
	for _, o := range all {
		in, _ := o.Input.(asked)
		out, _ := o.Output.(answered)
		groups[alike{in, out}] = append(groups[alike{in, out}], o)
	}
	var kept []porcupine.Operation
	for _, group := range groups {
		byCall := func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) }
		byReturn := func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) }
		some := []porcupine.Operation{slices.MinFunc(group, byCall), slices.MaxFunc(group, byCall), slices.MinFunc(group, byReturn)}
		slices.SortFunc(some, byCall)
		kept = append(kept, slices.Compact(some)...)
	}
	return kept
}

// judge runs the flows, a few at a time, and has each history checked. It
// answers how many aren't linearizable.
func judge(t *testing.T, both [2]*loadgen.Target, flows int) (wrong int) {
	t.Helper()
	var mu sync.Mutex
	var running sync.WaitGroup
	turns := make(chan struct{}, 4)
	operations := 0
	for flow := range flows {
		turns <- struct{}{}
		running.Go(func() {
			defer func() { <-turns }()
			h, err := contend(both, flow)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("flow %d: %v", flow, err)
				return
			}
			operations += len(h.all)
			switch porcupine.CheckOperationsTimeout(flowModel, telling(h.all), 10*time.Second) {
			case porcupine.Ok:
			case porcupine.Illegal:
				wrong++
				if wrong == 1 {
					h.tell(t, flow)
				}
			case porcupine.Unknown:
				t.Errorf("flow %d: the checker found no end", flow)
				h.tell(t, flow)
			}
		})
	}
	running.Wait()
	t.Logf("%d flows, %d operations, %d not linearizable", flows, operations, wrong)
	return wrong
}

// TestContenders: 32 contenders at two nodes for each code and each refresh
// token, with revocations between: what they are answered could have happened
// one after another.
func TestContenders(t *testing.T) {
	t.Parallel()
	_, url := postgres(t)
	both := nodes(t, harness.Binary(t), url)
	if wrong := judge(t, both, either(100, 3000)); wrong != 0 {
		t.Errorf("%d flows went wrong", wrong)
	}
}

// TestContendersOnOneFile: the same with two processes on one SQLite file.
func TestContendersOnOneFile(t *testing.T) {
	t.Parallel()
	both := nodes(t, harness.Binary(t), "sqlite:"+t.TempDir()+"/valetkey.db")
	if wrong := judge(t, both, either(60, 600)); wrong != 0 {
		t.Errorf("%d flows went wrong", wrong)
	}
}

// TestContendersNotice: a build that reads before it writes is found out.
func TestContendersNotice(t *testing.T) {
	t.Parallel()
	_, url := postgres(t)
	both := nodes(t, harness.Binary(t, "readfirst"), url)
	if wrong := judge(t, both, 60); wrong == 0 {
		t.Error("nothing was noticed")
	}
}
