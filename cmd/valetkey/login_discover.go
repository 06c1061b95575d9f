package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// about is what a server tells about itself: RFC 8414 §2.
type about struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	Pushed        string   `json:"pushed_authorization_request_endpoint"`
	MustPush      bool     `json:"require_pushed_authorization_requests"`
	JWKS          string   `json:"jwks_uri"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Algs          []string `json:"id_token_signing_alg_values_supported"`
	NamesItself   bool     `json:"authorization_response_iss_parameter_supported"`
}

// idTokenAlgs are those offered that a published key verifies.
func (a *about) idTokenAlgs() []string {
	known := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	offered := slices.DeleteFunc(slices.Clone(a.Algs), func(alg string) bool { return !slices.Contains(known, alg) })
	if len(offered) == 0 {
		return []string{"RS256"}
	}
	return offered
}

// discover fetches the server's metadata: RFC 8414 §3, then OpenID Connect
// Discovery §4. A document of another issuer ends it: RFC 8414 §3.3.
func discover(ctx context.Context, web *http.Client, issuer string) (about, error) {
	var failed error
	for _, address := range wellKnown(issuer) {
		found, err := metadataAt(ctx, web, address)
		var unreachable *url.Error
		switch {
		case errors.As(err, &unreachable):
			return found, err
		case err != nil:
			failed = errors.Join(failed, err)
			continue
		case found.Issuer != issuer:
			return found, fmt.Errorf("%s is about the issuer %q, not %q; they must be equal to the letter", address, plain(found.Issuer), issuer)
		}
		return found, found.check(address)
	}
	return about{}, fmt.Errorf("%s has no discovery document: %w", issuer, failed)
}

func wellKnown(issuer string) []string {
	base := strings.TrimSuffix(issuer, "/")
	u, err := url.Parse(base)
	if err != nil { // judged by judgeRemote
		return nil
	}
	inserted := u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + u.EscapedPath()
	return []string{inserted, base + "/.well-known/openid-configuration"}
}

func metadataAt(ctx context.Context, web *http.Client, address string) (found about, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return found, err
	}
	req.Header.Set("Accept", "application/json")
	status, body, err := send(web, req)
	switch {
	case err != nil:
		return found, err
	case status != http.StatusOK:
		return found, fmt.Errorf("%s answered %d", address, status)
	}
	if err := json.Unmarshal(body, &found); err != nil {
		return found, fmt.Errorf("%s: %w", address, err)
	}
	return found, nil
}

// check refuses endpoints that a secret may not be sent to, or that a browser
// may not be sent to.
func (a *about) check(address string) error {
	for name, endpoint := range map[string]string{
		"authorization_endpoint": a.Authorization, "token_endpoint": a.Token, "device_authorization_endpoint": a.Device,
		"pushed_authorization_request_endpoint": a.Pushed, "jwks_uri": a.JWKS,
	} {
		if endpoint == "" {
			continue
		}
		if err := judgeWeb(endpoint); err != nil {
			return fmt.Errorf("%s: %s: %w", address, name, err)
		}
	}
	if a.Token == "" {
		return fmt.Errorf("%s names no token_endpoint", address)
	}
	return nil
}
