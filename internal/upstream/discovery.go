package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/valetkey/valetkey/internal/jose"
)

// metadata is what we need of OpenID Connect Discovery §3.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"` // RP-Initiated Logout §2.1
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	SendsIss      bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
}

func (o *oidcClient) fetchMetadata(ctx context.Context) (m metadata, keep time.Duration, err error) {
	a, err := o.out.get(ctx, o.rule.metadata, "")
	if err != nil {
		return m, 0, err
	}
	if err := jose.DecodeUpTo(maxBody, a.body, &m); err != nil {
		return m, 0, errors.New("the discovery document isn't what OpenID Connect Discovery §3 says")
	}
	return m, maxAge(a.header.Values("Cache-Control")), o.checkMetadata(m)
}

// checkMetadata: Discovery §4.3, and addresses that we may send somebody to.
func (o *oidcClient) checkMetadata(m metadata) error {
	if m.Issuer != o.rule.want {
		return &issuerError{want: o.rule.want, got: m.Issuer}
	}
	for _, e := range []struct {
		name, address string
		needed        bool
	}{
		{"authorization_endpoint", m.Authorization, true},
		{"token_endpoint", m.Token, true},
		{"jwks_uri", m.JWKS, true},
		{"userinfo_endpoint", m.UserInfo, false},
		{"end_session_endpoint", m.EndSession, false},
	} {
		u, err := url.Parse(e.address)
		switch {
		case e.address == "" && !e.needed:
		case err != nil || o.guard.url(u) != nil:
			return refused("the discovery document's %s isn't an https URL", e.name)
		}
	}
	return nil
}

type issuerError struct{ want, got string }

func (e *issuerError) Error() string {
	return "the discovery document is of issuer " + strconv.Quote(said(e.got)) + ", not " + strconv.Quote(e.want)
}

// style: how our secret goes to the token endpoint. OpenID Connect Core §9
// makes basic the one to take where nothing is said.
func (o *oidcClient) style(m metadata) oauth2.AuthStyle {
	basic := len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic") || !slices.Contains(m.AuthMethods, "client_secret_post")
	if o.c.TokenAuth != "" {
		basic = o.c.TokenAuth == "basic"
	}
	return authStyle(basic && o.c.ClientSecret != "")
}

func authStyle(basic bool) oauth2.AuthStyle {
	if basic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// keySet is a provider's keys. issuers has those that Microsoft marks as one
// tenant's own.
type keySet struct {
	keys    []jose.PublicKey
	issuers map[string]string // kid to issuer, perhaps with tenantMark
}

func (o *oidcClient) fetchKeys(ctx context.Context) (set keySet, keep time.Duration, err error) {
	m, err := o.meta.get(ctx)
	if err != nil {
		return set, 0, err
	}
	a, err := o.out.get(ctx, m.JWKS, "")
	if err != nil {
		return set, 0, err
	}
	if set.keys, err = jose.ParseJWKS(a.body); err != nil {
		return set, 0, errors.New("the answer of jwks_uri isn't a key set: " + said(err.Error()))
	}
	if len(set.keys) == 0 {
		return set, 0, errors.New("the key set of jwks_uri has no key that can be used")
	}
	var marked struct {
		Keys []struct{ KID, Issuer string } `json:"keys"`
	}
	set.issuers = map[string]string{}
	if json.Unmarshal(a.body, &marked) == nil {
		for _, k := range marked.Keys {
			if k.Issuer != "" {
				set.issuers[k.KID] = k.Issuer
			}
		}
	}
	return set, maxAge(a.header.Values("Cache-Control")), nil
}

// maxAge: RFC 9111 §5.2.2.1. Zero when nothing is said; what may not be kept is
// kept for a moment, or every sign-in would ask.
func maxAge(headers []string) (age time.Duration) {
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(headers, ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return minFresh
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				age = max(time.Duration(n)*time.Second, minFresh)
			}
		}
	}
	return age
}
