package upstream

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// oidcClient is a relying party of one OpenID Connect provider.
type oidcClient struct {
	c       Config
	rule    issuerRule
	guard   guard
	out     *outbound
	mapping mapping
	now     func() time.Time
	meta    *fresh[metadata]
	keys    *fresh[keySet]
}

func newOIDC(c Config, g guard, out *outbound, now func() time.Time) *oidcClient {
	if !slices.Contains(c.Scopes, "openid") {
		c.Scopes = append(List{"openid"}, c.Scopes...)
	}
	o := &oidcClient{c: c, rule: newIssuerRule(c), guard: g, out: out, mapping: newMapping(c), now: now}
	o.meta = &fresh[metadata]{fetch: o.fetchMetadata, now: now, timeout: out.timeout}
	o.keys = &fresh[keySet]{fetch: o.fetchKeys, now: now, timeout: out.timeout}
	return o
}

func (o *oidcClient) tokens(m metadata) tokenClient {
	return tokenClient{out: o.out, c: o.c, url: m.Token, style: o.style(m)}
}

// begin: OpenID Connect Core §3.1.2.1.
func (o *oidcClient) begin(ctx context.Context, req Request) (string, error) {
	ctx, cancel := o.out.untilDone(ctx)
	defer cancel()
	if req.Nonce == "" {
		return "", errors.New("a request without nonce")
	}
	m, err := o.meta.get(ctx)
	if err != nil {
		return "", unavailable(err)
	}
	more := map[string]string{
		"nonce": req.Nonce, "ui_locales": strings.Join(req.UILocales, " "), "acr_values": o.theirACR(req.ACRValues),
	}
	if req.MaxAge != nil {
		more["max_age"] = strconv.Itoa(*req.MaxAge)
	}
	if len(o.c.HostedDomain) == 1 {
		more["hd"] = o.c.HostedDomain[0]
	} else if len(o.c.HostedDomain) > 1 {
		more["hd"] = "*" // any Workspace; which one is looked at in the ID token
	}
	return o.tokens(m).begin(m.Authorization, req, more)
}

// theirACR is what the provider calls the acr values that are wanted here. Ours mean
// nothing there, or something else, so that only those that are mapped go out.
func (o *oidcClient) theirACR(ours []string) string {
	var theirs []string
	for _, value := range ours {
		if mapped := o.c.ACRValues[value]; mapped != "" {
			theirs = append(theirs, mapped)
		}
	}
	return strings.Join(theirs, " ")
}

func (o *oidcClient) finish(ctx context.Context, req Request, cb Callback) (id Identity, err error) {
	ctx, cancel := o.out.untilDone(ctx)
	defer cancel()
	m, err := o.meta.get(ctx)
	if err != nil {
		return id, unavailable(err)
	}
	// Before anything is sent: a code of another provider's must not reach this
	// one (RFC 9207 §1, mix-up).
	if err := o.checkIss(m, cb); err != nil {
		return id, err
	}
	if err := cb.check(req); err != nil {
		return id, err
	}
	token, err := o.tokens(m).redeem(ctx, req, cb.Code)
	if err != nil {
		return id, err
	}
	raw, _ := token.Extra("id_token").(string)
	t, err := o.idToken(ctx, raw, token, req)
	if err != nil {
		return id, err
	}
	if cb.Iss != "" && o.rule.several && cb.Iss != t.Iss {
		return id, untrusted("iss of the response is another tenant's than the ID token's")
	}
	return o.identity(ctx, m, t, token)
}

// checkIss: RFC 9207 §2.4. An error may come without it: nobody signs in.
func (o *oidcClient) checkIss(m metadata, cb Callback) error {
	switch {
	case cb.Iss != "" && !o.rule.answers(cb.Iss):
		return untrusted("iss of the response is %q", said(cb.Iss))
	case cb.Iss == "" && m.SendsIss && cb.Error == "":
		return untrusted("the response has no iss, which the provider's metadata promises")
	}
	return nil
}

func (o *oidcClient) identity(ctx context.Context, m metadata, t idToken, token *oauth2.Token) (id Identity, err error) {
	if !o.rule.admits(t.Tenant) || len(o.c.HostedDomain) > 0 && !slices.Contains(o.c.HostedDomain, t.HostedDomain) {
		return id, &Refused{Why: "Accounts of this organization can't sign in here."}
	}
	p := t.profile
	if o.needsMore(p) && m.UserInfo != "" {
		if p, err = o.withUserInfo(ctx, m, t, token); err != nil {
			return id, err
		}
	}
	id = Identity{Issuer: o.rule.canonical(t.Iss), Subject: t.Sub, Session: t.profile.short("sid"), IDToken: t.raw, AuthTime: t.authTime()}
	if o.c.TrustACR {
		id.ACR, id.AMR = t.profile.short("acr"), t.profile.texts("amr")
	}
	if o.c.GroupsClaim != "" {
		id.Groups = o.mapping.translate(p.texts(o.c.GroupsClaim))
	}
	return id, o.mapping.apply(&id, p, o.mapping.verified(p))
}
