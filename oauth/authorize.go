package oauth

import (
	"context"
	"errors"
)

// Authorize answers an authorization request: RFC 6749 §4.1.1, OpenID Connect
// Core §3.1.2. An error it returns is for a page; every other refusal is a
// Response to the client.
func (s *Server) Authorize(ctx context.Context, req Request, standing Standing) (Reply, error) {
	return s.ended(s.authorize(ctx, req, standing))
}

func (s *Server) authorize(ctx context.Context, req Request, standing Standing) (Reply, error) {
	client, err := s.requestingClient(ctx, req)
	if err != nil {
		return nil, err
	}
	in, refused, err := s.interactionOf(ctx, client, req, standing)
	switch {
	case err != nil:
		return nil, err
	case refused != nil:
		return s.refuse(ctx, client, in, refused)
	}
	return s.proceed(ctx, client, in, standing)
}

// interactionOf reads a request in whichever way it came: pushed, in a request
// object, or as plain parameters. err is for a page; refused is for the client,
// and in then says where that is.
func (s *Server) interactionOf(ctx context.Context, c *Client, req Request, standing Standing) (in *Interaction, refused *Error, err error) {
	if handle, pushed := pushedHandle(req); pushed {
		if req.twice("request_uri") || req.Get("request") != "" { // RFC 9101 §5
			return nil, nil, invalidRequest("request_uri stands alone and once").about("request_uri")
		}
		in, err = s.pushedInteraction(ctx, c, handle)
		if err == nil {
			in.Began, in.Login = s.Now().Unix(), markOf(standing.Session)
		}
		return in, nil, err
	}
	opened, signed, refused := s.openRequestObject(ctx, c, req)
	if refused != nil {
		opened = req // RFC 9101 §6.1 names no other target than the outer one
	}
	target, err := s.trustedTarget(ctx, c, opened, refused)
	if err != nil {
		return nil, nil, err
	}
	in = s.newInteraction(c, opened, target, standing)
	if refused == nil {
		in.Request.signed = signed
		refused = s.authorizationRules(ctx, c, opened, &in.Request)
	}
	return in, refused, nil
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
	return s.ended(s.resume(ctx, in, standing))
}

func (s *Server) resume(ctx context.Context, in *Interaction, standing Standing) (Reply, error) {
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
	switch {
	case in.Device != "":
		err = s.decideDevice(ctx, in, DeviceDenied, nil)
	case in.Pushed != "":
		err = s.spendPushed(ctx, in)
	}
	if err != nil {
		return nil, err
	}
	s.consented(false)
	s.notify(ctx, Event{Kind: EventDenied, ClientID: client.ID, Subject: standing.Session.Subject, Scopes: in.Request.Scopes})
	if in.Device != "" {
		return &DeviceDone{Client: client}, nil
	}
	return s.respondError(ctx, client, in, newError(CodeAccessDenied, "the user did not allow it"))
}

// Unmet ends an interaction because its user reaches no acr that it wants: OpenID
// Connect Core Error Code unmet_authentication_requirements, §1.
func (s *Server) Unmet(ctx context.Context, in *Interaction) (Reply, error) {
	client, err := s.interactionClient(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.refuse(ctx, client, in, newError(CodeUnmetAuthentication, "the user has no second factor and didn't set one up"))
}

func markOf(s Session) LoginMark { return LoginMark{SessionID: s.ID, Count: s.Logins} }

// trustedTarget decides where a response may go. Until it has succeeded an
// error is a page and never a redirect: RFC 6749 §4.1.2.1, RFC 9700 §4.11.2.
// because is what else is wrong, shown when no target was named at all.
func (s *Server) trustedTarget(ctx context.Context, client *Client, req Request, because *Error) (string, error) {
	sent := req.Get("redirect_uri")
	if _, registered := client.redirect(sent); registered && !req.twice("redirect_uri") {
		return sent, nil
	}
	refusal := invalidRequest("redirect_uri is not one that this app registered").about("redirect_uri")
	switch {
	case req.twice("redirect_uri"):
		refusal = invalidRequest("redirect_uri was sent more than once").about("redirect_uri")
	case sent == "" && because != nil:
		refusal = because
	case sent == "":
		refusal = invalidRequest("redirect_uri is missing").about("redirect_uri")
	}
	s.problem(ctx, client, refusal, sent, client.RedirectURIs)
	refusal.App = client.Name
	return "", refusal
}

func (s *Server) requestingClient(ctx context.Context, req Request) (*Client, error) {
	id := req.Get("client_id")
	switch {
	case req.twice("client_id"):
		return nil, invalidRequest("client_id was sent more than once").about("client_id")
	case id == "":
		return nil, invalidRequest("client_id is missing").about("client_id")
	}
	client, err := s.publishedClient(ctx, id, req.address)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidRequest("no app is registered under this client_id").about("client_id")
	case err != nil:
		return nil, err
	case client.Disabled:
		return nil, newError(CodeUnauthorizedClient, "this app has been switched off").about("client_id")
	}
	s.names(ctx, client)
	return client, nil
}

// interactionClient reads the client again, because minutes may have passed:
// it may be gone, off, or no longer own the redirect URI.
func (s *Server) interactionClient(ctx context.Context, in *Interaction) (*Client, error) {
	client, err := s.publishedClient(ctx, in.Request.ClientID, "")
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidRequest("the app has been deleted").about("client_id")
	case err != nil:
		return nil, err
	case client.Disabled:
		return nil, newError(CodeUnauthorizedClient, "the app has been switched off").about("client_id")
	}
	s.names(ctx, client)
	if in.Device != "" {
		return client, nil
	}
	if _, ok := client.redirect(in.Request.RedirectURI); !ok {
		return nil, invalidRequest("the app no longer registers this redirect_uri").about("redirect_uri")
	}
	return client, nil
}

// InteractionClient finds the app of an interaction as it stands now.
func (s *Server) InteractionClient(ctx context.Context, in *Interaction) (*Client, error) {
	return s.interactionClient(ctx, in)
}

// problem tells the client's owner what was refused.
func (s *Server) problem(ctx context.Context, c *Client, err *Error, sent string, expected []string) {
	s.notify(ctx, Event{Kind: EventProblem, ClientID: c.ID, Error: err, Sent: sent, Expected: expected})
}
