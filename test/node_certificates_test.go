package test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/resource"
	"github.com/valetkey/valetkey/test/harness"
)

// nodePair is a certificate and its key, for node in PEM.
type nodePair struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`

	leaf *x509.Certificate
	key  crypto.Signer
}

// nodeCertificate makes a certificate, by itself without an authority.
func nodeCertificate(t *testing.T, template x509.Certificate, by *nodePair) *nodePair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &nodePair{key: key}
	template.SerialNumber, template.BasicConstraintsValid = big.NewInt(time.Now().UnixNano()), true
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := &template, crypto.Signer(key)
	if by != nil {
		parent, signer = by.leaf, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if p.leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.Cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return p
}

// nodeAuthority is a certificate authority, and a loopback server's pair by it.
func nodeAuthority(t *testing.T) (ca, server *nodePair) {
	t.Helper()
	ca = nodeCertificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	return ca, nodeCertificate(t, x509.Certificate{
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca)
}

func (p *nodePair) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.leaf)
	return pool
}

// trusted is the environment in which node trusts an authority.
func (p *nodePair) trusted(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(p.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	return "NODE_EXTRA_CA_CERTS=" + file
}

// asking is a TLS configuration that asks clients for a certificate.
func (p *nodePair) asking() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{p.leaf.Raw}, PrivateKey: p.key}},
	}
}

// startNodeMTLS is start with a second listener that asks for certificates.
func startNodeMTLS(t *testing.T, ca, server *nodePair, change func(*valetkey.Config)) *harness.Server {
	t.Helper()
	side := httptest.NewUnstartedServer(nil)
	t.Cleanup(side.Close)
	c := setup(databases["sqlite"](t))
	c.MTLSURL, c.ClientCAs = "https://"+side.Listener.Addr().String(), ca.pool()
	change(&c)
	srv := harness.Start(t, c)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	side.Config.Handler, side.TLS = srv.MTLS(), server.asking()
	side.StartTLS()
	return srv
}

// startNodeAPI is an API that package resource protects; it tells a caller with
// orgs:read who it is. With a server's pair it is served by https.
func startNodeAPI(t *testing.T, c resource.Config, server *nodePair) string {
	t.Helper()
	c.Audience = "https://api.example"
	api := resource.New(c)
	t.Cleanup(api.Close)
	s := httptest.NewUnstartedServer(api.Require("orgs:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(resource.FromContext(r.Context()))
	})))
	t.Cleanup(s.Close)
	if server == nil {
		s.Start()
		return s.URL
	}
	s.TLS = server.asking()
	s.StartTLS()
	return s.URL
}
