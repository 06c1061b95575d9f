//go:build unix

// Package cluster runs a PostgreSQL server of its own that can be stopped,
// paused, killed and failed over, for tests of outages and for measurements. It
// ends with the process that started it. It imports nothing of the project.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is one server, perhaps with a standby.
type Cluster struct {
	dir, bin string
	options  []string
	who      *syscall.Credential
	alive    io.Closer // the server ends with it, and so with this process
	wait     func() error
}

// New makes a server's files in a new folder and starts it.
// Options are lines of postgresql.conf.
func New(options ...string) (*Cluster, error) { return create("/tmp", options) }

// NewInMemory is New for what needs no power cut to be survived: without fsync,
// and in memory where there is room, which takes half the time.
func NewInMemory(options ...string) (*Cluster, error) {
	const memory, room = "/dev/shm", 2 << 30
	in := "/tmp"
	var free syscall.Statfs_t
	if syscall.Statfs(memory, &free) == nil && free.Bavail*uint64(free.Bsize) > room {
		in = memory
	}
	return create(in, append([]string{"fsync=off"}, options...))
}

func create(in string, options []string) (*Cluster, error) {
	c, err := newCluster(in, options)
	if err != nil {
		return nil, err
	}
	if err := c.run(filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		return nil, errors.Join(err, c.Remove())
	}
	if err := c.Start(); err != nil {
		return nil, errors.Join(err, c.Remove())
	}
	return c, nil
}

// newCluster makes a folder with a short name, since a socket's path must be short.
func newCluster(in string, options []string) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(in, "pg")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, options: options}
	return c, c.becomePostgres()
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// becomePostgres: PostgreSQL refuses to run as root.
func (c *Cluster) becomePostgres() error {
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, errUID := strconv.ParseUint(who.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(who.Gid, 10, 32)
	c.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return errors.Join(errUID, errGID, os.Chown(c.dir, int(uid), int(gid)))
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.who}
	return cmd
}

func (c *Cluster) run(name string, args ...string) error {
	if out, err := c.command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, out)
	}
	return nil
}

// supervise runs the server until its standard input ends, and then takes its
// files away.
const supervise = `exec 3<&0
"$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= "${@:2}" >>"$1/log" 2>&1 </dev/null &
server=$!
(cat <&3 >/dev/null; touch "$1/over"; kill -QUIT $server 2>/dev/null) &
wait $server
status=$?
kill $! 2>/dev/null
if [ -e "$1/over" ]; then cd / && rm -rf "$1"; fi
exit $status`

// Start starts a server that was stopped.
func (c *Cluster) Start() error {
	args := []string{"-c", supervise, c.bin, c.dir}
	for _, o := range append([]string{"max_connections=200", "shared_buffers=256MB"}, c.options...) {
		args = append(args, "-c", o)
	}
	cmd := c.command("bash", args...)
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.alive, c.wait = alive, cmd.Wait
	return c.untilReady()
}

func (c *Cluster) untilReady() error {
	var err error
	for range 1200 {
		if err = c.Exec("SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return fmt.Errorf("%w\n%s", err, log)
}

// URL names a database of the server, and of others that may take its place.
func (c *Cluster) URL(database string, others ...*Cluster) string {
	hosts := []string{c.dir}
	for _, o := range others {
		hosts = append(hosts, o.dir)
	}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: url.Values{"host": {strings.Join(hosts, ",")}, "user": {"postgres"}}.Encode()}).String()
}

// Exec runs statements in the maintenance database.
func (c *Cluster) Exec(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	for _, text := range statements {
		if _, err := db.Exec(ctx, text); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", text, err), db.Close(ctx))
		}
	}
	return db.Close(ctx)
}

// PID is the postmaster's.
func (c *Cluster) PID() (int, error) {
	content, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(content), "\n")
	return strconv.Atoi(first)
}

