package test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/resource"
	"github.com/valetkey/valetkey/test/harness"
)

// TestNodeRequests: npm's openid-client with requests and answers in every
// shape that the code flow knows.
func TestNodeRequests(t *testing.T) {
	needNode(t)
	c := setup(databases["sqlite"](t))
	c.FetchAllowLoopback = true
	srv := harness.Start(t, c)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	runNode(t, srv, "openid_client_requests.mjs", map[string]string{"issuer": srv.URL, "resource": "https://api.example", "secret": harness.Secret})
}

// TestNodeBinding: npm's openid-client with keys and certificates that tokens
// are bound to, at a server and an API that both want nonces, and with every
// other way to a token.
func TestNodeBinding(t *testing.T) {
	needNode(t)
	ca, server := nodeAuthority(t)
	client := x509.Certificate{
		Subject:     pkix.Name{CommonName: "nightly, the job", Organization: []string{"Example"}, Country: []string{"UK"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	signed, own, other := nodeCertificate(t, client, ca), nodeCertificate(t, client, nil), nodeCertificate(t, x509.Certificate{}, ca)
	voucher := nodeCertificate(t, x509.Certificate{}, nil) // only its key is of use
	srv := startNodeMTLS(t, ca, server, func(c *valetkey.Config) {
		c.DPoPNonce, c.Registration, c.FetchAllowLoopback = true, oauth.RegistrationOpen, true
		keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: voucher.key.Public()}}})
		if err != nil {
			t.Fatal(err)
		}
		c.TrustedIssuers = []oauth.TrustedIssuer{{Issuer: "https://idp.example", JWKS: keys, Clients: []string{"vouched"}, Match: "username"}}
	})
	runNode(t, srv, "openid_client_binding.mjs", map[string]any{
		"issuer": srv.URL, "secret": harness.Secret, "signed": signed, "own": own, "other": other, "voucher": voucher,
		"api":  startNodeAPI(t, resource.Config{Issuer: srv.URL, DPoPNonces: true}, nil),
		"mtls": startNodeAPI(t, resource.Config{Issuer: srv.URL}, server),
	}, ca.trusted(t))
}
