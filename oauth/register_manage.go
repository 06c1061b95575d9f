package oauth

import (
	"context"
	"errors"
	"strings"

	"github.com/valetkey/valetkey/internal/secret"
)

// registeredClient proves who calls at a client's own address: RFC 7592 §2. A
// client that is gone, and a wrong token, are told alike.
func (s *Server) registeredClient(ctx context.Context, call RegistrationCall) (*Client, error) {
	refuse := func(cause error) error {
		return invalidToken("the registration access token is not valid for this client").because(cause)
	}
	c, err := s.Store.Client(ctx, call.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, refuse(err)
	case err != nil:
		return nil, err
	case c.Disabled, !strings.HasPrefix(call.Token, registrationPrefix), !secret.Matches(call.Token, c.TokenHash):
		return nil, refuse(nil)
	}
	return c, nil
}

// ReadRegistration: RFC 7592 §2.1. The secret is kept as a hash and so can't be
// told again.
func (s *Server) ReadRegistration(ctx context.Context, call RegistrationCall) (*Registration, error) {
	c, err := s.registeredClient(ctx, call)
	if err != nil {
		return nil, err
	}
	return s.registration(c, "", call.Token), nil
}

// UpdateRegistration: RFC 7592 §2.2, the whole registration is replaced and
// judged as if it were new.
func (s *Server) UpdateRegistration(ctx context.Context, call RegistrationCall) (*Registration, error) {
	old, err := s.registeredClient(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := s.mayWriteRegistration(call); err != nil {
		return nil, err
	}
	m, err := readRegistration(call.Body)
	switch {
	case err != nil:
		return nil, err
	case m.ID == nil || *m.ID != old.ID:
		return nil, invalidMetadata("client_id", "client_id must be that of the client")
	case m.Secret != nil && !secret.Matches(*m.Secret, old.SecretHash):
		return nil, invalidMetadata("client_secret", "client_secret is not the client's; a new one can't be chosen")
	}
	c, refused := s.strangersClient(old.ID, m.Metadata, old)
	if refused != nil {
		return nil, refused
	}
	if err := s.checkSector(ctx, c); err != nil {
		return nil, err
	}
	c.CopyStanding(old)
	if c.LogoURI != old.LogoURI {
		c.LogoID = s.FetchLogo(ctx, c)
	}
	if !sameFace(old, c) { // what the operator vouched for was another face
		c.Verified, c.FirstParty = false, false
	}
	ends := MustEnd(old, c)
	password, given := "", c.usesSecret() != old.usesSecret()
	if c.usesSecret() && (!old.usesSecret() || c.AuthMethod == AuthSecretJWT && old.SecretKey == "") {
		if password, err = s.GiveSecret(c); err != nil {
			return nil, err
		}
		given = true
	} else if !c.usesSecret() {
		c.SecretHash, c.SecretPHC, c.SecretKey = nil, "", ""
	}
	if err := s.Store.ReplaceClient(ctx, c, given, ends); err != nil {
		return nil, err
	}
	return s.registration(c, password, call.Token), nil
}

// sameFace says whether people would take two for the same app, and whether it
// sends them to the same places.
func sameFace(a, b *Client) bool {
	return a.Name == b.Name && a.LogoURI == b.LogoURI && a.HomepageURI == b.HomepageURI && subset(b.RedirectURIs, a.RedirectURIs)
}

// CopyStanding takes over what metadata doesn't say.
func (c *Client) CopyStanding(old *Client) {
	c.SecretHash, c.SecretPHC, c.SecretKey, c.TokenHash = old.SecretHash, old.SecretPHC, old.SecretKey, old.TokenHash
	c.Owner, c.FirstParty, c.Verified, c.Disabled, c.Source = old.Owner, old.FirstParty, old.Verified, old.Disabled, old.Source
	c.Epoch, c.LogoID, c.CreatedAt = old.Epoch, old.LogoID, old.CreatedAt
}

// MustEnd says whether a change makes another client of it for whoever holds
// its tokens: another way to authenticate, another kind of program, or other
// subjects.
func MustEnd(old, changed *Client) bool {
	return changed.AuthMethod != old.AuthMethod || changed.Type != old.Type ||
		changed.pairwise() != old.pairwise() || changed.pairwise() && changed.sector() != old.sector()
}

// DeleteRegistration: RFC 7592 §2.3.
func (s *Server) DeleteRegistration(ctx context.Context, call RegistrationCall) error {
	c, err := s.registeredClient(ctx, call)
	if err != nil {
		return err
	}
	return s.Store.DeleteClient(ctx, c.ID)
}
