package oauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/valetkey/valetkey/internal/jose"
)

// byCertificate: the client sends its client_id alone and proves itself by the
// certificate of the connection, so only its registration tells this from a
// public client. RFC 8705 §2.
func (c *Client) byCertificate() bool {
	return c.AuthMethod == AuthTLS || c.AuthMethod == AuthSelfSigned
}

// neverTried: what was sent looks like a public client's request; see
// byCertificate.
func neverTried(Credentials) (string, bool, *Error) { return "", false, nil }

// checkTLS: RFC 8705 §2.1, a certificate of an authority that we trust, with
// the one name that the client registered.
func checkTLS(ctx context.Context, s *Server, c *Client, given Credentials) error {
	if len(given.Certificates) == 0 {
		return s.failedCertificate(ctx, c, "no client certificate came with the connection", nil)
	}
	leaf := given.Certificates[0]
	between := x509.NewCertPool()
	for _, one := range given.Certificates[1:] {
		between.AddCert(one)
	}
	if s.ClientCAs == nil {
		return s.failedCertificate(ctx, c, "no authority for client certificates is configured", nil)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: s.ClientCAs, Intermediates: between, CurrentTime: s.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	switch {
	case err != nil:
		return s.failedCertificate(ctx, c, "the client certificate is not of a trusted authority, or has expired", err)
	case !c.namedBy(leaf):
		return s.failedCertificate(ctx, c, "the client certificate has another subject than the app registered", nil)
	}
	return nil
}

// namedBy: RFC 8705 §2.1.2, exactly one of the five is registered.
func (c *Client) namedBy(leaf *x509.Certificate) bool {
	switch {
	case c.TLSDN != "":
		return sameDN(leaf, c.TLSDN)
	case c.TLSDNS != "":
		return slices.Contains(leaf.DNSNames, c.TLSDNS)
	case c.TLSURI != "":
		return slices.ContainsFunc(leaf.URIs, func(u *url.URL) bool { return u.String() == c.TLSURI })
	case c.TLSIP != "":
		ip := net.ParseIP(c.TLSIP)
		return ip != nil && slices.ContainsFunc(leaf.IPAddresses, ip.Equal)
	case c.TLSEmail != "":
		return slices.Contains(leaf.EmailAddresses, c.TLSEmail)
	}
	return false
}

// sameDN compares names part by part, so that no comma or NUL inside a value
// passes for two: RFC 4514. The text's order is the reverse of the
// certificate's (§2.1).
func sameDN(leaf *x509.Certificate, registered string) bool {
	want, err := ldap.ParseDN(registered)
	if err != nil {
		return false
	}
	have, err := subjectDN(leaf)
	return err == nil && normalDN(want).Equal(have)
}

// attributeNames: RFC 4514 §3, and those that certificates have besides.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
	"2.5.4.5": "SERIALNUMBER", "2.5.4.97": "ORGANIZATIONIDENTIFIER", "2.5.4.15": "BUSINESSCATEGORY", "2.5.4.17": "POSTALCODE",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID", "1.2.840.113549.1.9.1": "EMAILADDRESS",
	"1.3.6.1.4.1.311.60.2.1.3": "JURISDICTIONCOUNTRYNAME",
}

// subjectDN reads a certificate's subject as RFC 4514 writes it, last part first.
func subjectDN(leaf *x509.Certificate) (*ldap.DN, error) {
	var parts pkix.RDNSequence
	if rest, err := asn1.Unmarshal(leaf.RawSubject, &parts); err != nil || len(rest) > 0 {
		return nil, errors.New("subject is not well-formed")
	}
	dn := &ldap.DN{}
	for _, part := range slices.Backward(parts) {
		rdn := &ldap.RelativeDN{}
		for _, a := range part {
			text, ok := a.Value.(string)
			if !ok {
				return nil, errors.New("subject has a part that is no text")
			}
			rdn.Attributes = append(rdn.Attributes, &ldap.AttributeTypeAndValue{Type: attributeName(a.Type.String()), Value: text})
		}
		dn.RDNs = append(dn.RDNs, rdn)
	}
	return dn, nil
}

// attributeName writes one kind of attribute one way, be it named by number,
// by short name or by an older one.
func attributeName(kind string) string {
	if name, known := attributeNames[strings.TrimPrefix(strings.ToLower(kind), "oid.")]; known {
		return name
	}
	switch upper := strings.ToUpper(kind); upper {
	case "E", "EMAIL":
		return "EMAILADDRESS"
	case "S":
		return "ST"
	default:
		return upper
	}
}

func normalDN(dn *ldap.DN) *ldap.DN {
	for _, rdn := range dn.RDNs {
		for _, a := range rdn.Attributes {
			a.Type = attributeName(a.Type)
		}
	}
	return dn
}

// checkSelfSigned: RFC 8705 §2.2, the certificate's key is one of those that the
// client registered; who signed it and until when is of no matter.
func checkSelfSigned(ctx context.Context, s *Server, c *Client, given Credentials) error {
	if len(given.Certificates) == 0 {
		return s.failedCertificate(ctx, c, "no client certificate came with the connection", nil)
	}
	document := []byte(c.JWKS)
	if c.JWKSURI != "" {
		set, err := s.keySet(ctx, c.JWKSURI, "")
		if err != nil {
			return s.failedCertificate(ctx, c, "the keys of the app could not be had", err)
		}
		document = set.body
	}
	keys, certificates, err := jose.CertificateKeys(document)
	if err != nil {
		return s.failedCertificate(ctx, c, "the keys of the app are not well-formed", err)
	}
	leaf := given.Certificates[0]
	for _, der := range certificates {
		if bytes.Equal(der, leaf.Raw) {
			return nil
		}
	}
	for _, key := range keys {
		if equal, ok := key.(interface{ Equal(x crypto.PublicKey) bool }); ok && equal.Equal(leaf.PublicKey) {
			return nil
		}
	}
	return s.failedCertificate(ctx, c, "the client certificate is none that the app registered", nil)
}

func (s *Server) failedCertificate(ctx context.Context, c *Client, why string, cause error) error {
	s.problem(ctx, c, invalidClient("%s", why), "", nil)
	return invalidClient("client authentication failed").because(errors.Join(errors.New(why), cause))
}
