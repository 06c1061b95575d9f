package test

import (
	"crypto/x509"
	"testing"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/resource"
	"github.com/valetkey/valetkey/test/harness"
)

// TestNodeFAPI2: npm's oauth4webapi by the FAPI 2.0 Security Profile and
// Message Signing, with both ways to bind a token.
func TestNodeFAPI2(t *testing.T) {
	needNode(t)
	ca, server := nodeAuthority(t)
	srv := startNodeMTLS(t, ca, server, func(*valetkey.Config) {})
	runNode(t, srv, "oauth4webapi_fapi2.mjs", map[string]any{
		"issuer": srv.URL, "secret": harness.Secret, "resource": "https://api.example",
		"signed": nodeCertificate(t, x509.Certificate{DNSNames: []string{"client.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca),
		"other":  nodeCertificate(t, x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca),
		"api":    startNodeAPI(t, resource.Config{Issuer: srv.URL}, nil),
		"mtls":   startNodeAPI(t, resource.Config{Issuer: srv.URL}, server),
	}, ca.trusted(t))
}
