package test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/harness"
)

// rsaCertificate writes a pair that could serve RSA key exchange too.
func rsaCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// freeAddress is one that a program may listen on later. It lies below the ports
// that the system gives out, so that no other test is given it meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// TestMTLSListener: CONTRACT §1, mtls-listen: a second listener, named in the
// metadata (RFC 8705 §5), that refuses what the first refuses and stops with
// it.
func TestMTLSListener(t *testing.T) {
	cert, key := rsaCertificate(t)
	side := freeAddress(t)
	p := newProcess(t, "VALETKEY_TLS_CERT="+cert, "VALETKEY_TLS_KEY="+key, "VALETKEY_MTLS_LISTEN="+side)
	issuer := "https://" + p.Address
	var out bytes.Buffer
	p.Cmd = exec.Command(p.Binary, "serve")
	p.Cmd.Env, p.Cmd.Stdout, p.Cmd.Stderr = append(p.Environment, "VALETKEY_ISSUER="+issuer), &out, &out
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	var resp *http.Response
	var err error
	for range 500 {
		if resp, err = client.Get(issuer + "/.well-known/oauth-authorization-server"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	defer resp.Body.Close()
	var metadata struct {
		Aliases map[string]string `json:"mtls_endpoint_aliases"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&metadata); err != nil || metadata.Aliases["token_endpoint"] != "https://"+side+"/token" {
		t.Errorf("%v %v", metadata, err)
	}
	for name, address := range map[string]string{"listen": p.Address, "mtls-listen": side} {
		for _, suite := range []uint16{
			tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		} {
			if conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}); err == nil {
				_ = conn.Close()
				t.Errorf("%s took %s", name, tls.CipherSuiteName(suite))
			}
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			if err != nil {
				t.Errorf("%s refused %s: %v", name, tls.VersionName(version), err)
				continue
			}
			_ = conn.Close()
		}
	}
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	p.Cmd = nil
}
