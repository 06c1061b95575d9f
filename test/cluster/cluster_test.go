//go:build unix

package cluster

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T) *Cluster {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TEST_SKIP"), ","), "postgres") {
		t.Skip("TEST_SKIP lists postgres")
	}
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Remove() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What was committed is there after a power cut, on the standby too.
func TestCluster(t *testing.T) {
	c := start(t)
	must(t, c.Exec("CREATE TABLE kept (n INT)", "INSERT INTO kept VALUES (1)"))
	must(t, c.Restart(true))
	must(t, c.Exec("SELECT 1 / (SELECT count(*) FROM kept)"))
	resume, err := c.Pause()
	must(t, err)
	answered := make(chan error, 1)
	go func() { answered <- c.Exec("SELECT 1") }()
	select {
	case err := <-answered:
		t.Errorf("a paused server answered %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	must(t, resume())
	must(t, <-answered)
	if used, err := c.CPU(); err != nil || used == 0 {
		t.Errorf("%s %v", used, err)
	}
	s, err := c.Standby(true)
	must(t, err)
	t.Cleanup(func() { _ = s.Remove() })
	must(t, c.Exec("INSERT INTO kept VALUES (2)"))
	if err := s.Exec("INSERT INTO kept VALUES (3)"); err == nil {
		t.Error("a standby writes")
	}
	must(t, c.Stop(true))
	must(t, s.Promote())
	must(t, s.Exec("SELECT 1 / (count(*) - 1) FROM kept", "INSERT INTO kept VALUES (3)"))
}
