//go:build unix

package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/valetkey/valetkey/test/cluster"
	"github.com/valetkey/valetkey/test/harness"
)

// smallDisk is a file system of so many MiB; "" where none may be mounted.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("not root: no small disk can be mounted")
		return ""
	}
	dir, err := os.MkdirTemp("/tmp", "disk") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", size), "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("no small disk can be mounted: %v: %s", err, out)
		_ = os.Remove(dir)
		return ""
	}
	t.Cleanup(func() {
		var out []byte
		for range 20 { // until what held it open has ended
			if out, err = exec.Command("umount", dir).CombinedOutput(); err == nil {
				_ = os.Remove(dir)
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Errorf("umount: %v: %s", err, out)
	})
	return dir
}

// ballast fills a disk to its last byte; the result makes room again.
func ballast(t *testing.T, disk string) (drop func()) {
	t.Helper()
	name := filepath.Join(disk, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("it isn't full: %v", err)
	}
	_ = f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// reader asks for what needs no write, again and again.
type reader struct {
	asked, wrong atomic.Int64
	first        atomic.Value
	stop         func()
}

func reads(t *testing.T, w *watched) *reader {
	t.Helper()
	tokens, err := w.target.Flow(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) error {
		resp, err := w.target.HTTP.Get(w.target.URL + path)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", path, resp.Status)
		}
		return nil
	}
	r := &reader{}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			for _, err := range []error{
				get("/jwks"), get("/.well-known/openid-configuration"), get("/healthz"), get("/readyz"),
				w.target.Introspect(context.Background(), tokens.Access),
			} {
				r.asked.Add(1)
				if err != nil {
					r.wrong.Add(1)
					r.first.CompareAndSwap(nil, err)
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(r.stop)
	return r
}

// judge: 99.9 of 100 are well answered.
func (r *reader) judge(t *testing.T) {
	t.Helper()
	r.stop()
	asked, wrong := r.asked.Load(), r.wrong.Load()
	if wrong*1000 > asked {
		t.Errorf("%d of %d reads failed, the first: %v", wrong, asked, r.first.Load())
	}
	t.Logf("%d reads, %d failed", asked, wrong)
}

// untilRefused waits for the first 503, so that the disk is full for the server
// too, and answers how many there were.
func (w *watched) untilRefused(t *testing.T) {
	t.Helper()
	for began := time.Now(); w.times(http.StatusServiceUnavailable) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("nothing was refused")
		}
	}
}

func (w *watched) times(status int) int {
	w.witness.mu.Lock()
	defer w.witness.mu.Unlock()
	return w.said[status]
}

// fillAndDrop has the database full for a while, and free again.
func (w *watched) fillAndDrop(t *testing.T, fill func() (drop func())) {
	t.Helper()
	w.within = time.Second
	r := reads(t, w)
	for range either(1, 10) {
		time.Sleep(300 * time.Millisecond)
		w.witness.mu.Lock()
		w.said = map[int]int{}
		w.witness.mu.Unlock()
		drop := fill()
		w.untilRefused(t)
		time.Sleep(either(time.Second, 20*time.Second))
		w.witness.mu.Lock()
		t.Logf("while it was full: %v", w.said)
		w.witness.mu.Unlock()
		drop()
		took := w.recovery(t, time.Now())
		if took > soon {
			t.Errorf("the first success came after %s", took)
		}
		t.Logf("the first success came after %s", took)
	}
	time.Sleep(200 * time.Millisecond)
	r.judge(t)
	w.whole(t)
}

// integrity is what SQLite says of the file.
func integrity(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var said string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Errorf("integrity_check: %s %v", said, err)
	}
}

