package keys

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const hour, day = 3600, 24 * 3600

func config(algs ...jose.Alg) Config {
	return Config{Algs: algs, Period: 90 * day * time.Second, Lead: day * time.Second, Overlap: day * time.Second}
}

// rec writes a life down in days.
func rec(kid, replaces string, published, signs, retires, removed int64) Record {
	return Record{
		KID: kid, Replaces: replaces, Alg: jose.ES256,
		PublishedAt: published * day, SignsAt: signs * day, RetiresAt: retires * day, RemovedAt: removed * day,
	}
}

// show writes actions down in days (or hours, where days don't do).
func show(actions []Action) string {
	at := func(t int64) string {
		if t%day != 0 {
			return fmt.Sprintf("%dh", t/hour)
		}
		return fmt.Sprint(t / day)
	}
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case Make:
			p := a.Plan
			out = append(out, fmt.Sprintf("make %s after %q: %s %s %s %s", p.Alg, p.Replaces, at(p.PublishedAt), at(p.SignsAt), at(p.RetiresAt), at(p.RemovedAt)))
		case Move:
			out = append(out, fmt.Sprintf("move %s: %s %s", a.Record.KID, at(a.Record.RetiresAt), at(a.Record.RemovedAt)))
		case Sweep:
			out = append(out, "sweep "+at(a.Before))
		}
	}
	return strings.Join(out, "; ")
}

func TestStep(t *testing.T) {
	k1 := rec("k1", "", 1, 1, 91, 92)
	k2 := rec("k2", "k1", 90, 91, 181, 182)
	tests := []struct {
		name    string
		day     int64
		algs    []jose.Alg
		records []Record
		want    string
	}{
		{"empty", 1, []jose.Alg{jose.ES256}, nil, `make ES256 after "": 1 1 91 92`},
		{"empty, two", 1, []jose.Alg{jose.ES256, jose.RS256}, nil, `make ES256 after "": 1 1 91 92; make RS256 after "": 1 1 91 92`},
		{"nothing configured", 1, nil, nil, ``},
		{"one of two", 1, []jose.Alg{jose.ES256, jose.RS256}, []Record{k1}, `make RS256 after "": 1 1 91 92`},
		{"in its prime", 50, nil, []Record{k1}, ``},
		{"a day before the lead", 89, nil, []Record{k1}, ``},
		{"the lead begins", 90, nil, []Record{k1}, `make ES256 after "k1": 90 91 181 182`},
		{"the successor waits", 90, nil, []Record{k1, k2}, ``},
		{"the successor signs", 91, nil, []Record{k1, k2}, ``},
		{"the old one is removed", 92, nil, []Record{k1, k2}, ``},
		{"its row is kept for a week", 99, nil, []Record{k1, k2}, ``},
		{"its row goes", 100, nil, []Record{k1, k2}, `sweep 93`},
		{"we were off for two days", 91, nil, []Record{rec("k1", "", 1, 1, 90, 91+1)}, `make ES256 after "k1": 91 92 182 183`},
		{"and the node that made it died", 91, nil, []Record{rec("k1", "", 1, 1, 90, 92), rec("k2", "k1", 91, 92, 182, 183)}, `move k1: 92 93`},
		{"we were off for a year", 400, []jose.Alg{jose.ES256}, []Record{k1}, `make ES256 after "k1": 400 400 490 491`},
		{"a year, and nobody configured it", 400, nil, []Record{k1}, ``},
		{"rotated by hand", 50, nil, []Record{k1, rec("k2", "k1", 50, 51, 141, 142)}, `move k1: 51 52`},
		{"emergency: the old ones stay removed", 50, nil, []Record{
			rec("k1", "", 1, 1, 50, 50), rec("k2", "k1", 49, 50, 50, 50), rec("k3", "k2", 50, 50, 140, 141),
		}, ``},
		{"emergency, half done", 50, []jose.Alg{jose.ES256}, []Record{rec("k1", "", 1, 1, 50, 50)}, `make ES256 after "k1": 50 50 140 141`},
		{"the last row is never swept", 400, nil, []Record{rec("k1", "", 1, 1, 91, 92), rec("k2", "k1", 90, 91, 100, 101)}, `sweep 101`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(tt.day*day, 0)
			if got := show(Step(now, tt.records, config(tt.algs...))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			backwards := slices.Clone(tt.records)
			slices.Reverse(backwards)
			if got := show(Step(now, backwards, config(tt.algs...))); got != tt.want {
				t.Errorf("in another order: %s", got)
			}
		})
	}
}

func TestStates(t *testing.T) {
	line := []Record{rec("k1", "", 1, 1, 91, 92), rec("k2", "k1", 90, 91, 181, 182)}
	for day, want := range map[int64]string{
		1: "signing published", 90: "signing published", 91: "retiring signing", 92: "removed signing",
		181: "removed signing", // its successor is late: it goes on
		182: "removed removed",
	} {
		now := day * 24 * hour
		if got := fmt.Sprint(stateOf(now, line[0], line), " ", stateOf(now, line[1], line)); got != want {
			t.Errorf("day %d: %s, want %s", day, got, want)
		}
	}
	// A clock that is behind: better a key that isn't due than none.
	if s, ok := signer(0, line); !ok || s.KID != "k1" {
		t.Errorf("before all: %v, %v", s.KID, ok)
	}
	// An emergency's key replaces one that would have signed later.
	line = []Record{rec("k1", "", 1, 1, 50, 50), rec("k2", "k1", 49, 51, 50, 50), rec("k3", "k2", 50, 50, 140, 141)}
	if s, ok := signer(60*day, line); !ok || s.KID != "k3" {
		t.Errorf("after an emergency: %v, %v", s.KID, ok)
	}
}

func TestChainOfTornRows(t *testing.T) {
	names := func(line []Record) (out string) {
		for _, r := range line {
			out += r.KID + " "
		}
		return out
	}
	for want, records := range map[string][]Record{
		"":         nil,
		"a b c ":   {rec("c", "b", 1, 1, 1, 1), rec("a", "", 1, 9, 1, 1), rec("b", "a", 1, 1, 1, 1)},
		"b c ":     {rec("c", "b", 1, 1, 1, 1), rec("b", "gone", 1, 1, 1, 1)},
		"d ":       {rec("b", "", 1, 1, 1, 1), rec("d", "gone", 2, 1, 1, 1)},
		"y ":       {rec("x", "gone", 1, 1, 1, 1), rec("y", "", 1, 1, 1, 1)},
		"p q r s ": {rec("s", "r", 1, 1, 1, 1), rec("r", "q", 1, 1, 1, 1), rec("q", "p", 1, 1, 1, 1), rec("p", "s0", 1, 1, 1, 1)},
	} {
		if got := names(chain(records, jose.ES256)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := chain([]Record{rec("a", "b", 1, 1, 1, 1), rec("b", "a", 1, 1, 1, 1)}, jose.ES256); len(got) != 0 {
		t.Errorf("a ring of rows: %v", got)
	}
}
