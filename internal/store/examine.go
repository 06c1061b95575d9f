package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
)

// Level is how grave a finding is.
type Level string

// The levels.
const (
	Fine    Level = "ok"
	Warning Level = "warn"
	Failure Level = "fail"
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"` // about it; "" when it is fine
}

// examiner collects findings about one database.
type examiner struct {
	c      Config
	verify bool
	e      *end
	found  []Finding
}

func (x *examiner) say(level Level, check, do, what string, args ...any) {
	x.found = append(x.found, Finding{Level: level, Check: check, What: fmt.Sprintf(what, args...), Do: do})
}

// Examine looks at a database in one moment and changes nothing. verify reads
// all of a SQLite file. It returns the signing keys too, for whoever can open
// them; nil when they couldn't be read.
func Examine(ctx context.Context, c Config, verify bool) ([]Finding, []keys.Record) {
	x := &examiner{c: c, verify: verify}
	if path, sqlite := strings.CutPrefix(c.Database, "sqlite:"); sqlite && !x.file(path) {
		return x.found, nil
	}
	e, err := openSource(ctx, c.Database)
	if err != nil {
		x.say(Failure, "database", "start the database, and check the address, the name and the password in `database`", "it can't be reached: %v", err)
		return x.found, nil
	}
	x.e = e
	records := x.database(ctx)
	if err := e.close(); err != nil {
		x.say(Warning, "database", "look at its log", "closing it failed: %v", err)
	}
	return x.found, records
}

const (
	roomLow  = 1 << 30
	roomGone = 100 << 20
)

// file looks at a SQLite database from outside.
func (x *examiner) file(path string) bool {
	folder := filepath.Dir(path)
	if number, known := filesystemOf(folder); known {
		switch name, kind := judgeFilesystem(number); kind {
		case placeNetwork:
			x.say(Failure, "file system", "move it to a disk of this machine, or to PostgreSQL: valetkey move", "%s is on a network file system (%s), where SQLite loses or breaks data", folder, name)
			return false
		case placeUnsure:
			x.say(Warning, "file system", "make sure that a disk of this machine is behind it", "%s is on %s: what is behind it can't be told", folder, name)
		case placeLocal:
			x.say(Fine, "file system", "", "%s isn't on a network", folder)
		}
	}
	if left, known := room(folder); known {
		level, do := Fine, ""
		switch {
		case left < roomGone:
			level, do = Failure, "make room: without it nothing can be written"
		case left < roomLow:
			level, do = Warning, "make room before it is used up"
		}
		x.say(level, "disk", do, "%d MiB are free in %s", left>>20, folder)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.say(Warning, "database", "the first start makes it; if there should be one, check `database` and `data-dir`", "there is no %s yet", path)
		return false
	case err != nil:
		x.say(Failure, "database", "check the folder's owner and mode", "%v", err)
		return false
	case info.Mode().Perm()&0o077 != 0:
		x.say(Warning, "database", "chmod 600 "+path, "%s can be read by others (mode %04o)", path, info.Mode().Perm())
	}
	return true
}

// database looks at it from inside.
func (x *examiner) database(ctx context.Context) []keys.Record {
	known, err := migrations()
	if err != nil {
		x.unread("schema", err)
		return nil
	}
	schema, err := x.e.schema(ctx)
	switch {
	case err != nil:
		x.unread("schema", err)
		return nil
	case schema > len(known):
		if err := mustServe(ctx, x.e.tx, schema, len(known)); err != nil {
			x.say(Failure, "schema", "use that version, or restore a backup that was made before it", "%v", err)
			return nil
		}
		x.say(Warning, "schema", "let every node have the newer version, or none", "its schema is %d, of a newer version; this program, which knows %d, can work with it", schema, len(known))
	case schema == 0:
		x.say(Warning, "schema", "the first start makes it: valetkey serve", "the database is empty")
	case schema < len(known):
		x.say(Warning, "schema", "make a backup; the next start brings it up to date, or `valetkey migrate`", "its schema is %d, this program's is %d; what hangs together is looked at when it is up to date", schema, len(known))
	default:
		x.say(Fine, "schema", "", "it is up to date (%d)", schema)
	}
	x.engine(ctx)
	if x.e.kind == PostgreSQL && schema > 0 {
		x.timeline(ctx)
	}
	if schema < len(known) {
		return nil
	}
	x.master(ctx)
	x.consistency(ctx)
	return x.keys(ctx)
}

func (x *examiner) unread(check string, err error) {
	x.say(Failure, check, "look at the database's log", "it couldn't be read: %v", err)
}

func (x *examiner) master(ctx context.Context) {
	kept, _, err := setting(x.e.run(ctx), settingMaster)
	switch {
	case isNotFound(err):
		x.say(Warning, "master secret", "the next start notes it", "the database doesn't know any yet")
	case err != nil:
		x.unread("master secret", err)
	case x.c.MasterCheck == nil: // it was told of already
	case !slices.Contains(x.c.MasterCheck, kept):
		x.say(Failure, "master secret", "put back the file that belongs to this database", "%v", ErrMasterSecret)
	default:
		x.say(Fine, "master secret", "", "it is the database's")
	}
}

