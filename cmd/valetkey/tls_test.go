package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// pair is a certificate for this machine with an RSA key, which alone could be
// used for RSA key exchange.
var pair = sync.OnceValues(func() (cert, key []byte) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
})

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pemFile(t *testing.T) string {
	t.Helper()
	cert, _ := pair()
	return file(t, cert)
}

var discard = slog.New(slog.DiscardHandler)

// TestSuites: RFC 9325 §4.2: neither listener takes RSA key exchange or CBC,
// both take what is left of TLS 1.2, and TLS 1.3.
func TestSuites(t *testing.T) {
	cert, key := pair()
	s := &Settings{TLSCert: file(t, cert), TLSKey: file(t, key)}
	config, err := s.tls()
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]*tls.Config{"listen": config, "mtls-listen": askCertificate(config)} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			listener, err := listen(ctx, "127.0.0.1:0", config)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if len(r.TLS.PeerCertificates) > 0 {
					_, _ = io.WriteString(w, "shown")
				}
			})
			go func() { ended <- serveAll(ctx, []door{{answer, listener}}, discard) }()
			address := listener.Addr().String()
			for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
				version := suite.SupportedVersions[len(suite.SupportedVersions)-1]
				want := version == tls.VersionTLS13 || taken[suite.ID]
				conn, err := tls.Dial("tcp", address, &tls.Config{
					InsecureSkipVerify: true, CipherSuites: []uint16{suite.ID}, MinVersion: version, MaxVersion: version,
				})
				if (err == nil) != want {
					t.Errorf("%s: %v, want %v", suite.Name, err, want)
				}
				if err == nil {
					_ = conn.Close()
				}
			}
			for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
				if conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version}); err == nil {
					_ = conn.Close()
					t.Errorf("version %x was taken", version)
				}
			}
			shows(t, name, address)
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// taken are the suites of TLS 1.2 that an RSA certificate can serve.
var taken = map[uint16]bool{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: true, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: true,
}

// shows asks twice over new connections: the second listener sees the client's
// certificate each time, for no session is resumed there.
func shows(t *testing.T, name, address string) {
	t.Helper()
	cert, key := pair()
	own, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	for range 2 {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + address)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if (string(body) == "shown") != (name == "mtls-listen") {
			t.Errorf("%q", body)
		}
		if name == "mtls-listen" && resp.TLS.DidResume {
			t.Error("a session was resumed")
		}
	}
}

// TestDoorsStopTogether: a door that can't serve ends the others.
func TestDoorsStopTogether(t *testing.T) {
	good, err := listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = broken.Close()
	if err := serveAll(t.Context(), []door{{http.NotFoundHandler(), good}, {http.NotFoundHandler(), broken}}, discard); err == nil {
		t.Error("no error")
	}
	if conn, err := net.Dial("tcp", good.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the other door is open")
	}
}
