package upstream

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// logoutURL: OpenID Connect RP-Initiated Logout §2.
func (o *oidcClient) logoutURL(ctx context.Context, idToken, postLogoutRedirectURI, state string) (string, error) {
	ctx, cancel := o.out.untilDone(ctx)
	defer cancel()
	m, err := o.meta.get(ctx)
	if err != nil {
		return "", unavailable(err)
	}
	if m.EndSession == "" {
		return "", nil
	}
	u, err := url.Parse(m.EndSession)
	if err != nil {
		return "", unavailable(refused("end_session_endpoint isn't a URL"))
	}
	q := u.Query()
	for name, value := range map[string]string{
		"id_token_hint": idToken, "client_id": o.c.ClientID, "post_logout_redirect_uri": postLogoutRedirectURI, "state": state,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// logoutToken says whose sessions end: those of the session, or without it all
// of the subject. OpenID Connect Back-Channel Logout §2.4.
type logoutToken struct {
	Iss    string           `json:"iss"`
	Sub    string           `json:"sub"`
	Aud    jose.Audience    `json:"aud"`
	Iat    jose.NumericDate `json:"iat"`
	JTI    string           `json:"jti"`
	SID    string           `json:"sid"`
	Tenant string           `json:"tid"`
	Nonce  json.RawMessage  `json:"nonce"`
	Events profile          `json:"events"`
}

// logout: Back-Channel Logout §2.6, all but no. 7: whether jti came before is
// for the caller, who has a memory.
func (o *oidcClient) logout(ctx context.Context, raw string) (t logoutToken, err error) {
	ctx, cancel := o.out.untilDone(ctx)
	defer cancel()
	v := o.verifier("logout+jwt", "JWT", "")
	_, err = v.library().VerifyLogout(ctx, raw)
	if err := v.judge(err); err != nil {
		return t, err
	}
	payload, err := jose.Unverified(raw)
	if err == nil {
		err = jose.Decode(payload, &t)
	}
	if err != nil {
		return t, untrusted("logout token: %s", said(err.Error()))
	}
	err = o.judgeLogout(t)
	t.Iss = o.rule.canonical(t.Iss)
	return t, err
}

func (o *oidcClient) judgeLogout(t logoutToken) error {
	event, err := readProfile(t.Events.at(logoutEvent))
	switch {
	case !o.rule.accepts(t.Iss, t.Tenant):
		return untrusted("logout token: iss is %q", said(t.Iss))
	case len(t.Aud) != 1 || t.Aud[0] != o.c.ClientID:
		return untrusted("logout token: aud isn't our client_id alone")
	case t.Iat == 0 || time.Unix(int64(t.Iat), 0).After(o.now().Add(skew)):
		return untrusted("logout token: iat is missing or in the future")
	case err != nil || event == nil:
		return untrusted("logout token: no logout event")
	case t.Nonce != nil:
		return untrusted("logout token: it has a nonce, as ID tokens have")
	case t.JTI == "" || len(t.JTI) > maxSubject:
		return untrusted("logout token: jti is missing or too long")
	case t.Sub == "" && t.SID == "", len(t.Sub) > maxSubject, len(t.SID) > maxText:
		return untrusted("logout token: neither sub nor sid of sensible length")
	}
	return nil
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
