package oauth

import (
	"context"

	"github.com/valetkey/valetkey/internal/secret"
)

// redeemClientCredentials: RFC 6749 §4.4. The client acts for itself, so there
// is no person, no refresh token (§4.4.3), no ID token and nothing to store.
func redeemClientCredentials(ctx context.Context, s *Server, call *TokenCall) (*TokenResponse, error) {
	c := call.Client
	if !c.Confidential() {
		return nil, newError(CodeUnauthorizedClient, "client_credentials needs a client that authenticates")
	}
	asked, err := parseScope(call.Request.Get("scope"))
	if err != nil {
		return nil, err
	}
	catalog, fault := s.Store.Catalog(ctx)
	if fault != nil {
		return nil, fault
	}
	for _, name := range asked {
		if catalog.Scopes[name].Builtin && name != ScopeRevocations {
			return nil, invalidScope("scope %s speaks of a person, and there is none", name)
		}
		if len(catalog.Scopes[name].Groups) > 0 && !contains(c.scopes(), name) {
			return nil, invalidScope("scope %s is for groups of people, and there is nobody; an operator can register it for this app", printable(name))
		}
		if !c.mayAsk(name, catalog) {
			return nil, invalidScope("scope %s is not registered for this app", printable(name))
		}
	}
	resources, err := s.knownResources(ctx, call.Request)
	if err != nil {
		return nil, err
	}
	is := issuance{client: c, auth: Authorization{ID: secret.NewID(), ClientID: c.ID}, scopes: asked, resources: resources, sender: call.sender}
	answer, fault := s.tokens(ctx, is)
	if fault != nil {
		return nil, fault
	}
	if err := s.useProofs(ctx, call.sender.proofs); err != nil {
		return nil, err
	}
	s.notify(ctx, Event{Kind: EventIssued, ClientID: c.ID, Scopes: asked, GrantType: GrantClientCredentials})
	return answer, nil
}