// Stop ends the server: fast lets it finish its commits (SIGINT), immediate
// leaves it no time (SIGQUIT), as a power cut would.
func (c *Cluster) Stop(immediate bool) error {
	pid, err := c.PID()
	if err != nil {
		return err
	}
	how := syscall.SIGINT
	if immediate {
		how = syscall.SIGQUIT
	}
	if err := syscall.Kill(pid, how); err != nil {
		return err
	}
	_ = c.wait() // says how it ended
	c.alive = nil
	return nil
}

// Wait waits for a server that ends by itself.
func (c *Cluster) Wait() error {
	err := c.wait()
	c.alive = nil
	return err
}

// Own gives a folder to the server.
func (c *Cluster) Own(folder string) error {
	if c.who == nil {
		return nil
	}
	return os.Chown(folder, int(c.who.Uid), int(c.who.Gid))
}

// MoveWAL puts the log of changes into a folder that isn't there yet, perhaps on
// another disk.
func (c *Cluster) MoveWAL(folder string) error {
	if err := errors.Join(c.Stop(false), os.Mkdir(folder, 0o700), c.Own(folder)); err != nil {
		return err
	}
	from := filepath.Join(c.data(), "pg_wal")
	if err := c.run("cp", "-a", from+"/.", folder); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(from), os.Symlink(folder, from)); err != nil {
		return err
	}
	return c.Start()
}

// Restart is Stop and Start.
func (c *Cluster) Restart(immediate bool) error {
	if err := c.Stop(immediate); err != nil {
		return err
	}
	return c.Start()
}

// Pause stops every process of the server where it is; the result lets them go on.
func (c *Cluster) Pause() (resume func() error, err error) {
	pids, err := c.processes()
	if err != nil {
		return nil, err
	}
	signal := func(s syscall.Signal) error {
		for _, pid := range pids {
			if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		return nil
	}
	return func() error { return signal(syscall.SIGCONT) }, signal(syscall.SIGSTOP)
}

// processes are the postmaster and its children, the postmaster first.
func (c *Cluster) processes() ([]int, error) {
	postmaster, err := c.PID()
	if err != nil {
		return nil, err
	}
	pids := []int{postmaster}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		content, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(content), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(postmaster) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// CPU is what the server's processes have used so far, those that have ended
// included.
func (c *Cluster) CPU() (time.Duration, error) {
	pids, err := c.processes()
	if err != nil {
		return 0, err
	}
	var ticks int64
	for i, pid := range pids {
		content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			continue // its time is now among the postmaster's
		}
		_, after, _ := strings.Cut(string(content), ") ")
		fields := strings.Fields(after)
		used := []int{11, 12} // utime, stime: proc(5)
		if i == 0 {
			used = []int{11, 12, 13, 14} // and of children that were waited for
		}
		for _, f := range used {
			n, err := strconv.ParseInt(fields[f], 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// Standby makes a copy that follows this server; with synchronous, this one's
// commits wait for it.
func (c *Cluster) Standby(synchronous bool) (*Cluster, error) {
	s, err := newCluster(filepath.Dir(c.dir), c.options)
	if err != nil {
		return nil, err
	}
	source := fmt.Sprintf("host=%s user=postgres application_name=standby", c.dir)
	if err := s.run(filepath.Join(c.bin, "pg_basebackup"), "-D", s.data(), "-R", "-X", "stream", "-c", "fast", "-d", source); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	if synchronous {
		err = c.Exec("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
	}
	return s, err
}

// CaughtUp waits until every standby has applied all that this server has.
func (c *Cluster) CaughtUp() error {
	return c.Exec(`DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		PERFORM pg_stat_clear_snapshot();
		IF (SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication) THEN
			RETURN;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'a standby is behind';
END $$`)
}

// Promote makes a standby a server that writes.
func (c *Cluster) Promote() error {
	return c.Exec("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()", "SELECT pg_promote()")
}

// Remove ends the server and takes its files away.
func (c *Cluster) Remove() error {
	if c.alive != nil {
		_ = c.alive.Close()
		_ = c.wait()
	}
	return os.RemoveAll(c.dir)
}

// programs finds the folder of initdb and postgres: the one in PATH, or
// Debian's, the newest first.
func programs() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("initdb is neither in PATH nor in /usr/lib/postgresql/*/bin")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}
