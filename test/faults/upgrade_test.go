//go:build unix

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// later is a migration of the next version: it only adds.
const later = `ALTER TABLE authorizations ADD COLUMN later TEXT NOT NULL DEFAULT '';
CREATE TABLE later (id TEXT PRIMARY KEY, note TEXT NOT NULL);
CREATE INDEX authorizations_later ON authorizations (later) WHERE later <> '';
`

// TestVersionsSideBySide: case 334. The next version starts beside this one on
// its database and brings the schema up to date under load; both serve, across
// one another, and nothing fails. Then this one is started again, which is the
// way back. A version whose schema doesn't serve this one ends that: it says so.
func TestVersionsSideBySide(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "valetkey.db") },
		"postgres": func(t *testing.T) string { _, url := postgres(t); return url },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upgrade(t, database(t))
		})
	}
}

func upgrade(t *testing.T, database string) {
	binary, folder := harness.Binary(t), t.TempDir()
	secret := secretFile(t, binary)
	old := harness.NewProcess(t, binary, "VALETKEY_DATABASE="+database, "VALETKEY_MASTER_SECRET_FILE="+secret)
	old.Start(t)
	here := old.Target(t)
	attend(t, here)
	var files []string
	next := func(text string) *harness.Process {
		file := filepath.Join(folder, fmt.Sprintf("%d.sql", len(files)))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		return harness.NewProcess(t, harness.Binary(t, "failpoints"), "VALETKEY_DATABASE="+database, "VALETKEY_MASTER_SECRET_FILE="+secret,
			"VALETKEY_ISSUER=http://"+old.Address, "VALETKEY_FAILPOINT_MIGRATIONS="+strings.Join(files, string(os.PathListSeparator)))
	}
	var plan struct{ Schema int }
	old.CLI(t, "", &plan, "migrate", "--dry-run", "--json")
	later := next(fmt.Sprintf("-- serves: %d\n", plan.Schema) + later)

	done, flows := make(chan struct{}), 0
	var alone sync.WaitGroup
	alone.Go(func() { // while the schema changes under it
		for {
			if err := across(here, here); err != nil {
				t.Errorf("while the next version starts: %v", err)
				return
			}
			flows++
			select {
			case <-done:
				return
			default:
			}
		}
	})
	later.Start(t)
	close(done)
	alone.Wait()
	there := at(here, later)
	attend(t, there)
	beside(t, here, there)

	if err := old.Stop(); err != nil {
		t.Error(err)
	}
	old.Start(t)
	if !strings.Contains(old.Out.String(), "newer version") {
		t.Errorf("the way back wasn't told: %s", old.Out)
	}
	beside(t, here, there)
	old.Say(t, "doctor", "--verify")
	if err := later.Stop(); err != nil {
		t.Error(err)
	}

	// One that doesn't serve.
	last := next("ALTER TABLE authorizations ADD COLUMN last TEXT NOT NULL DEFAULT '';\n")
	if err := old.Stop(); err != nil {
		t.Error(err)
	}
	last.Start(t)
	old.Launch(t)
	if err := old.Cmd.Wait(); err == nil || !strings.Contains(old.Out.String(), "made by a newer version of this program") {
		t.Errorf("it started on a schema that doesn't serve it: %v %s", err, old.Out)
	}
	old.Cmd = nil
	t.Logf("%d flows while the schema changed", flows)
}

// beside has four workers go across two versions.
func beside(t *testing.T, here, there *loadgen.Target) {
	t.Helper()
	var running sync.WaitGroup
	for worker := range 4 {
		running.Go(func() {
			both := [2]*loadgen.Target{here, there}
			for began := time.Now(); time.Since(began) < either(2*time.Second, 5*time.Minute); {
				if err := across(both[worker%2], both[(worker+1)%2]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}
