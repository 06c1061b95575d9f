package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"
)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

func sameSeed(t refreshToken, a Authorization) bool {
	return subtle.ConstantTimeCompare(t.seedHash(), a.SeedHash) == 1
}

// Revoke: RFC 7009 §2. An access token ends alone, a refresh token ends the
// whole authorization; CONTRACT §4, decision 9. Unknown tokens are no error.
func (s *Server) Revoke(ctx context.Context, given Credentials) error {
	if name := given.Request.repeated(); name != "" {
		return invalidRequest("%s was sent more than once", printable(name)).about(printable(name))
	}
	client, err := s.authenticateClient(ctx, given)
	if err != nil {
		return err
	}
	token := given.Request.Get("token")
	switch {
	case token == "":
		return invalidRequest("token is missing").about("token")
	case isRefresh(token):
		return s.revokeRefresh(ctx, client, token)
	}
	return s.revokeAccess(ctx, client, token)
}

// revokeRefresh: an older generation ends the family too, since its holder
// once had the access and wants it gone. A token with the looks of a refresh
// token whose tag doesn't hold for this client is another's or nobody's.
func (s *Server) revokeRefresh(ctx context.Context, client *Client, token string) error {
	t, ok := s.openRefresh(token, client.ID)
	if !ok {
		return s.revokeForeign(ctx, client, token)
	}
	auth, err := s.Store.Authorization(ctx, t.ID)
	switch {
	case isNotFound(err), err == nil && !sameSeed(t, auth):
		return nil
	case err != nil:
		return err
	}
	if err := s.Store.EndAuthorization(ctx, t.ID, "revoked by the app", s.Now()); err != nil && !isNotFound(err) {
		return err
	}
	s.notify(ctx, Event{Kind: EventRevoked, ClientID: client.ID, Subject: auth.Subject, Session: auth.SessionID})
	return nil
}

// revokeForeign: RFC 7009 §2.1, a token that was issued to another client is
// refused. The row of its authorization names the client that it is bound to.
func (s *Server) revokeForeign(ctx context.Context, client *Client, token string) error {
	raw, ok := rawRefreshID(token)
	if !ok {
		return nil
	}
	auth, err := s.Store.Authorization(ctx, raw)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	}
	if _, theirs := s.openRefresh(token, auth.ClientID); theirs && auth.ClientID != client.ID {
		return invalidGrant("the token was issued to another app").about("token")
	}
	return nil
}

// revokeAccess: the token's own entry lives until it would have expired.
func (s *Server) revokeAccess(ctx context.Context, client *Client, token string) error {
	t, err := s.openAccessToken(ctx, token)
	switch {
	case err != nil && AsError(err).Code == CodeInvalidToken:
		return nil
	case err != nil:
		return err
	case t.ClientID != client.ID:
		return invalidGrant("the token was issued to another app").about("token")
	}
	until := time.Unix(int64(t.Expires), 0)
	if !s.Now().Before(until) {
		return nil
	}
	if err := s.Store.RevokeToken(ctx, t.ID, until); err != nil {
		return err
	}
	s.notify(ctx, Event{Kind: EventRevoked, ClientID: client.ID, Subject: t.Subject})
	return nil
}