func (x *examiner) keys(ctx context.Context) []keys.Record {
	records, err := all(x.e.run(ctx), scanSigningKey, "SELECT "+keyColumns+" FROM signing_keys ORDER BY published_at, kid")
	if err != nil {
		x.unread("signing keys", err)
		return nil
	}
	if records == nil {
		records = []keys.Record{}
	}
	return records
}

func (x *examiner) engine(ctx context.Context) {
	if x.e.kind == SQLite {
		x.sqlite(ctx)
		return
	}
	x.postgres(ctx)
	x.clock(ctx)
}

func (x *examiner) sqlite(ctx context.Context) {
	check := "quick_check"
	if x.verify {
		check = "integrity_check"
	}
	wrong, err := all(x.e.run(ctx), scanName, "PRAGMA "+check+"(5)")
	switch {
	case err != nil:
		x.unread(check, err)
	case !slices.Equal(wrong, []string{"ok"}):
		x.say(Failure, check, "stop the server and restore the newest backup: valetkey restore", "the file is damaged: %s", strings.Join(wrong, ", "))
	default:
		x.say(Fine, check, "", "SQLite finds the file whole")
	}
	var mode string
	switch err := x.e.tx.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); {
	case err != nil:
		x.unread("journal", err)
	case mode != "wal":
		x.say(Warning, "journal", "the next start turns WAL on", "journal_mode is %s", mode)
	default:
		x.say(Fine, "journal", "", "journal_mode is wal; the server writes with synchronous=FULL")
	}
}

// demand is what a setting of PostgreSQL has to be.
type demand struct {
	name  string
	good  []string
	level Level
	why   string
	do    string
}

var demands = []demand{
	{"synchronous_commit", []string{"on", "remote_apply", "remote_write", "local"}, Failure, "a token that was answered may be lost with the power", "ALTER DATABASE … SET synchronous_commit = on"},
	{"fsync", []string{"on"}, Failure, "the database may be lost with the power", "set fsync = on in postgresql.conf"},
	{"full_page_writes", []string{"on"}, Warning, "a page may be torn when the power goes", "set full_page_writes = on in postgresql.conf, unless the file system writes pages whole"},
	{"default_transaction_isolation", []string{"read committed"}, Warning, "statements that are made for read committed wait and repeat needlessly", "ALTER DATABASE … RESET default_transaction_isolation"},
	{"default_transaction_read_only", []string{"off"}, Failure, "nothing can be written", "ALTER DATABASE … RESET default_transaction_read_only"},
	{"in_hot_standby", []string{"off"}, Failure, "this server is a standby and can't be written to", "name the primary in `database`"},
	{"server_encoding", []string{"UTF8"}, Failure, "names that people have can't be kept", "make the database with ENCODING 'UTF8'"},
}

const oldestPostgres = 130000

// postgres: engines that speak its protocol lack some of these settings, and the
// faults with them.
func (x *examiner) postgres(ctx context.Context) {
	version, number := x.current(ctx, "server_version"), x.current(ctx, "server_version_num")
	var n int
	if _, err := fmt.Sscan(number, &n); err == nil && n < oldestPostgres {
		x.say(Failure, "PostgreSQL", "use version 13 or later", "version %s is too old", version)
	} else {
		x.say(Fine, "PostgreSQL", "", "version %s", cmp.Or(version, "unknown"))
	}
	for _, d := range demands {
		switch value := x.current(ctx, d.name); {
		case value == "":
		case !slices.Contains(d.good, value):
			x.say(d.level, d.name, d.do, "it is %s: %s", value, d.why)
		default:
			x.say(Fine, d.name, "", "%s", value)
		}
	}
}

// current is a setting's value, "" when there is none of that name.
func (x *examiner) current(ctx context.Context, name string) string {
	var value *string
	if err := x.e.tx.QueryRowContext(ctx, "SELECT current_setting($1, true)", name).Scan(&value); err != nil {
		x.unread(name, err)
	}
	if value == nil {
		return ""
	}
	return *value
}

// clock holds the database's clock against this machine's.
func (x *examiner) clock(ctx context.Context) {
	var there float64
	before := x.c.Now()
	if err := x.e.tx.QueryRowContext(ctx, "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)").Scan(&there); err != nil {
		x.unread("clock", err)
		return
	}
	after := x.c.Now()
	here := before.Add(after.Sub(before) / 2)
	x.found = append(x.found, JudgeClock("the database's", time.Duration((there-float64(here.UnixNano())/1e9)*float64(time.Second))))
}

// JudgeClock says what a difference between two clocks means: codes live for a
// minute, proofs may be a minute off.
func JudgeClock(whose string, ahead time.Duration) Finding {
	off := ahead.Abs().Round(100 * time.Millisecond)
	f := Finding{Level: Fine, Check: "clock", What: fmt.Sprintf("%s clock and this machine's are %s apart", whose, off)}
	switch {
	case off > 30*time.Second:
		f.Level = Failure
	case off > 2*time.Second:
		f.Level = Warning
	default:
		return f
	}
	f.Do = "set both by NTP: timedatectl set-ntp true"
	return f
}
