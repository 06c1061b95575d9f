package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
)

const (
	pushedPrefix = "urn:ietf:params:oauth:request_uri:"

	// Live ones of a public client, whose id anybody may use: in all, and from one
	// network. A client that proves itself answers for what it pushes.
	pushedPerClient  = 10_000
	pushedPerNetwork = 100
)

func invalidRequestURI(format string, args ...any) *Error {
	return newError(CodeInvalidRequestURI, format, args...).about("request_uri")
}

// PushedResponse: RFC 9126 §2.2.
type PushedResponse struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

// Push takes an authorization request from the client itself and judges it by
// the same rules as at /authorize: RFC 9126 §2.
func (s *Server) Push(ctx context.Context, given Credentials) (*PushedResponse, error) {
	req := given.Request
	if name := req.repeated(); name != "" {
		return nil, invalidRequest("%s was sent more than once", printable(name)).about(printable(name))
	}
	client, err := s.authenticateClient(ctx, given)
	if err != nil {
		return nil, err
	}
	answer, err := s.push(ctx, client, given)
	if err != nil {
		s.tokenProblem(ctx, client, err)
	}
	return answer, err
}

func (s *Server) push(ctx context.Context, c *Client, given Credentials) (*PushedResponse, error) {
	if given.Request.Get("request_uri") != "" { // RFC 9126 §2.1
		return nil, invalidRequest("request_uri can't be pushed").about("request_uri")
	}
	req, signed, refused := s.openRequestObject(ctx, c, given.Request)
	if refused != nil {
		return nil, pushedRefusal(c, refused)
	}
	if _, registered := c.redirect(req.Get("redirect_uri")); !registered {
		return nil, invalidRequest("redirect_uri is not one that this app registered").about("redirect_uri")
	}
	in := s.newInteraction(c, req, req.Get("redirect_uri"), Standing{})
	in.Request.pushed, in.Request.signed = true, signed
	if refused := s.authorizationRules(ctx, c, req, &in.Request); refused != nil {
		return nil, refused
	}
	if err := s.bindPushed(ctx, c, given, &in.Request); err != nil {
		return nil, err
	}
	return s.keepPushed(ctx, c, given.Address, &in.Request)
}

// pushedRefusal: FAPI 2.0 Message Signing §5.3.1. From a client that signs, an unsigned
// object is a bad one and not one of a kind that isn't supported.
func pushedRefusal(c *Client, refused *Error) *Error {
	if refused.Code == CodeRequestNotSupported && (len(c.keys) > 0 || c.JWKSURI != "") {
		refused.Code = CodeInvalidRequestObject
	}
	return refused
}

// bindPushed: RFC 9449 §10.1, a proof at /par stands for dpop_jkt.
func (s *Server) bindPushed(ctx context.Context, c *Client, given Credentials, into *AuthorizationRequest) error {
	if len(given.DPoP) == 0 {
		return nil
	}
	sender, err := s.dpopSender(c, given, "")
	switch {
	case err != nil:
		return err
	case into.JKT != "" && into.JKT != sender.JKT:
		return invalidRequest("dpop_jkt differs from the key of the DPoP proof").about("dpop_jkt")
	}
	into.JKT = sender.JKT
	return s.useProofs(ctx, sender.proofs)
}

func (s *Server) keepPushed(ctx context.Context, c *Client, address string, r *AuthorizationRequest) (*PushedResponse, error) {
	perClient, perNetwork := pushedPerClient, pushedPerNetwork
	if c.Confidential() {
		perClient, perNetwork = 0, 0
	}
	content, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	now, handle := s.Now(), secret.New().Reveal()
	err = s.Store.Push(ctx, PushedRequest{
		Handle: handle, ClientID: c.ID, Address: networkOf(address), Content: []byte(s.boxes.pushed.Seal(content, []byte(handle))),
		ExpiresAt: now.Add(s.PushedLifetime), KeepUntil: now.Add(s.PushedLifetime + s.InteractionLifetime),
	}, perClient, perNetwork)
	if errors.Is(err, ErrConflict) {
		return nil, tooMany("pushed requests that nobody has used").because(err)
	}
	if err != nil {
		return nil, err
	}
	return &PushedResponse{RequestURI: pushedPrefix + handle, ExpiresIn: int64(s.PushedLifetime / time.Second)}, nil
}

// pushedHandle finds the handle in a request_uri that /par gave out.
func pushedHandle(req Request) (string, bool) {
	return strings.CutPrefix(req.Get("request_uri"), pushedPrefix)
}

// pushedInteraction begins with a pushed request, which may be done until it
// was used up or has expired: RFC 9126 §4, §7.3. What else the request carries
// is not looked at: RFC 9101 §6.3.
func (s *Server) pushedInteraction(ctx context.Context, c *Client, handle string) (*Interaction, error) {
	pushed, err := s.Store.Pushed(ctx, handle)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && pushed.ClientID != c.ID:
		return nil, invalidRequestURI("request_uri is unknown, or was pushed by another app")
	case err != nil:
		return nil, err
	case pushed.Spent:
		return nil, invalidRequestURI("request_uri was used before")
	case !s.Now().Before(pushed.ExpiresAt), s.fromBefore(pushed.ExpiresAt.Add(-s.PushedLifetime)):
		return nil, invalidRequestURI("request_uri has expired")
	}
	in := &Interaction{Pushed: handle}
	if in.Request, err = s.openPushed(&pushed); err != nil {
		return nil, err
	}
	if _, ok := c.redirect(in.Request.RedirectURI); !ok {
		return nil, invalidRequest("the app no longer registers this redirect_uri").about("redirect_uri")
	}
	return in, nil
}

func (s *Server) openPushed(pushed *PushedRequest) (r AuthorizationRequest, err error) {
	content, err := s.boxes.pushed.Open(string(pushed.Content), []byte(pushed.Handle))
	if err != nil {
		return r, invalidRequestURI("request_uri is not valid any more").because(err)
	}
	return r, json.Unmarshal(content, &r)
}

// spendPushed uses a pushed request up when its authorization completes, and
// not when its page is opened: RFC 9126 §4.
func (s *Server) spendPushed(ctx context.Context, in *Interaction) error {
	err := s.Store.SpendPushed(ctx, in.Pushed)
	if errors.Is(err, ErrReplayed) || errors.Is(err, ErrNotFound) {
		return invalidRequestURI("request_uri was used before").because(err)
	}
	return err
}
