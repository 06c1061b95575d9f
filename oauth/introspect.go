package oauth

import (
	"context"
	"encoding/json"
	"time"
)

// Introspection is the answer of RFC 7662 §2.2. Inactive is exactly
// {"active":false}.
type Introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	Username  string   `json:"username,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `json:"jti,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`

	Confirmation *Confirmation   `json:"cnf,omitempty"` // RFC 8705 §3.2, RFC 9449 §6.2
	Actor        json.RawMessage `json:"act,omitempty"` // RFC 8693 §4.1
}

// IntrospectionJWT wraps an answer for a client that wants it signed: RFC 9701
// §5. An inactive token's is as bare as in plain JSON.
func (s *Server) IntrospectionJWT(ctx context.Context, given Credentials) (string, error) {
	client, err := s.protectedCall(ctx, given)
	if err != nil {
		return "", err
	}
	answer, err := s.introspect(ctx, client, given)
	if err != nil {
		return "", err
	}
	return s.signFor(ctx, client, client.IntrospectionAlg, "token-introspection+jwt", map[string]any{
		"iss": s.Issuer, "aud": client.ID, "iat": s.Now().Unix(), "token_introspection": answer,
	})
}

// Introspect: RFC 7662 §2. Only a client that can authenticate may ask, and
// only the token's owner or the client of one of its resources is told.
func (s *Server) Introspect(ctx context.Context, given Credentials) (*Introspection, error) {
	client, err := s.protectedCall(ctx, given)
	if err != nil {
		return nil, err
	}
	return s.introspect(ctx, client, given)
}

func (s *Server) introspect(ctx context.Context, client *Client, given Credentials) (*Introspection, error) {
	answer, err := s.lookInto(ctx, client, given)
	if err == nil && s.Meter != nil {
		s.Meter.Introspected(answer.Active)
	}
	return answer, err
}

func (s *Server) lookInto(ctx context.Context, client *Client, given Credentials) (*Introspection, error) {
	token := given.Request.Get("token")
	switch {
	case token == "":
		return nil, invalidRequest("token is missing").about("token")
	case isRefresh(token):
		return s.introspectRefresh(ctx, client, token)
	}
	return s.introspectAccess(ctx, client, token)
}

// protectedCall proves a confidential client: RFC 7662 §2.1.
func (s *Server) protectedCall(ctx context.Context, given Credentials) (*Client, error) {
	if name := given.Request.repeated(); name != "" {
		return nil, invalidRequest("%s was sent more than once", printable(name)).about(printable(name))
	}
	client, err := s.authenticateClient(ctx, given)
	if err != nil {
		return nil, err
	}
	if !client.Confidential() {
		return nil, invalidClient("introspection needs a client that authenticates")
	}
	return client, nil
}

func (s *Server) introspectAccess(ctx context.Context, client *Client, token string) (*Introspection, error) {
	t, err := s.liveAccessToken(ctx, token)
	if err != nil {
		if _, unreadable := s.openAccessToken(ctx, token); unreadable != nil && !s.mayGuess(client) {
			return nil, tooMany("unknown tokens")
		}
		return inactive(err)
	}
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	if t.ClientID != client.ID && !catalog.introspects(client.ID, t.Audience) {
		return &Introspection{}, nil
	}
	return &Introspection{
		Active: true, Scope: joinScope(t.scopes), ClientID: t.ClientID, TokenType: t.Confirmation.tokenType(),
		Expires: int64(t.Expires), IssuedAt: int64(t.IssuedAt), Subject: t.Subject, Audience: t.Audience,
		Issuer: t.Issuer, ID: t.ID, AuthTime: int64(t.AuthTime), ACR: t.ACR, AMR: t.AMR,
		Confirmation: t.Confirmation, Actor: t.Actor,
	}, nil
}

// introspectRefresh tells a client about its own refresh token; its tag is
// bound to the client, so another's can't be opened.
func (s *Server) introspectRefresh(ctx context.Context, client *Client, token string) (*Introspection, error) {
	t, ok := s.openRefresh(token, client.ID)
	if !ok {
		if !s.mayGuess(client) {
			return nil, tooMany("unknown tokens")
		}
		return &Introspection{}, nil
	}
	auth, err := s.Store.Authorization(ctx, t.ID)
	if err != nil {
		return inactive(err)
	}
	// A predecessor that would still get its successor again is not active: of a
	// family one token is.
	if !auth.Live || int64(t.Generation) < auth.Generation || !s.Now().Before(auth.RefreshUntil) || !sameSeed(t, auth) {
		return &Introspection{}, nil
	}
	subject, err := s.subjectFor(ctx, client, auth.Subject)
	if err != nil {
		return nil, err
	}
	return &Introspection{
		Active: true, Scope: joinScope(auth.Scopes), ClientID: client.ID, TokenType: "refresh_token",
		Expires: auth.RefreshUntil.Unix(), IssuedAt: auth.RotatedAt.Unix(), Subject: subject, Issuer: s.Issuer,
		Audience: []string{s.Issuer},
	}, nil
}

// guessesPerMinute is how many tokens that are none of ours a client may ask
// about: RFC 7662 §4. Tokens of ours, live or not, don't count.
const guessesPerMinute = 300

func (s *Server) mayGuess(client *Client) bool {
	return s.mayAct("introspect\x00"+client.ID, guessesPerMinute, time.Minute)
}

// inactive: RFC 7662 §2.2, whatever is wrong with the token is not told. A
// fault of ours is no answer about the token.
func inactive(err error) (*Introspection, error) {
	switch AsError(err).Code {
	case CodeServerError, CodeTemporarilyUnavailable:
		if !isNotFound(err) {
			return nil, err
		}
	}
	return &Introspection{}, nil
}
