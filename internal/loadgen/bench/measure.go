package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// hashing is the share of what hashes a password.
const hashing = 100

// operation is one thing to measure.
type operation struct {
	name  string
	share int // of the count: a slow one is done less often
	do    loadgen.Operation
}

func (h *house) operations(ctx context.Context, connections int) ([]operation, error) {
	jwt, opaque := h.targets["jwt"], h.targets["opaque"]
	sample, err := opaque.Flow(ctx)
	if err != nil {
		return nil, err
	}
	// A token of its own for each connection: one is rotated by one at a time.
	refresh := make([]string, connections)
	turns := make([]sync.Mutex, connections) // an open loop may come back too early
	for i := range refresh {
		tokens, err := jwt.Flow(ctx)
		if err != nil {
			return nil, err
		}
		refresh[i] = tokens.Refresh
	}
	flow := func(client string) loadgen.Operation {
		return func(ctx context.Context, _ int) error { _, err := h.targets[client].Flow(ctx); return err }
	}
	return []operation{
		{"warm-up", 2, flow("jwt")},
		{"code flow", 1, flow("jwt")},
		{"refresh", 1, func(ctx context.Context, i int) error {
			at := i % connections
			turns[at].Lock()
			defer turns[at].Unlock()
			tokens, err := jwt.Refresh(ctx, refresh[at])
			if err == nil {
				refresh[at] = tokens.Refresh
			}
			return err
		}},
		{"client_credentials", 1, func(ctx context.Context, _ int) error {
			_, err := jwt.Token(ctx, url.Values{"grant_type": {"client_credentials"}, "scope": {"orgs:read"}})
			return err
		}},
		{"introspection, opaque", 1, func(ctx context.Context, _ int) error { return opaque.Introspect(ctx, sample.Access) }},
		{"code flow, ES256 ID token", 4, flow("es256")},
		{"code flow, RS256 ID token", 8, flow("rs256")},
		{"sign-in, password", hashing, h.signIn},
	}, nil
}

// signIn is a browser that comes to the account page, from the form to the page
// behind it.
func (h *house) signIn(context.Context, int) error {
	b, err := harness.OpenBrowser(h.url)
	if err != nil {
		return err
	}
	b.Use(h.targets["jwt"].HTTP.Transport)
	page, err := b.SignIn("/account", other, password)
	if err == nil && page.URL.Path != "/account" {
		err = fmt.Errorf("the sign-in ended at %s", page.URL.Path)
	}
	return err
}

func (h *house) measure(ctx context.Context, o options, s setting) ([]loadgen.Result, error) {
	if o.sweep > 0 {
		result, err := h.meter.Closed(ctx, "sweep, an authorization", o.sweep, 1, h.swept(o.sweep))
		return []loadgen.Result{result}, err
	}
	operations, err := h.operations(ctx, s.connections)
	if err != nil {
		return nil, err
	}
	var results []loadgen.Result
	for _, op := range operations {
		if op.name != "warm-up" && !strings.HasPrefix(op.name, o.operations) {
			continue
		}
		done := h.profile(ctx, o, op.name)
		var result loadgen.Result
		if o.rate > 0 && op.name != "warm-up" {
			result, err = h.meter.Open(ctx, op.name, o.rate/float64(op.share), o.during, op.do)
		} else {
			connections := s.connections
			if op.share == hashing { // more would wait in the queue only, and some be sent away
				connections = min(connections, 8)
			}
			result, err = h.meter.Closed(ctx, op.name, max(o.count/op.share, 1), connections, op.do)
		}
		if err = errors.Join(err, done()); err != nil {
			return nil, err
		}
		if op.name != "warm-up" {
			results = append(results, result)
		}
	}
	return results, nil
}

// swept waits, at its first call, until so many authorizations are deleted. It
// counts what a server does beside in that time, too.
func (h *house) swept(want int) loadgen.Operation {
	total := 0
	return func(ctx context.Context, _ int) error {
		for seen := map[string]bool{}; total < want; time.Sleep(100 * time.Millisecond) {
			for _, n := range h.nodes {
				at, rows, err := n.lastSweep(ctx)
				if err != nil {
					return err
				}
				if sweep := n.ops + at; !seen[sweep] {
					seen[sweep] = true
					total += rows
				}
			}
		}
		return nil
	}
}

// lastSweep reads a node's metrics.
func (n *node) lastSweep(ctx context.Context) (at string, rows int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.ops+"/metrics", nil)
	if err != nil {
		return "", 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "valetkey_sweep_last_timestamp_seconds":
			at = value
		case "valetkey_sweep_last_rows":
			if number, err := strconv.ParseFloat(value, 64); err == nil {
				rows = int(number)
			}
		}
	}
	return at, rows, nil
}

// profile records the first node's CPU while an operation runs.
func (h *house) profile(ctx context.Context, o options, name string) (done func() error) {
	if o.profile == "" || name == "warm-up" {
		return func() error { return nil }
	}
	stopped := make(chan error, 1)
	go func() {
		stopped <- func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.nodes[0].ops+"/debug/pprof/profile?seconds=2", nil)
			if err != nil {
				return err
			}
			client := http.Client{Timeout: time.Minute}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			content, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK {
				return fmt.Errorf("profile: %s: %w", resp.Status, err)
			}
			file := strings.NewReplacer(" ", "-", ",", "").Replace(h.setting.database+"-"+name) + ".pprof"
			return os.WriteFile(filepath.Join(o.profile, file), content, 0o600)
		}()
	}()
	return func() error { return <-stopped }
}
