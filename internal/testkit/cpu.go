//go:build unix

package testkit

import (
	"syscall"
	"testing"
	"time"
)

// CPU is the processor time that this process has used so far. What a call adds
// to it tells how much work it is, however busy the machine.
func CPU(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
