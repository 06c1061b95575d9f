package mail_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/valetkey/valetkey/internal/mail"
)

// office is a real SMTP server that does what the test says.
type office struct {
	t     *testing.T
	port  int
	roots *x509.CertPool
	users bool // asks for ada / pass

	mu   sync.Mutex
	got  []delivery
	from error // answers MAIL FROM
	rcpt error // answers RCPT TO
	data error // answers the content
}

type delivery struct {
	from, to, user string
	utf8           bool
	raw            []byte
}

// open starts an office that shows a certificate of the named host; change may
// alter the server before it listens.
func openOffice(t *testing.T, host string, change func(*office, *smtp.Server)) *office {
	t.Helper()
	o := &office{t: t}
	cert, roots := certify(t, host)
	o.roots = roots
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{office: o}, nil }))
	server.Domain, server.TLSConfig = "office.example", &tls.Config{Certificates: []tls.Certificate{cert}}
	server.ErrorLog, server.EnableSMTPUTF8 = log.New(io.Discard, "", 0), true
	if change != nil {
		change(o, server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.port = l.Addr().(*net.TCPAddr).Port
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return o
}

// sender is an SMTP for this office.
func (o *office) sender(change func(*mail.SMTPConfig)) *mail.SMTP {
	o.t.Helper()
	c := mail.SMTPConfig{Host: "127.0.0.1", Port: o.port, Roots: o.roots, Hello: "auth.ostock.example", Timeout: 2 * time.Second}
	if change != nil {
		change(&c)
	}
	s, err := mail.NewSMTP(c)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

func (o *office) deliveries() []delivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]delivery(nil), o.got...)
}

type session struct {
	office *office
	d      delivery
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	if s.office.users && s.d.user == "" {
		return smtp.ErrAuthRequired
	}
	s.d.from, s.d.utf8 = from, o.UTF8
	return s.office.from
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.d.to != "" {
		return errors.New("a second recipient")
	}
	s.d.to = to
	return s.office.rcpt
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err == nil {
		err = s.office.data
	}
	if err != nil {
		return err
	}
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.d.raw = raw
	s.office.got = append(s.office.got, s.d)
	return nil
}

func (s *session) AuthMechanisms() []string {
	if s.office.users {
		return []string{sasl.Plain}
	}
	return nil
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "ada" || password != "pass" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong: " + username}
		}
		s.d.user = username
		return nil
	}), nil
}

// certify makes a certificate of a host or an address, and the pool that trusts it.
func certify(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	ca, caKey := newCert(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	of := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		of.DNSNames, of.IPAddresses = nil, []net.IP{ip}
	}
	leaf, key := newCert(t, of, ca, caKey)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}, roots
}

// newCert signs by itself if there is no parent.
func newCert(t *testing.T, of, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = of, key
	}
	of.NotBefore, of.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, of, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// read takes a message apart: its headers, and its parts by media type.
func read(t *testing.T, raw []byte) (netmail.Header, map[string]string) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	parts := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		parts[kind] = string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	}
}
