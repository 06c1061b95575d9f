package oauth

import (
	"context"
	"errors"
)

// TokenCall is a token request whose client has proved itself.
type TokenCall struct {
	Client  *Client
	Request Request

	given  Credentials
	sender sender // what its tokens are to be bound to
}

// TokenResponse is the answer of RFC 6749 §5.1 and OpenID Connect Core §3.1.3.3.
type TokenResponse struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    int64   `json:"expires_in"` // seconds
	RefreshToken string  `json:"refresh_token,omitempty"`
	IDToken      string  `json:"id_token,omitempty"`
	Scope        *string `json:"scope,omitempty"`
	IssuedType   string  `json:"issued_token_type,omitempty"` // RFC 8693 §2.2.1
}

// Token answers a token request: RFC 6749 §3.2. The client is proved before
// anything about the code or token is looked at.
func (s *Server) Token(ctx context.Context, given Credentials) (*TokenResponse, error) {
	answer, err := s.token(ctx, given)
	s.redeemed(given.Request, err)
	return answer, err
}

func (s *Server) token(ctx context.Context, given Credentials) (*TokenResponse, error) {
	req := given.Request
	if name := req.repeated(); name != "" {
		return nil, invalidRequest("%s was sent more than once", printable(name)).about(printable(name))
	}
	client, err := s.authenticateClient(ctx, given)
	if err != nil {
		return nil, err
	}
	name := req.Get("grant_type")
	grant, known := s.Grants[name]
	switch {
	case name == "":
		err = invalidRequest("grant_type is missing").about("grant_type")
	case !known:
		err = newError(CodeUnsupportedGrantType, "grant_type is not supported").about("grant_type")
	case !client.mayUse(name):
		err = newError(CodeUnauthorizedClient, "this app is not registered for grant_type %s", name).about("grant_type")
	}
	if err != nil {
		s.tokenProblem(ctx, client, err)
		return nil, err
	}
	call := &TokenCall{Client: client, Request: req, given: given}
	if call.sender, err = s.senderOf(client, given); err != nil {
		s.tokenProblem(ctx, client, err)
		return nil, err
	}
	answer, err := grant(ctx, s, call)
	if errors.Is(err, ErrProofUsed) {
		err = proofUsed(err)
	}
	if err != nil {
		s.tokenProblem(ctx, client, err)
		return nil, err
	}
	return answer, nil
}

// tokenProblem tells the owner what was refused, unless it was told already.
func (s *Server) tokenProblem(ctx context.Context, c *Client, err error) {
	e := AsError(err)
	switch e.Code {
	case CodeServerError, CodeTemporarilyUnavailable, CodeAuthorizationPending, CodeSlowDown, CodeUseDPoPNonce:
		return
	}
	if !e.isNoted {
		s.problem(ctx, c, e, "", nil)
	}
}

// narrowed: RFC 6749 §6, a scope asked for at the token endpoint lies within
// what was granted; left out, it is all of it.
func narrowed(req Request, granted []string) ([]string, *Error) {
	asked, err := parseScope(req.Get("scope"))
	switch {
	case err != nil:
		return nil, err
	case len(asked) == 0:
		return granted, nil
	case !subset(asked, granted):
		return nil, invalidScope("scope asks for more than was granted")
	}
	return asked, nil
}

// narrowedResources: RFC 8707 §2.2, the same for resources. A grant that named
// none may be narrowed to any that is known.
func (s *Server) narrowedResources(ctx context.Context, req Request, granted []string) ([]string, *Error) {
	asked, err := s.knownResources(ctx, req)
	switch {
	case err != nil:
		return nil, err
	case len(asked) == 0:
		return granted, nil
	case len(granted) > 0 && !subset(asked, granted):
		return nil, newError(CodeInvalidTarget, "resource asks for more than was granted").about("resource")
	}
	return asked, nil
}
