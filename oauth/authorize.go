package oauth

import (
	"context"
	"errors"
)

// Authorize answers an authorization request: RFC 6749 §4.1.1, OpenID Connect
// Core §3.1.2. An error it returns is for a page; every other refusal is a
// Response to the client.
func (s *Server) Authorize(ctx context.Context, req Request, standing Standing) (Reply, error) {
	client, target, err := s.trustedTarget(ctx, req)
	if err != nil {
		return nil, err
	}
	in := s.newInteraction(client, req, target, standing)
	if err := s.authorizationRules(ctx, client, req, &in.Request); err != nil {
		return s.refuse(ctx, client, in, err)
	}
	return s.proceed(ctx, client, in, standing)
}

// newInteraction holds what may be trusted before the rules have run.
func (s *Server) newInteraction(c *Client, req Request, target string, standing Standing) *Interaction {
	return &Interaction{
		Request: AuthorizationRequest{ClientID: c.ID, RedirectURI: target, ResponseMode: trustedMode(req), State: trustedState(req)},
		Began:   s.Now().Unix(), Login: markOf(standing.Session),
	}
}

// Resume goes on with a waiting interaction after a page recorded a fact.
func (s *Server) Resume(ctx context.Context, in *Interaction, standing Standing) (Reply, error) {
	client, err := s.interactionClient(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.proceed(ctx, client, in, standing)
}

// Deny ends an interaction because the person said no.
func (s *Server) Deny(ctx context.Context, in *Interaction, standing Standing) (Reply, error) {
	client, err := s.interactionClient(ctx, in)
	if err != nil {
		return nil, err
	}
	s.notify(ctx, Event{Kind: EventDenied, ClientID: client.ID, Subject: standing.Session.Subject, Scopes: in.Request.Scopes})
	return s.respondError(client, in, newError(CodeAccessDenied, "the user did not allow it")), nil
}

func markOf(s Session) LoginMark { return LoginMark{SessionID: s.ID, Count: s.Logins} }

// trustedTarget decides where a response may go. Until it has succeeded an
// error is a page and never a redirect: RFC 6749 §4.1.2.1, RFC 9700 §4.11.2.
func (s *Server) trustedTarget(ctx context.Context, req Request) (*Client, string, error) {
	client, err := s.requestingClient(ctx, req)
	if err != nil {
		return nil, "", err
	}
	sent := req.Get("redirect_uri")
	if _, registered := client.redirect(sent); registered && !req.twice("redirect_uri") {
		return client, sent, nil
	}
	refusal := invalidRequest("redirect_uri is not one that this app registered").about("redirect_uri")
	switch {
	case req.twice("redirect_uri"):
		refusal = invalidRequest("redirect_uri was sent more than once").about("redirect_uri")
	case sent == "":
		refusal = invalidRequest("redirect_uri is missing").about("redirect_uri")
	}
	s.problem(ctx, client, refusal, sent, client.RedirectURIs)
	refusal.App = client.Name
	return nil, "", refusal
}

func (s *Server) requestingClient(ctx context.Context, req Request) (*Client, error) {
	id := req.Get("client_id")
	switch {
	case req.twice("client_id"):
		return nil, invalidRequest("client_id was sent more than once").about("client_id")
	case id == "":
		return nil, invalidRequest("client_id is missing").about("client_id")
	}
	client, err := s.Store.Client(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidRequest("no app is registered under this client_id").about("client_id")
	case err != nil:
		return nil, err
	case client.Disabled:
		return nil, newError(CodeUnauthorizedClient, "this app has been switched off").about("client_id")
	}
	return client, nil
}

// interactionClient reads the client again, because minutes may have passed:
// it may be gone, off, or no longer own the redirect URI.
func (s *Server) interactionClient(ctx context.Context, in *Interaction) (*Client, error) {
	client, err := s.Store.Client(ctx, in.Request.ClientID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidRequest("the app has been deleted").about("client_id")
	case err != nil:
		return nil, err
	case client.Disabled:
		return nil, newError(CodeUnauthorizedClient, "the app has been switched off").about("client_id")
	}
	if _, ok := client.redirect(in.Request.RedirectURI); !ok {
		return nil, invalidRequest("the app no longer registers this redirect_uri").about("redirect_uri")
	}
	return client, nil
}

// problem tells the client's owner what was refused.
func (s *Server) problem(ctx context.Context, c *Client, err *Error, sent string, expected []string) {
	s.notify(ctx, Event{Kind: EventProblem, ClientID: c.ID, Error: err, Sent: sent, Expected: expected})
}
