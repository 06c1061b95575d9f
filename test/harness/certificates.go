package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net"
	"sync"
	"time"
)

// Authority signs certificates, for this machine's servers and for clients.
type Authority struct {
	Pool *x509.CertPool

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// TestAuthority is the one that servers under test trust.
var TestAuthority = sync.OnceValues(NewAuthority)

// NewAuthority makes an authority.
func NewAuthority() (*Authority, error) {
	template := certificateTemplate(pkix.Name{CommonName: "Test Authority"})
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	made, err := signCertificate(template, nil)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(made.Leaf)
	return &Authority{Pool: pool, certificate: made.Leaf, key: made.PrivateKey.(*ecdsa.PrivateKey)}, nil
}

// Server is a certificate for a server on this machine.
func (a *Authority) Server() (*tls.Certificate, error) {
	template := certificateTemplate(pkix.Name{CommonName: "localhost"})
	template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return signCertificate(template, a)
}

// Client is a certificate for a client: its subject is CN=name,O=Tests and its
// DNS name name.client.example.
func (a *Authority) Client(name string) (*tls.Certificate, error) {
	return signCertificate(clientTemplate(name), a)
}

// SelfSigned is a client's own certificate.
func SelfSigned(name string) (*tls.Certificate, error) {
	return signCertificate(clientTemplate(name), nil)
}

func clientTemplate(name string) *x509.Certificate {
	template := certificateTemplate(pkix.Name{CommonName: name, Organization: []string{"Tests"}})
	template.DNSNames = []string{name + ".client.example"}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return template
}

// certificateTemplate lasts longer than a test's clock moves.
func certificateTemplate(subject pkix.Name) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
}

// signCertificate: by nil the certificate is signed by its own key.
func signCertificate(template *x509.Certificate, by *Authority) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// CertificateJWKS is a set with the key of a certificate, as a client of
// self_signed_tls_client_auth registers it: RFC 8705 §2.2.2.
func CertificateJWKS(c *tls.Certificate) (string, error) {
	point, err := c.PrivateKey.(*ecdsa.PrivateKey).PublicKey.Bytes() // 4, x, y
	b64 := base64.RawURLEncoding
	return `{"keys":[{"kty":"EC","crv":"P-256","x":"` + b64.EncodeToString(point[1:33]) + `","y":"` + b64.EncodeToString(point[33:]) +
		`","x5c":["` + base64.StdEncoding.EncodeToString(c.Leaf.Raw) + `"]}]}`, err
}

// Thumbprint is a certificate's x5t#S256: RFC 8705 §3.1.
func Thumbprint(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
