package upstream

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/valetkey/valetkey/internal/jose"
)

// skew is how far a provider's clock may be off (RFC 7519 §4.1.4).
const skew = 60 * time.Second

// idToken is one that was verified. OpenID Connect Core §2.
type idToken struct {
	Iss          string           `json:"iss"`
	Sub          string           `json:"sub"`
	Aud          jose.Audience    `json:"aud"`
	Azp          string           `json:"azp"`
	Iat          jose.NumericDate `json:"iat"`
	Nbf          jose.NumericDate `json:"nbf"`
	Nonce        string           `json:"nonce"`
	AtHash       *string          `json:"at_hash"`
	Tenant       string           `json:"tid"` // Microsoft's
	HostedDomain string           `json:"hd"`  // Google's

	raw     string
	profile profile
}

func (t idToken) authTime() time.Time {
	var at jose.NumericDate
	if raw := t.profile.at("auth_time"); raw == nil || jose.Decode(raw, &at) != nil || at == 0 {
		return time.Time{}
	}
	return time.Unix(int64(at), 0)
}

// idToken: OpenID Connect Core §3.1.3.7. go-oidc looks at signature, alg, iss,
// aud and exp; it reads claims as encoding/json does, where SUB is sub too, so
// what we go on with is read again, strictly, and judged here.
func (o *oidcClient) idToken(ctx context.Context, raw string, token *oauth2.Token, req Request) (t idToken, err error) {
	if raw == "" {
		return t, untrusted("no ID token in the token endpoint's answer")
	}
	v := o.verifier("JWT", "")
	verified, err := v.library().Verify(ctx, raw)
	if err := v.judge(err); err != nil {
		return t, err
	}
	payload, err := jose.Unverified(raw) // it is, by now
	if err == nil {
		err = jose.Decode(payload, &t)
	}
	if err == nil {
		t.profile, err = readProfile(payload)
	}
	if err != nil {
		return t, untrusted("ID token: %s", said(err.Error()))
	}
	t.raw = raw
	if t.AtHash != nil && verified.VerifyAccessToken(token.AccessToken) != nil {
		return t, untrusted("ID token: at_hash isn't the access token's")
	}
	if err := o.judge(t, req); err != nil {
		return t, untrusted("ID token: %w", err)
	}
	return t, o.checkAuthTime(t, req)
}

func (o *oidcClient) judge(t idToken, req Request) error {
	now := o.now()
	switch {
	case !o.rule.accepts(t.Iss, t.Tenant):
		return refused("iss is %q", said(t.Iss))
	case !t.Aud.Contains(o.c.ClientID):
		return errors.New("aud isn't our client_id")
	case len(t.Aud) > 1 && t.Azp == "":
		return errors.New("aud names others too, and there is no azp")
	case t.Azp != "" && t.Azp != o.c.ClientID:
		return errors.New("azp isn't our client_id")
	case t.Iat == 0 || time.Unix(int64(t.Iat), 0).After(now.Add(skew)):
		return errors.New("iat is missing or in the future")
	case t.Nbf != 0 && time.Unix(int64(t.Nbf), 0).After(now.Add(skew)):
		return errors.New("nbf is in the future")
	case req.Nonce == "" || !same(t.Nonce, req.Nonce):
		return errors.New("nonce is missing or another sign-in's")
	}
	return checkSubject(t.Sub)
}

// checkAuthTime: OpenID Connect Core §3.1.3.7 no. 13. A provider may pass
// max_age over; we don't.
func (o *oidcClient) checkAuthTime(t idToken, req Request) error {
	at := t.authTime()
	switch {
	case at.After(o.now().Add(skew)):
		return untrusted("ID token: auth_time is in the future")
	case req.MaxAge == nil:
		return nil
	case at.IsZero():
		return untrusted("ID token: no auth_time, though max_age was asked for")
	case o.now().Sub(at) > time.Duration(*req.MaxAge)*time.Second+skew:
		return &Refused{Why: "You have to sign in at the other provider again.", Cause: errors.New("auth_time is older than max_age")}
	}
	return nil
}

// algorithms are the signatures that are taken: never none, never one that our
// client secret could make.
func algorithms() (names []string) {
	for _, a := range jose.Algs() {
		names = append(names, string(a))
	}
	return names
}

// verifier is one use of go-oidc with our keys.
type verifier struct {
	o           *oidcClient
	types       []string // of the header, "" for none
	unavailable error    // why there are no keys; go-oidc keeps only the text
}

func (o *oidcClient) verifier(types ...string) *verifier { return &verifier{o: o, types: types} }

func (v *verifier) library() *oidc.IDTokenVerifier {
	return oidc.NewVerifier(v.o.rule.want, v, &oidc.Config{
		ClientID: v.o.c.ClientID, SupportedSigningAlgs: algorithms(), SkipIssuerCheck: v.o.rule.several,
		Now: func() time.Time { return v.o.now().Add(-skew) },
	})
}

func (v *verifier) judge(err error) error {
	switch {
	case v.unavailable != nil:
		return unavailable(v.unavailable)
	case err != nil:
		return untrusted("token: %s", said(err.Error()))
	}
	return nil
}

// VerifySignature is oidc.KeySet. The library's own asks for the keys again for
// every bad signature, which a stranger's logout tokens could make it do all
// day.
func (v *verifier) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	set, err := v.o.keys.get(ctx)
	if err != nil {
		v.unavailable = err
		return nil, err
	}
	payload, kid, err := jose.Verify(token, v.types, jose.Algs(), set.keys)
	if errors.Is(err, jose.ErrUnknownKey) {
		if set, err = v.o.keys.renew(ctx); err != nil {
			v.unavailable = err
			return nil, err
		}
		payload, kid, err = jose.Verify(token, v.types, jose.Algs(), set.keys)
	}
	if err != nil {
		return nil, err
	}
	return payload, v.checkOwner(set.issuers[kid], payload)
}

// checkOwner: Microsoft marks the keys of its personal accounts with their
// issuer. One tenant's key must not sign for another.
func (v *verifier) checkOwner(owner string, payload []byte) error {
	if owner == "" || !v.o.rule.several || strings.Contains(owner, tenantMark) {
		return nil
	}
	p, err := readProfile(payload)
	if err != nil || p.text("iss") != owner {
		return errors.New("the signing key is another tenant's")
	}
	return nil
}
