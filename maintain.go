package valetkey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/store"
)

// What an operator does to a database as a whole. None of it makes a Server, and
// a server may run beside it, but for Restore, whose database is empty.

// Snapshot is what a backup holds, and of when.
type Snapshot = store.Snapshot

// TableSum says what a table holds.
type TableSum = store.TableSum

// Restored is what a restore did.
type Restored = store.Restored

// Moved is what a move did, or would do.
type Moved = store.Moved

// MoveOptions say how a database is moved.
type MoveOptions = store.MoveOptions

// MigrationPlan is what opening a database would do to its schema.
type MigrationPlan = store.Plan

// Finding is one thing that Examine looked at.
type Finding = store.Finding

// The levels of a finding.
const (
	FindingFine    = store.Fine
	FindingWarning = store.Warning
	FindingFailure = store.Failure
)

// JudgeClock is the finding about a clock that is ahead of this machine's.
var JudgeClock = store.JudgeClock

// ErrNotEmpty says that a database to fill holds something already.
var ErrNotEmpty = store.ErrNotEmpty

// Backup writes a consistent copy of c.Database to a new file, readable by its
// owner alone, which Restore fills any kind of database from. The master secret
// isn't in it. version is the program's own, to be found in the file.
func Backup(ctx context.Context, c Config, version, path string) (Snapshot, error) {
	c.fill()
	return store.Backup(ctx, c.storage(), version, path)
}

// ReadBackup checks that a backup is whole, and tells what it holds.
func ReadBackup(ctx context.Context, path string) (Snapshot, error) {
	return store.ReadBackup(ctx, path)
}

// Restore fills an empty c.Database with a backup, in one transaction. What was
// sealed, signed or mailed before is refused from then on, since the backup
// doesn't know what was used up or ended after it was made; endAll ends all
// sessions and authorizations too. The master secret has to be the one that the
// backup was made under.
func Restore(ctx context.Context, c Config, path string, endAll bool) (Restored, error) {
	c.fill()
	ring, err := c.findKeyring(false)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: a backup is worth nothing without the master secret that it was made under; put your copy of it there first", err)
	}
	if err != nil {
		return Restored{}, err
	}
	settings := c.storage()
	settings.MasterCheck = ring.Check()
	return store.Restore(ctx, settings, path, endAll)
}

// Recovered is what Recover did.
type Recovered = store.Recovered

// Recover lets servers use a c.Database that may lack its last commits, since its
// PostgreSQL server took over from another or its files were put back: it ends
// all sessions and authorizations as Restore does with endAll, or nothing with
// keep. Servers may run beside it.
func Recover(ctx context.Context, c Config, keep bool) (Recovered, error) {
	c.fill()
	return store.Recover(ctx, c.storage(), keep)
}

// Move copies c.Database into an empty one, checks the copy and leaves the
// source as it is.
func Move(ctx context.Context, c Config, o MoveOptions) (Moved, error) {
	c.fill()
	return store.Move(ctx, c.storage(), o)
}

// PlanMigrations tells which migrations New would run on c.Database.
func PlanMigrations(ctx context.Context, c Config) (MigrationPlan, error) {
	c.fill()
	return store.Pending(ctx, c.Database)
}

// Examine looks at master secret, database and signing keys, and changes nothing.
// verify takes the time to read all of a SQLite file. kids are the ids of the
// signing keys.
func Examine(ctx context.Context, c Config, verify bool) (found []Finding, kids []string) {
	c.fill()
	settings := c.storage()
	ring, err := c.findKeyring(false)
	if err == nil {
		settings.MasterCheck = ring.Check()
	} else {
		found = append(found, c.noSecret(err))
	}
	inside, records := store.Examine(ctx, settings, verify)
	found = append(found, inside...)
	for _, r := range records {
		kids = append(kids, r.KID)
	}
	if err != nil || records == nil {
		return found, kids
	}
	return append(found, examineKeys(c, ring, records)...), kids
}

// noSecret: where there is no database either, the first start makes both.
func (c *Config) noSecret(err error) Finding {
	path, sqlite := strings.CutPrefix(c.Database, "sqlite:")
	if _, none := os.Stat(path); sqlite && errors.Is(err, fs.ErrNotExist) && errors.Is(none, fs.ErrNotExist) {
		return Finding{Level: store.Warning, Check: "master secret", What: "there is none yet", Do: "the first start makes it"}
	}
	return Finding{Level: store.Failure, Check: "master secret", What: strings.TrimPrefix(err.Error(), "master secret: "), Do: "put back the copy that you keep apart from the database"}
}

func examineKeys(c Config, ring *seal.Keyring, records []keys.Record) (found []Finding) {
	faults, err := keys.Examine(records, keys.Config{Store: unread{}, Box: ring.Box("signing-key", ""), Now: c.Now})
	if err != nil {
		return []Finding{{Level: store.Failure, Check: "signing keys", What: err.Error()}}
	}
	for _, f := range faults {
		level := store.Warning
		if f.Grave {
			level = store.Failure
		}
		found = append(found, Finding{Level: level, Check: "signing keys", What: f.What, Do: f.Do})
	}
	if len(faults) == 0 {
		found = append(found, Finding{Level: store.Fine, Check: "signing keys", What: fmt.Sprintf("%d, and each algorithm has one that signs", len(records))})
	}
	return found
}

// unread stands where keys are examined and not read.
type unread struct{ keys.Store }

func (c *Config) storage() store.Config {
	return store.Config{Database: c.Database, Issuer: c.Issuer, Now: c.Now, Log: c.Log, KeepRevocations: c.keepRevocations(), KeepGoing: c.FailoverKeep}
}

// keepRevocations outlives every access token.
func (c *Config) keepRevocations() time.Duration {
	return max(time.Hour, c.AccessLifetime+5*time.Minute)
}
