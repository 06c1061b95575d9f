package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// The token types of RFC 8693 §3 that are known here.
const (
	tokenTypeAccess = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // a name
	tokenTypeJWT    = "urn:ietf:params:oauth:token-type:jwt"          //nolint:gosec // a name
)

// redeemExchange: RFC 8693 §2. A client trades a token that it was sent for one
// with which it calls further, within what an operator allowed it. The new
// token hangs off the same authorization, so it ends with it.
func redeemExchange(ctx context.Context, s *Server, call *TokenCall) (*TokenResponse, error) {
	c, req := call.Client, call.Request
	if c.Exchange == nil || !c.Confidential() {
		return nil, newError(CodeUnauthorizedClient, "no token exchange policy is set for this app")
	}
	if kind := req.Get("requested_token_type"); kind != "" && kind != tokenTypeAccess && kind != tokenTypeJWT {
		return nil, invalidRequest("requested_token_type must be %s", tokenTypeAccess).about("requested_token_type")
	}
	subject, err := s.exchangedToken(ctx, req, "subject_token")
	if err != nil {
		return nil, err
	}
	if err := s.mayExchange(ctx, c, subject); err != nil {
		return nil, err
	}
	act, err := s.actorOf(ctx, c, req, subject)
	if err != nil {
		return nil, err
	}
	return s.exchange(ctx, call, subject, act)
}

// exchangedToken reads an access token of ours that still stands. What is
// wrong with it is invalid_request: RFC 8693 §2.2.2.
func (s *Server) exchangedToken(ctx context.Context, req Request, name string) (*accessToken, error) {
	text, kind := req.Get(name), req.Get(name+"_type")
	switch {
	case text == "":
		return nil, invalidRequest("%s is missing", name).about(name)
	case kind != tokenTypeAccess && kind != tokenTypeJWT:
		return nil, invalidRequest("%s_type must be %s", name, tokenTypeAccess).about(name + "_type")
	}
	t, err := s.liveAccessToken(ctx, text)
	if err == nil {
		return t, nil
	}
	if e := AsError(err); e.Code == CodeInvalidToken || isNotFound(err) {
		return nil, invalidRequest("%s is not a live access token of this server", name).about(name).because(err)
	}
	return nil, err
}

// mayExchange: the operator's policy names whose tokens a client may bring;
// without a list, those that were meant for its own resources, and its own.
func (s *Server) mayExchange(ctx context.Context, c *Client, t *accessToken) error {
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return err
	}
	allowed := t.ClientID == c.ID || catalog.introspects(c.ID, t.Audience)
	if len(c.Exchange.Clients) > 0 {
		allowed = contains(c.Exchange.Clients, t.ClientID) || contains(c.Exchange.Clients, "*")
	}
	switch {
	case !allowed:
		return newError(CodeUnauthorizedClient, "this app may not exchange tokens of that app").about("subject_token")
	case !t.person():
		return invalidRequest("subject_token acts for no person").about("subject_token")
	}
	return nil
}

// actor is an act claim: RFC 8693 §4.1.
type actor struct {
	Subject  string          `json:"sub"`
	ClientID string          `json:"client_id,omitempty"`
	Actor    json.RawMessage `json:"act,omitempty"` // who acted before
}

// maxActors keeps a chain of exchanges from growing for ever.
const maxActors = 2048

// actorOf says who acts: the holder of actor_token, else the client itself;
// nobody when the policy allows to impersonate and no actor was named.
func (s *Server) actorOf(ctx context.Context, c *Client, req Request, subject *accessToken) (json.RawMessage, error) {
	by := actor{Subject: clientSubject + c.ID, ClientID: c.ID, Actor: subject.Actor}
	switch {
	case req.Get("actor_token") != "":
		t, err := s.exchangedToken(ctx, req, "actor_token")
		if err != nil {
			return nil, err
		}
		if t.ClientID != c.ID {
			return nil, newError(CodeUnauthorizedClient, "actor_token is another app's").about("actor_token")
		}
		by.Subject = t.Subject
	case req.Get("actor_token_type") != "":
		return nil, invalidRequest("actor_token_type came without actor_token").about("actor_token_type")
	case c.Exchange.Impersonation:
		return subject.Actor, nil
	}
	content, err := json.Marshal(by)
	if err == nil && len(content) > maxActors {
		return nil, invalidRequest("the chain of actors is too long").about("subject_token")
	}
	return content, err
}

func (s *Server) exchange(ctx context.Context, call *TokenCall, subject *accessToken, act json.RawMessage) (*TokenResponse, error) {
	c, req := call.Client, call.Request
	scopes, refused := narrowed(req, without(subject.scopes, ScopeOpenID, ScopeOfflineAccess))
	if refused != nil {
		return nil, refused
	}
	resources, err := s.exchangeTarget(ctx, c, req)
	if err != nil {
		return nil, err
	}
	auth, err := s.Store.Authorization(ctx, subject.authorizationID())
	switch {
	case errors.Is(err, ErrNotFound), err == nil && !auth.Live:
		return nil, invalidRequest("subject_token has been revoked").about("subject_token")
	case err != nil:
		return nil, err
	}
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	if auth.Subject != "" {
		if scopes, err = s.stillAdmitted(ctx, c, auth.Subject, scopes, catalog); err != nil {
			return nil, err
		}
	}
	is := issuance{
		client: c, auth: auth, scopes: scopes, resources: resources, sender: call.sender, act: act,
		until: time.Unix(int64(subject.Expires), 0),
	}
	answer, err := s.tokens(ctx, is)
	if err != nil {
		return nil, err
	}
	if err := s.useProofs(ctx, call.sender.proofs); err != nil {
		return nil, err
	}
	answer.IssuedType = tokenTypeAccess
	s.notify(ctx, Event{Kind: EventIssued, ClientID: c.ID, Subject: auth.Subject, Session: auth.SessionID, Scopes: scopes, GrantType: GrantTokenExchange})
	return answer, nil
}

// exchangeTarget: RFC 8693 §2.1, resource is an address, audience a name: of a
// resource, or of the client that speaks for it.
func (s *Server) exchangeTarget(ctx context.Context, c *Client, req Request) ([]string, error) {
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	asked := req.All("resource")
	for _, name := range req.All("audience") {
		addresses := catalog.resourcesNamed(name)
		if len(addresses) == 0 {
			return nil, newError(CodeInvalidTarget, "audience %s is not known here", printable(name)).about("audience")
		}
		asked = append(asked, without(addresses, asked...)...)
	}
	for _, address := range asked {
		if _, known := catalog.Resources[address]; !known || len(c.Exchange.Resources) > 0 && !contains(c.Exchange.Resources, address) {
			return nil, newError(CodeInvalidTarget, "this app may not exchange tokens for %s", printable(address)).about("resource")
		}
	}
	if len(asked) == 0 && len(c.Exchange.Resources) > 0 {
		return c.Exchange.Resources, nil
	}
	return asked, nil
}

// resourcesNamed finds what a name stands for: a resource's address, all
// resources that a client speaks for, or one resource's name.
func (c *Catalog) resourcesNamed(name string) []string {
	if _, ok := c.Resources[name]; ok {
		return []string{name}
	}
	var ofClient, ofName []string
	for address, r := range c.Resources {
		if r.Client == name {
			ofClient = append(ofClient, address)
		}
		if r.Name == name {
			ofName = append(ofName, address)
		}
	}
	if len(ofClient) == 0 && len(ofName) == 1 {
		return ofName
	}
	slices.Sort(ofClient)
	return ofClient
}
