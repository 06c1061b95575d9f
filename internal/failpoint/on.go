//go:build failpoints

// Package failpoint ends the process at a place that a test names, as a power
// cut would. It does so in builds with the tag failpoints; in all others it is
// nothing.
package failpoint

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// place and left come from VALETKEY_FAILPOINT=place:n, the n-th time it is met.
// With :panic behind, only what is at the place ends, as by a mistake of ours.
var (
	place  string
	left   atomic.Int64
	panics bool
)

func init() {
	name, n, _ := strings.Cut(os.Getenv("VALETKEY_FAILPOINT"), ":")
	n, panics = strings.CutSuffix(n, ":panic")
	times, _ := strconv.ParseInt(n, 10, 64)
	place = name
	left.Store(times)
}

// Hit ends the process when it is at the place for the n-th time.
func Hit(at string) {
	switch {
	case at != place || left.Add(-1) != 0:
	case panics:
		panic("failpoint " + at)
	default:
		die()
	}
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// Half sends half of an answer and ends the process.
func Half(w interface{ Write([]byte) (int, error) }, body []byte) {
	if place != "mid-answer" || left.Add(-1) != 0 {
		return
	}
	_, _ = w.Write(body[:len(body)/2])
	if answer, ok := w.(http.ResponseWriter); ok {
		_ = http.NewResponseController(answer).Flush()
	}
	die()
}
