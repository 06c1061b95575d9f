package upstream

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"golang.org/x/oauth2"
)

// step makes a Check of an attempt; remedies are looked through for what fits
// the error.
func step(name, tried string, err error, found, otherwise string) Check {
	if err == nil {
		return Check{Step: name, Tried: tried, OK: true, Found: found}
	}
	do := advice(err)
	if do == "" {
		do = otherwise
	}
	return Check{Step: name, Tried: tried, Found: err.Error(), Do: do}
}

// advice is what anybody can do about an error of the network.
func advice(err error) string {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		network     net.Error
		issuer      *issuerError
	)
	switch {
	case errors.Is(err, errPrivate):
		return "set allow_private: true if this address is meant"
	case errors.As(err, &dns):
		return "look at the host's name, and at this machine's DNS"
	case errors.As(err, &certificate):
		return "name the authority of the provider's certificate in ca_file, or have its certificate renewed"
	case errors.As(err, &record):
		return "no TLS is spoken at that port; look at the port"
	case errors.As(err, &network) && network.Timeout():
		return "nobody answers there; look at firewalls between here and the provider"
	case errors.As(err, &network):
		return "nobody listens there; look at host and port"
	case errors.As(err, &issuer):
		return fmt.Sprintf("set issuer: %s if that is the provider you mean", issuer.got)
	}
	return ""
}

func (o *oidcClient) test(ctx context.Context) (steps []Check) {
	ctx, cancel := o.out.untilDone(ctx)
	defer cancel()
	m, _, err := o.fetchMetadata(ctx)
	steps = append(steps, step("discovery", "GET "+o.rule.metadata, err, "issuer "+m.Issuer,
		"open the address in a browser: it must show the provider's metadata; the issuer is what stands before /.well-known"))
	if err != nil {
		return steps
	}
	logout := m.EndSession
	if logout == "" {
		logout = "none: signing out here won't sign out there"
	}
	steps = append(steps, Check{
		Step: "endpoints", Tried: "the addresses in the metadata", OK: true,
		Found: fmt.Sprintf("authorization %s, token %s, userinfo %s, logout %s", m.Authorization, m.Token, m.UserInfo, logout),
	})
	keys, _, err := o.fetchKeys(ctx)
	steps = append(steps, step("keys", "GET "+m.JWKS, err, fmt.Sprintf("%d keys", len(keys.keys)), "the provider must publish a key for ES256, RS256, PS256 or EdDSA"))
	return append(steps, o.tokens(m).test(ctx))
}

func (o *oauth2Client) test(ctx context.Context) []Check {
	ctx, cancel := o.out.untilDone(ctx)
	defer cancel()
	return []Check{
		o.out.reach(ctx, "authorize_url", o.c.AuthorizeURL), o.out.reach(ctx, "profile_url", o.c.ProfileURL), o.tokens().test(ctx),
	}
}

// reach is content with any answer but an error of the server's own: without a
// person there is nothing else to hope for.
func (o *outbound) reach(ctx context.Context, key, address string) Check {
	_, err := o.get(ctx, address, "")
	var status *statusError
	found := "it answers"
	if errors.As(err, &status) && status.status < http.StatusInternalServerError && status.status != http.StatusNotFound {
		found, err = status.Error(), nil
	}
	return step(key, "GET "+address, err, found, "look at "+key)
}

// test redeems a code that nobody gave: a provider that knows us says
// invalid_grant, one that doesn't invalid_client (RFC 6749 §5.2).
func (t tokenClient) test(ctx context.Context) Check {
	tried := "POST " + t.url + " with a made-up code"
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &t.out.http)
	_, err := t.config("https://invalid.example/").Exchange(ctx, "connector-test", oauth2.VerifierOption(rand.Text()+rand.Text()))
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		if err == nil {
			err = refused("the provider took a made-up code")
		}
		return step("client", tried, cause(err), "", "look at the token endpoint's address")
	}
	found := fmt.Sprintf("status %d, error %q", answer.Response.StatusCode, said(answer.ErrorCode))
	switch {
	case slices.Contains([]string{"invalid_grant", "bad_verification_code", "redirect_uri_mismatch"}, answer.ErrorCode):
		return Check{Step: "client", Tried: tried, OK: true, Found: found + ": it knows us"}
	case refusesClient(answer):
		return Check{Step: "client", Tried: tried, Found: found, Do: "look at client_id and client_secret, and at token_auth (basic or post)"}
	case !refusesCode(answer):
		return Check{Step: "client", Tried: tried, Found: found, Do: "look at the token endpoint's address; or the provider is in trouble, and another time is better"}
	}
	return Check{Step: "client", Tried: tried, OK: true, Found: found + ": neither a yes nor a no to client_id and client_secret"}
}
