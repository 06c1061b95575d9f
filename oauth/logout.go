package oauth

import (
	"context"
	"errors"
)

// LogoutRequest is a request of RP-Initiated Logout §2 that was found good.
type LogoutRequest struct {
	Client   *Client // nil when no app sent the person here
	Confirm  bool    // ask the person first
	Redirect string  // where to go afterwards, state included; "" for our own page
}

// Logout judges a request to end the browser's session: RP-Initiated Logout
// §2 and §3. What is wrong with it is an error for a page, and the session stays.
func (s *Server) Logout(ctx context.Context, req Request, session Session) (*LogoutRequest, error) {
	if name := req.repeated(); name != "" {
		return nil, invalidRequest("%s was sent more than once", printable(name)).about(printable(name))
	}
	out := &LogoutRequest{Confirm: session.ID != ""}
	hint, err := s.logoutHint(ctx, req)
	if err != nil {
		return nil, err
	}
	if out.Client, err = s.logoutClient(ctx, req, hint); err != nil {
		return nil, err
	}
	if hint != nil && out.Client != nil && hint.SessionID == session.ID {
		subject, err := s.subjectFor(ctx, out.Client, session.Subject)
		if err != nil {
			return nil, err
		}
		out.Confirm = out.Confirm && hint.Subject != subject
	}
	out.Redirect, err = logoutTarget(req, out.Client)
	return out, err
}

func (s *Server) logoutHint(ctx context.Context, req Request) (*idTokenClaims, error) {
	text := req.Get("id_token_hint")
	if text == "" {
		return nil, nil
	}
	hint, err := s.openIDTokenHint(ctx, text)
	if err != nil {
		return nil, invalidRequest("id_token_hint is not an ID token of this server").about("id_token_hint").because(err)
	}
	return &hint, nil
}

func (s *Server) logoutClient(ctx context.Context, req Request, hint *idTokenClaims) (*Client, error) {
	id := req.Get("client_id")
	switch {
	case id == "" && hint == nil:
		return nil, nil
	case id == "":
		id = hint.Audience[0]
	case hint != nil && !contains(hint.Audience, id):
		return nil, invalidRequest("client_id differs from the app of id_token_hint").about("client_id")
	}
	client, err := s.Store.Client(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, invalidRequest("no app is registered under this client_id").about("client_id")
	}
	return client, err
}

func logoutTarget(req Request, c *Client) (string, error) {
	target := req.Get("post_logout_redirect_uri")
	switch {
	case target == "":
		return "", nil
	case c == nil:
		return "", invalidRequest("post_logout_redirect_uri needs id_token_hint or client_id").about("post_logout_redirect_uri")
	case !contains(c.PostLogoutRedirectURIs, target):
		return "", invalidRequest("post_logout_redirect_uri is not one that this app registered").about("post_logout_redirect_uri")
	}
	response := Response{RedirectURI: target}
	if state := req.Get("state"); state != "" {
		response.Params = [][2]string{{"state", state}}
	}
	return response.Location(), nil
}

// InitiateLogin is where an app begins a sign-in of its own accord: OpenID Connect Core
// §4. "" when it registered no such address.
func (s *Server) InitiateLogin(c *Client) string {
	if SafeLink(c.InitiateLoginURI) == "" {
		return ""
	}
	r := Response{RedirectURI: c.InitiateLoginURI, Params: [][2]string{{"iss", s.Issuer}}}
	return r.Location()
}
