//go:build unix

package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/directory"
)

// listen answers each connection by do, and counts them.
func listen(t *testing.T, do func(net.Conn)) (address string, heard *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	heard = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			go func() {
				defer func() { _ = c.Close() }()
				do(c)
			}()
		}
	}()
	return l.Addr().String(), heard
}

// reply reads one LDAP message and answers its id with an LDAPResult (RFC 4511
// §4.1.9) of the operation tag, the code and a referral.
func reply(c net.Conn, tag, code byte, referral string) bool {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return false
	}
	length := int(head[1])
	if length > 0x7f { // that many bytes of length follow
		long := make([]byte, length&0x7f)
		if _, err := io.ReadFull(c, long); err != nil {
			return false
		}
		length = 0
		for _, b := range long {
			length = length<<8 | int(b)
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c, body); err != nil || len(body) < 3 {
		return false
	}
	result := []byte{0x0a, 1, code, 4, 0, 4, 0}
	if referral != "" {
		uri := append([]byte{4, byte(len(referral))}, referral...)
		result = append(append(result, 0xa3, byte(len(uri))), uri...)
	}
	op := append([]byte{tag, byte(len(result))}, result...)
	message := append(append([]byte{}, body[:3]...), op...)
	_, err := c.Write(append([]byte{0x30, byte(len(message))}, message...))
	return err == nil
}

const (
	bindResponse     = 0x61
	searchDone       = 0x65
	extendedResponse = 0x78
)

func wait(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Case 280: a directory that isn't the right one, or doesn't answer, gets no
// password and lets nobody in.
func TestCase280Hostile(t *testing.T) {
	elsewhere, heard := listen(t, func(net.Conn) {})
	uri := "ldap://" + elsewhere + "/dc=x"
	for name, tt := range map[string]struct {
		do   func(net.Conn)
		want string
	}{
		"StartTLS refused":     {func(c net.Conn) { reply(c, extendedResponse, 2, ""); wait(c) }, "StartTLS: result 2"},
		"StartTLS unavailable": {func(c net.Conn) { reply(c, extendedResponse, 52, ""); wait(c) }, "StartTLS: result 52"},
		"StartTLS referral":    {func(c net.Conn) { reply(c, extendedResponse, 10, uri); wait(c) }, "StartTLS: result 10"},
		"StartTLS, then not":   {func(c net.Conn) { reply(c, extendedResponse, 0, ""); _, _ = c.Write([]byte("hello")); wait(c) }, "StartTLS: "},
		"silent":               {wait, "StartTLS: "},
		"closed":               {func(net.Conn) {}, "StartTLS: "},
		"no LDAP":              {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); wait(c) }, "StartTLS: "},
		"endless":              {func(c net.Conn) { endless(c) }, "StartTLS: "},
	} {
		address, _ := listen(t, func(c net.Conn) {
			tt.do(c)
		})
		c := impatient(t, 200*time.Millisecond, Config{Name: "l", Kind: "ldap", URL: List{"ldap://" + address}, Base: "dc=x"})
		before := time.Now()
		got := outcome(c.Password(t.Context(), "alice", "topsecret"))
		expect(t, name, got, "unavailable: ldap://"+address+": ", tt.want)
		if took := time.Since(before); took > 2*time.Second {
			t.Errorf("%s: after %s", name, took)
		}
	}
	if heard.Load() != 0 {
		t.Error("a referral was followed")
	}
}

// endless is one value of a gigabyte, of a message that never ends.
func endless(c net.Conn) {
	_, _ = c.Write([]byte{0x30, 0x84, 0x40, 0, 0, 0, 2, 1, 1, 0x78, 0x84, 0x3f, 0, 0, 0, 0x04, 0x84, 0x3e, 0, 0, 0})
	for block := make([]byte, 64<<10); ; {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

// Case 280 on a bare connection, which this machine alone may have: referrals
// of a bind and of a search, and silence at each step.
func TestCase280Referral(t *testing.T) {
	elsewhere, heard := listen(t, func(net.Conn) {})
	uri := "ldap://" + elsewhere + "/dc=x"
	bind := func(c net.Conn, code byte) { reply(c, bindResponse, code, uri) }
	for name, tt := range map[string]struct {
		do   func(net.Conn)
		want string
	}{
		"bind":            {func(c net.Conn) { bind(c, 10); wait(c) }, "unavailable: as bind_dn: bind: result 10"},
		"search":          {func(c net.Conn) { bind(c, 0); reply(c, searchDone, 10, uri); wait(c) }, `unavailable: search below "dc=x": result 10`},
		"search, nothing": {func(c net.Conn) { bind(c, 0); reply(c, searchDone, 0, uri); wait(c) }, "wrong: no entry"},
		"silent bind":     {wait, "unavailable: as bind_dn"},
		"silent search":   {func(c net.Conn) { bind(c, 0); wait(c) }, "unavailable: search below"},
		"busy":            {func(c net.Conn) { bind(c, 51); wait(c) }, "unavailable: as bind_dn: bind: result 51"},
		"endless":         {endless, "unavailable: as bind_dn"},
	} {
		address, _ := listen(t, tt.do)
		c := impatient(t, 200*time.Millisecond, Config{
			Name: "l", Kind: "ldap", URL: List{"ldap://" + address}, StartTLS: &no, Base: "dc=x", BindDN: "cn=r,dc=x", BindPassword: "topsecret",
		})
		expect(t, name, outcome(c.Password(t.Context(), "alice", "topsecret")), tt.want)
	}
	if heard.Load() != 0 {
		t.Error("a referral was followed")
	}
}

// Case 280: certificates of another host, of another authority, and of
// yesterday.
func TestCase280Certificates(t *testing.T) {
	d := directory.Start(t)
	otherHost := func(u string) string { return strings.Replace(u, "127.0.0.1", "localhost", 1) }
	old, oldCA := expired(t)
	for name, tt := range map[string]struct {
		url, ca, want string
	}{
		"another host":                   {otherHost(d.SecureURL), d.CAFile, "localhost"},
		"another host by StartTLS":       {otherHost(d.URL), d.CAFile, "localhost"},
		"another authority":              {d.SecureURL, oldCA, "unknown authority"},
		"another authority, by StartTLS": {d.URL, oldCA, "unknown authority"},
		"system's authorities":           {d.SecureURL, "", "unknown authority"},
		"yesterday's":                    {"ldaps://" + old, oldCA, "expired"},
		"ldaps to the other port":        {strings.Replace(d.URL, "ldap:", "ldaps:", 1), d.CAFile, "TLS"},
		"ldap to the TLS port":           {strings.Replace(d.SecureURL, "ldaps:", "ldap:", 1), d.CAFile, "StartTLS"},
	} {
		c := impatient(t, time.Second, with(ldapConfig(d, "ldap"), func(c *Config) { c.URL, c.CAFile = List{tt.url}, tt.ca }))
		expect(t, name, outcome(c.Password(t.Context(), "alice", directory.Password)), "unavailable: ", tt.want)
	}
}

// expired serves TLS with a certificate that was good until yesterday.
func expired(t *testing.T) (address, caFile string) {
	t.Helper()
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err2 := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	caFile = filepath.Join(t.TempDir(), "old.pem")
	err3 := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	address, _ = listen(t, func(c net.Conn) { _ = tls.Server(c, config).Handshake() })
	return address, caFile
}
