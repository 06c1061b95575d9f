package oauth

import (
	"context"
	"crypto/x509"
	"errors"
)

// Credentials are what came with a request to prove a client.
type Credentials struct {
	Request       Request
	Authorization []string            // every Authorization header
	DPoP          []string            // every DPoP header
	Certificates  []*x509.Certificate // the client's, leaf first; what a stranger may show
	Method        string              // of the HTTP request
	Path          string              // the endpoint, such as PathToken
	Address       string              // where the request came from, for fairness of slow hashes
}

// authenticateClient proves which client is calling, before anything else of
// the request is looked at: RFC 6749 §2.3, §3.2.1. Exactly one method, the
// registered one.
func (s *Server) authenticateClient(ctx context.Context, given Credentials) (*Client, error) {
	method, id, err := s.triedMethod(given)
	if err != nil {
		return nil, err
	}
	client, fault := s.Store.Client(ctx, id)
	if isDocumentID(id) && (errors.Is(fault, ErrNotFound) || fault == nil && client.Source == SourceDocument && !client.Disabled) {
		client, fault = s.calledBy(ctx, id, given.Address, client)
	}
	switch {
	case errors.Is(fault, ErrNotFound):
		return nil, invalidClient("client authentication failed")
	case fault != nil:
		return nil, fault
	case client.Disabled:
		return nil, invalidClient("client authentication failed")
	case method.Name == AuthNone && client.byCertificate():
		method = s.methodNamed(client.AuthMethod)
	case !client.accepts(method.Name):
		e := invalidClient("client authentication failed")
		s.problem(ctx, client, invalidClient("the app authenticated by another method than it registered"), method.Name, []string{client.AuthMethod})
		return nil, e
	}
	if err := method.Check(ctx, s, client, given); err != nil {
		return nil, err
	}
	s.names(ctx, client)
	return client, nil
}

// methodNamed finds a row of the table; the zero row refuses.
func (s *Server) methodNamed(name string) ClientAuth {
	for _, m := range s.Methods {
		if m.Name == name {
			return m
		}
	}
	return ClientAuth{Check: func(context.Context, *Server, *Client, Credentials) error {
		return invalidClient("client authentication failed")
	}}
}

// accepts says whether a method is the registered one. The two ways to send a
// secret prove the same; profile compatible takes either.
func (c *Client) accepts(method string) bool {
	secret := func(m string) bool { return m == AuthBasic || m == AuthPost }
	return method == c.AuthMethod || c.Profile == ProfileCompatible && secret(method) && secret(c.AuthMethod)
}

// triedMethod finds the one method that was tried: RFC 6749 §2.3.
func (s *Server) triedMethod(given Credentials) (ClientAuth, string, error) {
	var found ClientAuth
	var id string
	n := 0
	for _, m := range s.Methods {
		clientID, tried, err := m.Tried(given)
		if err != nil {
			return found, "", err
		}
		if tried {
			found, id = m, clientID
			n++
		}
	}
	switch {
	case n > 1:
		return found, "", invalidRequest("more than one way of client authentication was used")
	case n == 0:
		return found, "", invalidClient("client authentication is missing")
	}
	if sent := given.Request.Get("client_id"); sent != "" && sent != id {
		return found, "", invalidRequest("client_id differs from the client that authenticated").about("client_id")
	}
	return found, id, nil
}

// triedNone: RFC 7591 §2, a public client names itself and proves nothing.
func triedNone(given Credentials) (string, bool, *Error) {
	id, password, header, malformed := basic(given) // triedBasic reports it
	if header {
		// A public client's Basic header with an empty secret counts as none:
		// CONTRACT §4, decision 6.
		return id, malformed == nil && password == "", nil
	}
	id = given.Request.Get("client_id")
	proof := given.Request.Get("client_secret") + given.Request.Get("client_assertion") + given.Request.Get("client_assertion_type")
	return id, id != "" && proof == "", nil
}

func checkNone(context.Context, *Server, *Client, Credentials) error { return nil }
