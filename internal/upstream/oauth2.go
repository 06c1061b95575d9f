package upstream

import (
	"context"
	"errors"
	"net/url"
)

// oauth2Client signs people in where there is no ID token: by a call that says
// whose access token it is. The token must be one that we redeemed ourselves.
type oauth2Client struct {
	c       Config
	out     *outbound
	mapping mapping
	call    profileCall
}

// profileCall asks whose token it is.
type profileCall func(ctx context.Context, token string) (profile, error)

func newOAuth2(c Config, out *outbound) *oauth2Client {
	o := &oauth2Client{c: c, out: out, mapping: newMapping(c)}
	o.call = o.bearer
	if ask := presets[c.Kind].ask; ask != nil {
		o.call = ask(o)
	}
	return o
}

func (o *oauth2Client) tokens() tokenClient {
	return tokenClient{out: o.out, c: o.c, url: o.c.TokenURL, style: authStyle(o.c.TokenAuth == "basic" && o.c.ClientSecret != "")}
}

func (o *oauth2Client) begin(_ context.Context, req Request) (string, error) {
	return o.tokens().begin(o.c.AuthorizeURL, req, map[string]string{})
}

func (o *oauth2Client) finish(ctx context.Context, req Request, cb Callback) (id Identity, err error) {
	ctx, cancel := o.out.untilDone(ctx)
	defer cancel()
	if cb.Iss != "" && cb.Iss != o.c.Issuer { // RFC 9207 §2.4
		return id, untrusted("iss of the response is %q", said(cb.Iss))
	}
	if err := cb.check(req); err != nil {
		return id, err
	}
	if req.MaxAge != nil { // somebody has to prove themselves anew, and OAuth 2.0 has no word for that
		return id, &Refused{Why: "This provider can't tell when you signed in there.", Cause: errors.New("max_age was asked for, and OAuth 2.0 has no auth_time")}
	}
	token, err := o.tokens().redeem(ctx, req, cb.Code)
	if err != nil {
		return id, err
	}
	p, err := o.call(ctx, token.AccessToken)
	if err != nil {
		return id, err
	}
	id.Issuer = o.c.Issuer
	if id.Subject, err = p.subject(o.c.Subject); err != nil {
		return id, untrusted("profile: %w", err)
	}
	if o.c.GroupsClaim != "" {
		id.Groups = o.mapping.translate(p.texts(o.c.GroupsClaim))
	}
	return id, o.mapping.apply(&id, p, o.mapping.verified(p))
}

// bearer: RFC 6750 §2.1.
func (o *oauth2Client) bearer(ctx context.Context, token string) (profile, error) {
	return o.fetchProfile(ctx, o.c.ProfileURL, token)
}

func (o *oauth2Client) fetchProfile(ctx context.Context, address, bearer string) (profile, error) {
	a, err := o.out.get(ctx, address, bearer)
	if err != nil {
		return nil, unavailable(err)
	}
	p, err := readProfile(a.body)
	if err != nil {
		return nil, untrusted("profile: %w", err)
	}
	return p, nil
}

// withQuery adds parameters to an address of the configuration.
func withQuery(address string, more map[string]string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := u.Query()
	for name, value := range more {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}
