package endpoint

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// ClientCertificates returns what a client showed: on this connection, or in
// header to a trusted proxy that hands it on. From anybody else the header is
// not looked at: RFC 8705 §6.5, RFC 9700 §4.13.
func (f *Front) ClientCertificates(header string) func(*http.Request) []*x509.Certificate {
	return func(r *http.Request) []*x509.Certificate {
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			return r.TLS.PeerCertificates
		}
		if header == "" || len(r.Header[http.CanonicalHeaderKey(header)]) != 1 {
			return nil
		}
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !f.trusted(host) {
			return nil
		}
		return parseCertificate(r.Header.Get(header))
	}
}

// parseCertificate reads RFC 9440's Client-Cert, or a PEM that is
// percent-encoded as nginx writes it.
func parseCertificate(value string) []*x509.Certificate {
	var der []byte
	if inner, found := strings.CutPrefix(value, ":"); found {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(inner, ":"))
		if err != nil {
			return nil
		}
		der = raw
	} else {
		text, err := url.PathUnescape(value)
		if err != nil {
			return nil
		}
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil
		}
		der = block.Bytes
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return []*x509.Certificate{leaf}
}
