package oauth

import (
	"context"
	"errors"
	"time"
)

// redeemCode: RFC 6749 §4.1.3. It reads and checks; the insert of issue makes
// the code once-only.
func redeemCode(ctx context.Context, s *Server, call *TokenCall) (*TokenResponse, error) {
	c, req := call.Client, call.Request
	if req.Get("code") == "" {
		return nil, invalidRequest("code is missing").about("code")
	}
	code, err := s.openCode(ctx, req.Get("code"))
	if err != nil {
		return nil, err
	}
	if code.ClientID != c.ID {
		return nil, invalidGrant("code was issued to another app").about("code")
	}
	if err := s.checkCode(c, req, code); err != nil {
		return nil, s.replayedBy(ctx, c, code, err)
	}
	if code.JKT != "" && code.JKT != call.sender.JKT { // RFC 9449 §10
		return nil, s.replayedBy(ctx, c, code, invalidGrant("code is bound to another DPoP key by dpop_jkt").about("code"))
	}
	is, err := s.codeIssuance(ctx, call, code)
	if err != nil {
		return nil, err
	}
	answer, err := s.issue(ctx, is)
	switch {
	case errors.Is(err, ErrReplayed):
		return nil, s.endReplayed(ctx, c, code)
	case errors.Is(err, ErrEnded):
		return nil, invalidGrant("code was withdrawn: the user, the app or the consent has changed").about("code")
	case err != nil:
		return nil, err
	}
	s.notify(ctx, Event{Kind: EventIssued, ClientID: c.ID, Subject: code.Subject, Session: code.SessionID, Scopes: is.scopes, GrantType: GrantAuthorizationCode})
	return answer, nil
}

// checkCode: RFC 6749 §4.1.3, RFC 7636 §4.6; CONTRACT §4, decisions 1 and 3.
func (s *Server) checkCode(c *Client, req Request, code *sealedCode) *Error {
	if err := checkVerifier(req.Get("code_verifier"), code.Challenge); err != nil {
		return err
	}
	switch sent := req.Get("redirect_uri"); {
	case sent == "" && code.Challenge == "":
		return invalidGrant("redirect_uri is missing; without PKCE it must be repeated").about("redirect_uri")
	case sent != "" && sent != code.RedirectURI:
		return invalidGrant("redirect_uri differs from the one of the authorization request").about("redirect_uri")
	case s.Now().Unix() >= code.Expires:
		return invalidGrant("code has expired").about("code")
	case s.fromBefore(time.Unix(code.Expires, 0).Add(-s.CodeLifetime)):
		return invalidGrant("code is from before this server was restored from a backup; begin again").about("code")
	}
	if _, ok := c.redirect(code.RedirectURI); !ok {
		return invalidGrant("redirect_uri is no longer registered").about("redirect_uri")
	}
	return nil
}

// replayedBy: a confidential client proved itself already, so its second use
// of a code ends what the first was given, whatever else is wrong with the
// request. A public one proves itself by the verifier alone, and anybody may
// send its id. CONTRACT §4, decision 4.
func (s *Server) replayedBy(ctx context.Context, c *Client, code *sealedCode, refusal *Error) error {
	if !c.Confidential() && checkVerifierFailed(refusal) {
		return refusal
	}
	_, err := s.Store.Authorization(ctx, code.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return refusal
	case err != nil:
		return err
	}
	return s.endReplayed(ctx, c, code)
}

func checkVerifierFailed(e *Error) bool { return e.Parameter == "code_verifier" }

// endReplayed: RFC 6749 §4.1.2 and §10.5, RFC 9700 §4.5.
func (s *Server) endReplayed(ctx context.Context, c *Client, code *sealedCode) error {
	if err := s.Store.EndAuthorization(ctx, code.ID, "code used twice", s.Now()); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	s.notify(ctx, Event{Kind: EventCodeReplayed, ClientID: c.ID, Subject: code.Subject, Session: code.SessionID})
	return invalidGrant("code was used before; what it was given has ended").about("code")
}

func (s *Server) codeIssuance(ctx context.Context, call *TokenCall, code *sealedCode) (issuance, error) {
	resources, err := s.narrowedResources(ctx, call.Request, code.Resources)
	if err != nil {
		return issuance{}, err
	}
	catalog, fault := s.Store.Catalog(ctx)
	if fault != nil {
		return issuance{}, fault
	}
	if code.Scopes, fault = s.stillAdmitted(ctx, call.Client, code.Subject, code.Scopes, catalog); fault != nil {
		return issuance{}, fault
	}
	now := s.Now()
	auth := Authorization{
		ID: code.ID, ClientID: code.ClientID, Subject: code.Subject, SessionID: code.SessionID,
		Scopes: code.Scopes, Resources: code.Resources, Claims: code.Claims,
		AuthTime: time.Unix(code.AuthTime, 0), ACR: code.ACR, AMR: code.AMR, Offline: contains(code.Scopes, ScopeOfflineAccess),
		UserEpoch: code.UserEpoch, ClientEpoch: code.ClientEpoch, ConsentEpoch: code.ConsentEpoch,
		CreatedAt: now, ExpiresAt: now.Add(s.AccessLifetime), Proofs: call.sender.proofs,
	}
	is := issuance{client: call.Client, scopes: code.Scopes, resources: resources, nonce: code.Nonce, sender: call.sender}
	if mayRefresh(call.Client, code.Scopes) {
		first := refreshToken{ID: code.ID, Seed: newSeed(), Bound: boundTo(call)}
		auth.SeedHash = first.seedHash()
		auth.RotatedAt, auth.RefreshUntil = now, now.Add(s.RefreshIdle)
		auth.ExpiresAt = auth.RefreshUntil.Add(s.AccessLifetime)
		is.refresh = s.sealRefresh(first, call.Client.ID)
	}
	is.auth = auth
	return is, nil
}
