package test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// caseAuthority signs client certificates.
type caseAuthority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *caseAuthority {
	t.Helper()
	a := &caseAuthority{key: p256(t)}
	a.cert = signed(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Client CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, nil, a.key.Public(), a.key)
	return a
}

func p256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t *testing.T, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue signs a client's certificate as change wants it.
func (a *caseAuthority) issue(t *testing.T, change func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "client.example", Organization: []string{"Acme, Inc."}, Country: []string{"DE"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	key := p256(t)
	cert := signed(t, template, a.cert, key.Public(), a.key)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// mtlsBed is a server with a listener that asks for client certificates.
type mtlsBed struct {
	*harness.Server
	ca    *caseAuthority
	url   string
	roots *x509.CertPool
}

func newMTLSBed(t *testing.T) *mtlsBed {
	t.Helper()
	certFile, keyFile, roots := certificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &mtlsBed{ca: newAuthority(t), roots: roots, url: "https://" + strings.Replace(listener.Addr().String(), "127.0.0.1", "localhost", 1)}
	config := setup(databases["sqlite"](t))
	config.MTLSURL, config.ClientCAs = b.url, x509.NewCertPool()
	config.ClientCAs.AddCert(b.ca.cert)
	b.Server = harness.Start(t, config)
	if err := harness.Populate(b.Server); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b.MTLS(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: nil}
	go func() {
		_ = server.Serve(tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
		}))
	}()
	t.Cleanup(func() { _ = server.Close() })
	return b
}

// send posts a form with a client certificate, or gets with a token.
func (b *mtlsBed) send(t *testing.T, method, path string, cert *tls.Certificate, form url.Values, headers ...string) *harness.Answer {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: b.roots}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := &harness.Answer{Status: resp.StatusCode, Header: resp.Header}
	_ = json.NewDecoder(resp.Body).Decode(&a.JSON)
	return a
}

// Test146Certificates: who a certificate must be of, and what it must say.
// RFC 8705 §2, §2.1, §2.1.2, §5, RFC 4514 §2.1, §3.
func Test146Certificates(t *testing.T) {
	b := newMTLSBed(t)
	methods := map[string]oauth.Metadata{
		"dn":   {TLSDN: `CN=client.example,O=Acme\, Inc.,C=DE`},
		"dns":  {TLSDNS: "client.example"},
		"uri":  {TLSURI: "spiffe://example/client"},
		"ip":   {TLSIP: "192.0.2.7"},
		"mail": {TLSEmail: "client@example.com"},
	}
	for id, m := range methods {
		m.Type, m.AuthMethod, m.GrantTypes = oauth.TypeService, oauth.AuthTLS, []string{oauth.GrantClientCredentials}
		register(t, b.Server, id, m)
	}
	ask := func(client string, cert *tls.Certificate) string {
		return result(b.send(t, "POST", "/token", cert, url.Values{"grant_type": {"client_credentials"}, "client_id": {client}}))
	}
	spiffe, _ := url.Parse("spiffe://example/client")
	full := func(c *x509.Certificate) {
		c.DNSNames, c.URIs, c.IPAddresses, c.EmailAddresses = []string{"client.example"}, []*url.URL{spiffe}, []net.IP{net.ParseIP("192.0.2.7")}, []string{"client@example.com"}
	}
	good := b.ca.issue(t, full)
	for id := range methods {
		if got := ask(id, good); got != "OK" {
			t.Errorf("good %s: %s", id, got)
		}
	}
	other := newAuthority(t)
	for id, c := range map[string]struct {
		client string
		cert   *tls.Certificate
	}{
		"no certificate": {"dn", nil},
		"wrong CA":       {"dn", other.issue(t, full)},
		"expired":        {"dn", b.ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
		"not yet":        {"dn", b.ca.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })},
		"for servers":    {"dn", b.ca.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })},
		"other CN":       {"dn", b.ca.issue(t, func(c *x509.Certificate) { c.Subject.CommonName = "evil.example" })},
		"CN with comma":  {"dn", b.ca.issue(t, func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "client.example,O=Acme, Inc.,C=DE"} })},
		"CN with NUL":    {"dn", b.ca.issue(t, func(c *x509.Certificate) { c.Subject.CommonName = "client.example\x00evil" })},
		"second CN": {"dn", b.ca.issue(t, func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: []int{2, 5, 4, 3}, Value: "evil"}}
		})},
		"SAN mismatch":     {"dns", b.ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"evil.example"} })},
		"SAN wildcard":     {"dns", b.ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.example"} })},
		"name as CN":       {"dns", b.ca.issue(t, nil)},
		"IP mismatch":      {"ip", b.ca.issue(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("192.0.2.8")} })},
		"email mismatch":   {"mail", b.ca.issue(t, func(c *x509.Certificate) { c.EmailAddresses = []string{"evil@example.com"} })},
		"another's client": {"service", good},
	} {
		if got := ask(c.client, c.cert); got != "Unauthorized invalid_client" {
			t.Errorf("146 %s: %s", id, got)
		}
	}
	document := bearer(t, b.Server, "GET", "/.well-known/openid-configuration", "", "")
	aliases, _ := document.JSON["mtls_endpoint_aliases"].(map[string]any)
	if aliases["token_endpoint"] != b.url+"/token" || document.JSON["tls_client_certificate_bound_access_tokens"] != true {
		t.Errorf("metadata: %v", aliases)
	}
	if got := result(b.send(t, "GET", "/login", nil, nil)); got != "Not Found" {
		t.Errorf("a page at the other address: %s", got)
	}
}

