package test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/harness"
)

// shown is the certificate that a new connection is shown.
func shown(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// exchange puts a pair in the place of another, as a renewal does: one file after
// the other.
func exchange(t *testing.T, cert, key string) *x509.Certificate {
	t.Helper()
	newCert, newKey, _ := certificate(t)
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// TestCertificateReload: new files are shown to new connections within five
// seconds, and at once after SIGHUP; open connections go on; a pair that doesn't
// fit changes nothing and is counted.
func TestCertificateReload(t *testing.T) {
	cert, key, _ := certificate(t)
	ops, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "VALETKEY_TLS_CERT="+cert, "VALETKEY_TLS_KEY="+key, "VALETKEY_OPS_LISTEN="+ops)
	p.Environment = append(p.Environment, "VALETKEY_ISSUER=https://"+p.Address)
	p.Launch(t)
	waitFor(t, 10*time.Second, "the server didn't start", func() bool { return answer(t, ops, "/readyz", "") == http.StatusOK })
	open, err := tls.Dial("tcp", p.Address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	ask := func() {
		t.Helper()
		if _, err := open.Write([]byte("GET /jwks HTTP/1.1\r\nHost: " + p.Address + "\r\n\r\n")); err != nil {
			t.Errorf("the connection of the first certificate: %v", err)
		}
		_ = open.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(open), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("the connection of the first certificate: %v", err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	ask()
	first := shown(t, p.Address)

	second := exchange(t, cert, key)
	began := time.Now()
	waitFor(t, 5*time.Second, "the new certificate isn't shown", func() bool { return shown(t, p.Address).Equal(second) })
	t.Logf("shown after %v", time.Since(began))

	third := exchange(t, cert, key)
	if err := p.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	waitFor(t, time.Second, "the new certificate isn't shown after SIGHUP", func() bool { return shown(t, p.Address).Equal(third) })
	t.Logf("shown %v after SIGHUP", time.Since(began))
	if first.Equal(second) || second.Equal(third) {
		t.Error("nothing changed")
	}
	got := lookAt(t, ops)
	if got["valetkey_tls_certificate_not_after_timestamp_seconds"] != float64(third.NotAfter.Unix()) || got["valetkey_tls_reload_failures_total"] != 0 {
		t.Errorf("%v", got["valetkey_tls_certificate_not_after_timestamp_seconds"])
	}

	_, otherKey, _ := certificate(t)
	content, err := os.ReadFile(otherKey)
	if err == nil {
		err = os.WriteFile(key, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, 5*time.Second, "a pair that doesn't fit isn't counted", func() bool { return lookAt(t, ops)["valetkey_tls_reload_failures_total"] == 1 })
	if !shown(t, p.Address).Equal(third) {
		t.Error("a pair that doesn't fit changed something")
	}
	ask()
}

func waitFor(t *testing.T, patience time.Duration, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal(what)
		}
	}
}
