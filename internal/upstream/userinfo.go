package upstream

import (
	"context"
	"maps"
	"mime"
	"slices"

	"golang.org/x/oauth2"
)

// needsMore: another call is made when the operator wants it, or when the ID
// token lacks what was asked for (OpenID Connect Core §5.4 lets a provider leave
// it to userinfo).
func (o *oidcClient) needsMore(p profile) bool {
	if o.c.UserInfo != nil {
		return *o.c.UserInfo
	}
	missing := func(scope, claim string) bool {
		return slices.Contains(o.c.Scopes, scope) && p.at(o.mapping.source(claim)) == nil
	}
	return missing("email", "email") || missing("profile", "name") || o.c.GroupsClaim != "" && p.at(o.c.GroupsClaim) == nil
}

// withUserInfo: OpenID Connect Core §5.3. What it says goes before the ID token.
func (o *oidcClient) withUserInfo(ctx context.Context, m metadata, t idToken, token *oauth2.Token) (profile, error) {
	a, err := o.out.get(ctx, m.UserInfo, token.AccessToken)
	if err != nil {
		return nil, unavailable(err)
	}
	if kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); kind == "application/jwt" {
		return nil, unavailable(refused("userinfo is signed; have userinfo_signed_response_alg taken out of our registration there"))
	}
	info, err := readProfile(a.body)
	if err != nil {
		return nil, untrusted("userinfo: %w", err)
	}
	// §5.3.2: it may be another person's. A number isn't a sub.
	if sub := info.text("sub"); sub == "" || sub != t.Sub {
		return nil, untrusted("sub of userinfo isn't the ID token's")
	}
	return o.overlay(t.profile, info), nil
}

// overlay: an address and its email_verified belong together. A new address
// doesn't inherit what was said of the old one.
func (o *oidcClient) overlay(base, over profile) profile {
	joined := maps.Clone(base)
	if over.at(o.mapping.source("email")) != nil {
		delete(joined, o.mapping.source("email_verified"))
	}
	for name, v := range over {
		switch name {
		case "iss", "sub", "aud", "hd", "tid", "sid", "acr", "amr", "auth_time": // the signed ones stay
		default:
			joined[name] = v
		}
	}
	return joined
}
