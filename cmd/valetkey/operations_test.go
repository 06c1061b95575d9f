package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// pairUntil is a pair that ends at a time.
func pairUntil(t *testing.T, until time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// TestCertificateLooks: a half-written pair is waited for, one that can't be used
// is counted once and leaves the old one, and a good one takes its place.
func TestCertificateLooks(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	cert, key := pairUntil(t, soon)
	s := &Settings{TLSCert: file(t, cert), TLSKey: file(t, key)}
	c, err := s.certificate(discard)
	if err != nil || !c.NotAfter().Equal(soon) {
		t.Fatalf("%v %v", err, c.NotAfter())
	}
	put := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, until time.Time, failures uint64) {
		t.Helper()
		if !c.NotAfter().Equal(until) || c.Failures() != failures {
			t.Errorf("%s: until %v, %d failures", when, c.NotAfter(), c.Failures())
		}
	}
	c.look()
	expect("nothing changed", soon, 0)

	later := soon.Add(time.Hour)
	newCert, newKey := pairUntil(t, later)
	put(s.TLSCert, newCert)
	c.look()
	put(s.TLSKey, newKey)
	c.look()
	expect("written one after the other", soon, 0)
	c.look()
	expect("both lie still", later, 0)

	put(s.TLSKey, key)
	for range 4 {
		c.look()
	}
	expect("a key of another", later, 1)
	if err := os.Remove(s.TLSKey); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		c.look()
	}
	expect("no key", later, 2)

	oldCert, oldKey := pairUntil(t, time.Now().Add(-time.Minute))
	put(s.TLSCert, oldCert)
	put(s.TLSKey, oldKey)
	for range 4 {
		c.look()
	}
	expect("one that has expired", later, 3)
	put(s.TLSCert, cert)
	put(s.TLSKey, key)
	c.reload()
	expect("by a signal", soon, 3)
}

// TestProfiles: they are there beside the operations, and only when asked for.
func TestProfiles(t *testing.T) {
	operations := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			http.NotFound(w, r)
		}
	})
	for path, want := range map[string]int{"/healthz": 200, "/debug/pprof/": 200, "/debug/pprof/heap?debug=1": 200, "/debug/pprof/cmdline": 200, "/debug": 404} {
		w := httptest.NewRecorder()
		withProfiles(operations).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
		w = httptest.NewRecorder()
		operations.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if strings.HasPrefix(path, "/debug") && w.Code != 404 {
			t.Errorf("%s without profiles: %d", path, w.Code)
		}
	}
}

// TestHealthURL: where a server is asked on its own machine.
func TestHealthURL(t *testing.T) {
	for want, s := range map[string]Settings{
		"http://127.0.0.1:8080/healthz":  {Listen: ":8080"},
		"http://127.0.0.1:80/healthz":    {Listen: "0.0.0.0:80"},
		"http://127.0.0.1:81/healthz":    {Listen: "[::]:81"},
		"http://[::1]:82/healthz":        {Listen: "[::1]:82"},
		"https://10.0.0.1:443/healthz":   {Listen: "10.0.0.1:443", TLSCert: "a"},
		"http://127.0.0.1:8090/healthz":  {Listen: ":443", TLSCert: "a", OpsListen: ":8090"},
		"http://ops.internal:91/healthz": {Listen: ":443", OpsListen: "ops.internal:91"},
	} {
		if got := s.healthURL(); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