// TestDiskFull: case 326. The disk under SQLite is full, and so is the one that
// the log goes to: what must be written is refused with 503 within a second,
// what is only read goes on, and with the room the service comes back, whole and
// without a restart.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 64)
	if disk == "" {
		t.Log("left to TestDatabaseFull")
		return
	}
	p := harness.NewProcess(t, harness.Binary(t), "VALETKEY_DATA_DIR="+filepath.Join(disk, "data"))
	p.Binary = wrapped(t, `exec "$0" "$@" 2>>'`+filepath.Join(disk, "log")+`'`, p.Binary)
	p.Start(t)
	w := load(t, p)
	w.fillAndDrop(t, func() func() { return ballast(t, disk) })
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if log, err := os.ReadFile(filepath.Join(disk, "log")); err != nil || !strings.Contains(string(log), "request") {
		t.Errorf("the log: %d bytes, %v", len(log), err)
	}
	integrity(t, filepath.Join(disk, "data", "valetkey.db"))
}

// wrapped is a program that runs another through a line of shell, in which $0 is
// that other.
func wrapped(t *testing.T, line, program string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "wrapped")
	text := "#!/bin/sh\nexec sh -c '" + strings.ReplaceAll(line, "'", `'\''`) + "' '" + program + "' \"$@\"\n"
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDatabaseFull: case 326 where no disk can be mounted: SQLite itself is told
// that there are no more pages.
func TestDatabaseFull(t *testing.T) {
	t.Parallel()
	pages := filepath.Join(t.TempDir(), "pages")
	dir := t.TempDir()
	p := harness.NewProcess(t, harness.Binary(t, "failpoints"), "VALETKEY_FAILPOINT_PAGES="+pages, "VALETKEY_DATA_DIR="+dir)
	p.Start(t)
	w := load(t, p)
	w.fillAndDrop(t, func() func() {
		if err := os.WriteFile(pages, []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.Remove(pages) }
	})
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(p.Out.String()) {
		if strings.Contains(line, "level=ERROR") && !strings.Contains(line, "storage is unavailable") {
			t.Error(line)
		}
	}
	p.Say(t, "doctor", "--verify")
	integrity(t, filepath.Join(dir, "valetkey.db"))
}

// TestTablespaceFull: case 326 with PostgreSQL, whose data has a small disk and
// whose log of changes another.
func TestTablespaceFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 64)
	if disk == "" {
		t.Log("left out: PostgreSQL on a full disk")
		return
	}
	db, _ := postgres(t)
	space := filepath.Join(disk, "space")
	if err := errors.Join(os.Chmod(disk, 0o755), os.Mkdir(space, 0o700), db.Own(space),
		db.Exec("DROP DATABASE valetkey", "CREATE TABLESPACE small LOCATION '"+space+"'", "CREATE DATABASE valetkey TABLESPACE small")); err != nil {
		t.Fatal(err)
	}
	w := underLoad(t, db.URL("valetkey"))
	w.fillAndDrop(t, func() func() { return ballast(t, disk) })
}

// TestWALFull: case 326 where PostgreSQL itself stops, as it does when its log of
// changes finds no room; with the room it is started again, and the server with
// it comes back.
func TestWALFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 80)
	if disk == "" {
		t.Log("left out: PostgreSQL's log of changes on a full disk")
		return
	}
	db, url := postgres(t, "max_wal_size=32MB", "min_wal_size=32MB", "wal_recycle=off")
	wal := filepath.Join(disk, "wal")
	if err := errors.Join(os.Chmod(disk, 0o755), db.MoveWAL(wal)); err != nil {
		t.Fatal(err)
	}
	w := underLoad(t, url)
	time.Sleep(300 * time.Millisecond)
	drop := ballast(t, disk)
	stopped(t, db)
	w.untilRefused(t)
	time.Sleep(either(500*time.Millisecond, 20*time.Second))
	drop()
	if err := db.Start(); err != nil {
		t.Fatal(err)
	}
	if took := w.recovery(t, time.Now()); took > soon {
		t.Errorf("the first success came after %s", took)
	}
	w.judge(t, url)
}

// stopped has the log of changes want more room until the server gives up.
func stopped(t *testing.T, db *cluster.Cluster) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- db.Wait() }()
	for began := time.Now(); time.Since(began) < 30*time.Second; {
		_ = db.Exec("SELECT pg_switch_wal()")
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("PostgreSQL goes on without a log of changes")
}