// Test148BoundToCertificate: self-signed certificates, tokens bound to them.
// RFC 8705 §2.2, §3, §3.1, §3.2, §3.4, §4.
func Test148BoundToCertificate(t *testing.T) {
	b := newMTLSBed(t)
	self := newAuthority(t)
	cert, stranger := self.issue(t, nil), self.issue(t, nil)
	key := &caseKey{alg: "ES256", kid: "k", private: cert.PrivateKey.(crypto.Signer)}
	register(t, b.Server, "self", oauth.Metadata{
		Type: oauth.TypeWeb, AuthMethod: oauth.AuthSelfSigned, JWKS: jwksOf(key), RedirectURIs: []string{harness.Callback}, BoundCertificate: true,
	})
	code := flow(t, b.Server, url.Values{"client_id": {"self"}, "scope": {"openid offline_access"}})
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"self"}, "code": {code}, "code_verifier": {verifier}}
	for id, c := range map[string]*tls.Certificate{"none": nil, "another": stranger} {
		if got := result(b.send(t, "POST", "/token", c, form)); got != "Unauthorized invalid_client" {
			t.Errorf("%s: %s", id, got)
		}
	}
	if got := result(call(t, b.Server, "/token", "", form)); got != "Unauthorized invalid_client" {
		t.Errorf("at the plain address: %s", got)
	}
	tokens := b.send(t, "POST", "/token", cert, form)
	if tokens.Status != 200 {
		t.Fatalf("token: %v", tokens.JSON)
	}
	sum := sha256.Sum256(cert.Leaf.Raw)
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	if cnf, _ := payload(t, tokens.String("access_token"))["cnf"].(map[string]any); cnf["x5t#S256"] != want || tokens.String("token_type") != "Bearer" {
		t.Errorf("148: cnf %v", cnf)
	}
	in := b.send(t, "POST", "/introspect", cert, url.Values{"client_id": {"self"}, "token": {tokens.String("access_token")}})
	if cnf, _ := in.JSON["cnf"].(map[string]any); cnf["x5t#S256"] != want {
		t.Errorf("148 introspection: %v", in.JSON)
	}
	at := func(c *tls.Certificate) *harness.Answer {
		return b.send(t, "GET", "/userinfo", c, nil, "Authorization", "Bearer "+tokens.String("access_token"))
	}
	if a := at(cert); a.Status != 200 {
		t.Errorf("userinfo: %v", a.JSON)
	}
	for id, c := range map[string]*tls.Certificate{"no certificate": nil, "another": stranger} {
		if a := at(c); a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `Bearer error="invalid_token"`) {
			t.Errorf("148 %s: %d %s", id, a.Status, a.Header.Get("WWW-Authenticate"))
		}
	}
	if a := bearer(t, b.Server, "GET", "/userinfo", "Bearer "+tokens.String("access_token"), ""); a.Status != 401 {
		t.Errorf("148 at the plain address: %d", a.Status)
	}
	if a := b.send(t, "POST", "/token", cert, url.Values{"grant_type": {"refresh_token"}, "client_id": {"self"}, "refresh_token": {tokens.String("refresh_token")}}); a.Status != 200 {
		t.Errorf("refresh: %v", a.JSON)
	}
}

// Test149ForgedHeaders: a header with a certificate counts from a trusted proxy.
// RFC 8705 §6.5, RFC 9700 §4.13, RFC 9440.
func Test149ForgedHeaders(t *testing.T) {
	cert := newAuthority(t).issue(t, nil)
	escaped := url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Leaf.Raw})))
	escaped = strings.ReplaceAll(escaped, "+", "%20")
	rfc9440 := ":" + base64.StdEncoding.EncodeToString(cert.Leaf.Raw) + ":"
	key := &caseKey{alg: "ES256", kid: "k", private: cert.PrivateKey.(crypto.Signer)}
	for name, c := range map[string]struct {
		proxies []netip.Prefix
		want    string
	}{
		"trusted":   {[]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, "OK"},
		"untrusted": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "Unauthorized invalid_client"},
	} {
		config := setup(databases["sqlite"](t))
		config.CertificateHeader, config.TrustedProxies = "Client-Cert", c.proxies
		srv := harness.Start(t, config)
		register(t, srv, "self", oauth.Metadata{Type: oauth.TypeService, AuthMethod: oauth.AuthSelfSigned, JWKS: jwksOf(key), GrantTypes: []string{oauth.GrantClientCredentials}})
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"self"}}
		for form2, value := range map[string]string{"RFC 9440": rfc9440, "PEM": escaped} {
			if got := result(post(t, srv, "/token", form, "Client-Cert", value)); got != c.want {
				t.Errorf("149 %s %s: %s", name, form2, got)
			}
			if got := result(post(t, srv, "/token", form, "X-SSL-Client-Cert", value)); got != "Unauthorized invalid_client" {
				t.Errorf("149 %s, another header: %s", name, got)
			}
		}
		if got := result(post(t, srv, "/token", form, "Client-Cert", rfc9440, "Client-Cert", rfc9440)); got != "Unauthorized invalid_client" {
			t.Errorf("149 %s, two headers: %s", name, got)
		}
		if got := result(post(t, srv, "/token", form, "Client-Cert", "junk")); got != "Unauthorized invalid_client" {
			t.Errorf("149 %s, junk: %s", name, got)
		}
	}
}
