package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

// Case 313: no way of printing shows a secret.
func Test313SecretPrintsRedacted(t *testing.T) {
	const canary = "kanarienvogel"
	type config struct {
		Password secret.Secret
		Pointer  *secret.Secret
	}
	s := secret.Secret(canary)
	values := []any{s, &s, config{s, &s}, &config{s, &s}, []secret.Secret{s}, map[string]secret.Secret{"k": s}, fmt.Errorf("wrong: %v", s)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%U", "%T %[1]v"} {
		for _, v := range values {
			if out := fmt.Sprintf(verb, v); leaks(out, canary) {
				t.Errorf("Sprintf(%q, %T) shows it: %s", verb, v, out)
			}
		}
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		l := slog.New(h)
		l.Info("m", "secret", s, "config", config{s, &s}, "error", errors.New(s.String()))
	}
	if leaks(log.String(), canary) {
		t.Errorf("slog shows it: %s", log.String())
	}
	asJSON, err := json.Marshal([]any{s, config{s, &s}})
	if err != nil || leaks(string(asJSON), canary) {
		t.Errorf("JSON: %s, %v", asJSON, err)
	}
	asXML, err := xml.Marshal(config{s, &s})
	if err != nil || leaks(string(asXML), canary) {
		t.Errorf("XML: %s, %v", asXML, err)
	}
	if s.Reveal() != canary {
		t.Error("Reveal doesn't")
	}
}

func leaks(out, canary string) bool {
	return strings.Contains(out, canary) || strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", canary))
}

func TestNew(t *testing.T) {
	a, b := secret.New().Reveal(), secret.New().Reveal()
	if a == b || len(a) != 43 || strings.ContainsAny(a, "+/=") {
		t.Errorf("New: %d characters, or twice the same", len(a))
	}
}

func TestMatches(t *testing.T) {
	hash := secret.Hash("right")
	tests := []struct {
		name  string
		given string
		hash  []byte
		want  bool
	}{
		{"the secret", "right", hash, true},
		{"another", "wrong", hash, false},
		{"nothing", "", hash, false},
		{"no hash", "right", nil, false},
		{"nothing and no hash", "", nil, false},
		{"nothing and an empty hash", "", []byte{}, false},
		{"a short hash", "right", hash[:16], false},
		{"a long hash", "right", append(slices.Clone(hash), 0), false},
		{"the hash itself", string(hash), hash, false},
	}
	for _, tt := range tests {
		if got := secret.Matches(tt.given, tt.hash); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if secret.Equal([]byte("a"), []byte("b")) || secret.Equal([]byte("a"), nil) || !secret.Equal(nil, []byte{}) {
		t.Error("Equal is wrong")
	}
}

// Case 234: where the first wrong byte stands must not show in the time. The
// hashes differ everywhere, so there is nothing to compare byte by byte; what
// is measured is that nobody compared before hashing.
func Test234MatchesTakesTheSameTime(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	right := secret.New().Reveal()
	hash := secret.Hash(right)
	flip := func(at int) string {
		b := []byte(right)
		b[at] ^= 1
		return string(b)
	}
	given := [2]string{flip(0), flip(len(right) - 1)}
	var gap float64
	for range 3 { // a busy machine gets three tries
		var samples [2][]float64
		for i := range 4000 {
			side := i % 2
			start := time.Now()
			for range 25 {
				secret.Matches(given[side], hash)
			}
			samples[side] = append(samples[side], float64(time.Since(start)))
		}
		a, b := median(samples[0]), median(samples[1])
		if gap = math.Abs(a-b) / min(a, b); gap < 0.10 {
			return
		}
	}
	t.Errorf("medians differ by %.1f %%", 100*gap)
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

func TestIDsSortByTime(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var last string
	for i := range 2000 {
		id := secret.NewIDAt(start.Add(time.Duration(i*i) * time.Millisecond))
		if len(id) != 26 || strings.Trim(id, "0123456789abcdefghijklmnopqrstuv") != "" {
			t.Fatalf("id %q", id)
		}
		if i > 0 && id <= last { // only i=0 and i=1 are next to each other
			t.Fatalf("%q does not sort after %q", id, last)
		}
		last = id
	}
	if a, b := secret.NewID(), secret.NewID(); a == b || a[:6] != b[:6] {
		t.Errorf("ids %q and %q", a, b)
	}
	if id := secret.NewIDAt(time.Unix(-5, 0)); !strings.HasPrefix(id, "00000") {
		t.Errorf("before 1970: %q", id)
	}
}
