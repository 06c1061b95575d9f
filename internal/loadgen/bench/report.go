package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
)

// limits on CPU an operation, server and database together.
var limits = map[string]map[bool]time.Duration{ // by whether it is PostgreSQL
	"code flow":             {false: 330 * time.Microsecond, true: 420 * time.Microsecond},
	"refresh":               {false: 240 * time.Microsecond, true: 350 * time.Microsecond},
	"client_credentials":    {false: 150 * time.Microsecond, true: 150 * time.Microsecond},
	"introspection, opaque": {false: 90 * time.Microsecond, true: 150 * time.Microsecond},
}

// flowInSignatures is the code flow's limit on SQLite in RSA-2048 signatures,
// which holds on machines of any speed.
const flowInSignatures = 0.21

type report struct {
	binary string
	rows   strings.Builder // Markdown
	above  []string
}

func newReport(binary string) *report { return &report{binary: binary} }

func (r *report) add(o options, s setting, h *house, results []loadgen.Result) error {
	signature, err := loadgen.Signature()
	if err != nil {
		return err
	}
	memory := 0.0
	for _, pid := range h.meter.Servers {
		used, err := loadgen.Memory(pid)
		if err != nil {
			return err
		}
		memory += used
	}
	info, err := os.Stat(r.binary)
	if err != nil {
		return err
	}
	kind, _, _ := strings.Cut(s.database, ":")
	title := fmt.Sprintf("%s, %d node(s), %d connections, %d authorizations", kind, len(h.nodes), s.connections, s.rows)
	if o.tls {
		title += ", TLS"
	}
	if o.rate > 0 {
		title += fmt.Sprintf(", open loop at %.0f/s", o.rate)
	}
	fmt.Printf("\n%s: RSA-2048 signature %s, ready after %s, %.0f MiB resident, binary %.1f MB\n", title, signature.Round(time.Microsecond), h.ready.Round(time.Millisecond), memory, float64(info.Size())/1e6)
	fmt.Printf("%-26s %9s %9s %9s %10s %9s %9s %9s %9s %7s\n", "operation", "CPU/op", "server", "database", "signatures", "ops/s", "p50", "p95", "p99", "failed")
	fmt.Fprintf(&r.rows, "\n**%s** (signature %s, %.0f MiB resident)\n\n| operation | CPU/op | server | database | signatures | ops/s | p50 | p95 | p99 |\n|---|---|---|---|---|---|---|---|---|\n", title, signature.Round(time.Microsecond), memory)
	for _, v := range results {
		ratio := float64(v.CPU()) / float64(signature)
		rate := float64(v.Count-v.Failed) / v.Elapsed.Seconds()
		fmt.Printf("%-26s %9s %9s %9s %10.3f %9.0f %9s %9s %9s %7d\n", v.Name, micro(v.CPU()), micro(v.Server), micro(v.Database), ratio, rate,
			short(v.Quantile(.5)), short(v.Quantile(.95)), short(v.Quantile(.99)), v.Failed)
		fmt.Fprintf(&r.rows, "| %s | %s | %s | %s | %.3f | %.0f | %s | %s | %s |\n", v.Name, micro(v.CPU()), micro(v.Server), micro(v.Database), ratio, rate,
			short(v.Quantile(.5)), short(v.Quantile(.95)), short(v.Quantile(.99)))
		r.judge(title, kind, v, ratio)
	}
	return nil
}

func (r *report) judge(title, kind string, v loadgen.Result, ratio float64) {
	limit, ok := limits[v.Name][kind != "sqlite"]
	if !ok || v.CPU() <= limit || kind == "sqlite" && v.Name == "code flow" && ratio <= flowInSignatures {
		return
	}
	r.above = append(r.above, fmt.Sprintf("%s: %s takes %s, more than %s", title, v.Name, micro(v.CPU()), limit))
}

func (r *report) check() error {
	if len(r.above) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.above, "; "))
}

const begin, end = "<!-- numbers -->", "<!-- end -->"

// write replaces the numbers of a document.
func (r *report) write(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(content), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s … %s", name, begin, end)
	}
	about := fmt.Sprintf("Measured on %s with %s, %d cores.\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	return os.WriteFile(name, []byte(before+begin+"\n"+about+r.rows.String()+"\n"+end+after), 0o644)
}

func micro(d time.Duration) string { return d.Round(time.Microsecond).String() }

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
