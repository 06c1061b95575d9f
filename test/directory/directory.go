//go:build unix

// Package directory gives a test an LDAP directory of its own: a real OpenLDAP
// server on this machine, with a tree like Active Directory's. It imports
// nothing of the project, so that every package's tests may use it.
package directory

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// What every directory has.
const (
	Base         = "dc=corp,dc=example"
	People       = "ou=People," + Base
	Codes        = "ou=Codes," + Base // people whose bind Active Directory refuses
	Groups       = "ou=Groups," + Base
	BindDN       = "cn=reader," + Base
	BindPassword = "reader's password"
	Password     = "correct horse" // everybody's
	rootDN       = "cn=root," + Base
	rootPassword = "root's password"
)

// Directory is a running server.
type Directory struct {
	URL       string // ldap://127.0.0.1:PORT, with StartTLS
	SecureURL string // ldaps://127.0.0.1:PORT
	CAFile    string // PEM; its certificate is for 127.0.0.1 alone
	Roots     *x509.CertPool

	folder string
}

// Start runs a server until the test ends. Without slapd the test fails, unless
// TEST_SKIP lists ldap.
func Start(t testing.TB) *Directory {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TEST_SKIP"), ","), "ldap") {
		t.Skip("TEST_SKIP lists ldap")
	}
	program, err := program()
	if err != nil {
		t.Fatalf("slapd is needed (or TEST_SKIP=ldap): %v", err)
	}
	d := &Directory{folder: t.TempDir()}
	if err := d.prepare(program, time.Now()); err != nil {
		t.Fatal(err)
	}
	stop, err := d.run(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stopping slapd: %v", err)
		}
	})
	return d
}

// program finds slapd; few have /usr/sbin in PATH.
func program() (string, error) {
	if found, err := exec.LookPath("slapd"); err == nil {
		return found, nil
	}
	return exec.LookPath("/usr/sbin/slapd")
}

// prepare writes configuration and data, as slapadd does: called as such, slapd
// is that program. What may not be written over LDAP, such as when a password
// was changed, can be written so.
func (d *Directory) prepare(slapd string, now time.Time) error {
	for _, name := range []string{"config", "data"} {
		if err := os.Mkdir(filepath.Join(d.folder, name), 0o700); err != nil {
			return err
		}
	}
	if err := d.certificates(now); err != nil {
		return err
	}
	steps := []struct{ database, content string }{{"0", d.configuration()}, {"1", tree(now)}}
	for _, step := range steps {
		file := filepath.Join(d.folder, step.database+".ldif")
		if err := os.WriteFile(file, []byte(step.content), 0o600); err != nil {
			return err
		}

		cmd := exec.CommandContext(context.Background(), slapd, "-Tadd", "-q", "-n", step.database, "-F", d.folder+"/config", "-l", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(err, errors.New(string(out)))
		}
	}
	return nil
}

// supervise runs the server until its standard input ends, as it does with this
// process, however that comes about.
const supervise = `"$@" & server=$!
cat >/dev/null
kill -TERM $server
wait $server`

func (d *Directory) run(slapd string) (stop func() error, err error) {
	plain, err1 := freeAddress()
	secure, err2 := freeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	d.URL, d.SecureURL = "ldap://"+plain, "ldaps://"+secure

	cmd := exec.CommandContext(context.Background(), "sh", "-c", supervise, "sh", slapd, "-d", "0", "-F", d.folder+"/config", "-h", d.URL+" "+d.SecureURL)
	cmd.WaitDelay = 10 * time.Second
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() error { return errors.Join(alive.Close(), cmd.Wait()) }
	if err := untilReady(plain, secure); err != nil {
		_ = stop()
		return nil, errors.Join(err, errors.New(log.String()))
	}
	return stop, nil
}

func untilReady(addresses ...string) (err error) {
	var dialer net.Dialer
	for _, address := range addresses {
		for range 500 {
			var c io.Closer
			if c, err = dialer.DialContext(context.Background(), "tcp", address); err == nil {
				err = c.Close()
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return err
}

// freeAddress has a port below those that the system gives to whoever asks for
// any, so that nobody is given it meanwhile.
func freeAddress() (string, error) {
	const lowest, count = 20_000, 12_000
	var lc net.ListenConfig
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(count))
		if err != nil {
			return "", err
		}
		address := "127.0.0.1:" + strconv.FormatInt(lowest+n.Int64(), 10)
		if l, err := lc.Listen(context.Background(), "tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no free port")
}

// Set replaces an attribute of an entry; without values it is taken out.
func (d *Directory) Set(t testing.TB, dn, attribute string, values ...string) {
	t.Helper()
	c, err := ldap.DialURL(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace(attribute, values)
	if err := errors.Join(c.Bind(rootDN, rootPassword), c.Modify(change)); err != nil {
		t.Fatal(err)
	}
}
