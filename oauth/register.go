package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/secret"
)

// Limits on registrations that nobody has vouched for: RFC 7591 §5.
const (
	registrationsPerMinute = 60     // of an address
	maxUnusedClients       = 10_000 // in all
	initialPrefix          = "iat_"
	registrationPrefix     = "rat_"
)

// Registration is the answer of RFC 7591 §3.2.1 and RFC 7592 §3.
type Registration struct {
	ID            string `json:"client_id"`
	Secret        string `json:"client_secret,omitempty"`
	IssuedAt      int64  `json:"client_id_issued_at,omitempty"`
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"` // 0: never; RFC 7591 has it beside every secret
	Token         string `json:"registration_access_token,omitempty"`
	URI           string `json:"registration_client_uri,omitempty"`

	Metadata
}

// RegistrationCall is a request to /register.
type RegistrationCall struct {
	Body    []byte // JSON
	Token   string // the Bearer token, "" for none
	Address string
	ID      string // of the client, at its own address: RFC 7592
}

// Register takes a new client: RFC 7591 §3.1, OpenID Connect Registration §3.1.
func (s *Server) Register(ctx context.Context, call RegistrationCall) (*Registration, error) {
	if err := s.mayRegister(ctx, call); err != nil {
		return nil, err
	}
	m, err := readRegistration(call.Body)
	if err != nil {
		return nil, err
	}
	c, refused := s.strangersClient(secret.NewID(), m.Metadata, nil)
	if refused != nil {
		return nil, refused
	}
	if err := s.checkSector(ctx, c); err != nil {
		return nil, err
	}
	if err := s.spendInitial(ctx, call); err != nil {
		return nil, err
	}
	password, err := s.GiveSecret(c)
	if err != nil {
		return nil, err
	}
	token := registrationPrefix + secret.New().Reveal()
	c.Source, c.TokenHash, c.CreatedAt = SourceRegistered, secret.Hash(token), s.Now()
	err = s.Store.RegisterClient(ctx, c, maxUnusedClients)
	if errors.Is(err, ErrConflict) {
		return nil, tooMany("clients that registered and were never used").because(err)
	}
	if err != nil {
		return nil, err
	}
	if c.LogoID = s.FetchLogo(ctx, c); c.LogoID != "" {
		if err := s.Store.ReplaceClient(ctx, c, false, false); err != nil {
			return nil, err
		}
	}
	return s.registration(c, password, token), nil
}

// mayRegister: RFC 7591 §3, by mode.
func (s *Server) mayRegister(ctx context.Context, call RegistrationCall) error {
	switch s.Registration {
	case RegistrationOpen:
	case RegistrationToken:
		if !strings.HasPrefix(call.Token, initialPrefix) {
			return invalidToken("registration needs an initial access token of the operator's")
		}
	default:
		return newError(CodeAccessDenied, "registration is closed; ask the operator, or use the developer portal")
	}
	return s.mayWriteRegistration(call)
}

func (s *Server) mayWriteRegistration(call RegistrationCall) error {
	if !s.mayAct("register\x00"+networkOf(call.Address), registrationsPerMinute, time.Minute) {
		return tooMany("registrations from this address")
	}
	return nil
}

// spendInitial uses an initial access token up last of all: a request that is
// refused for another reason changes nothing.
func (s *Server) spendInitial(ctx context.Context, call RegistrationCall) error {
	if s.Registration != RegistrationToken {
		return nil
	}
	err := s.Store.SpendInitialToken(ctx, secret.Hash(call.Token), s.Now())
	if errors.Is(err, ErrNotFound) {
		return invalidToken("the initial access token is unknown, used up or expired").because(err)
	}
	return err
}

// maxLogo is how many bytes a logo may have: CONTRACT §4, decision 15.
const maxLogo = 1 << 20

// FetchLogo takes a picture once, when a client registers, so that no page ever
// loads what somebody else serves. A picture that can't be had is no reason to
// refuse a client.
func (s *Server) FetchLogo(ctx context.Context, c *Client) string {
	if c.LogoURI == "" || s.Outbound == nil || s.Logo == nil {
		return ""
	}
	picture, err := s.Outbound.Get(ctx, c.LogoURI, maxLogo, "image/png", "image/jpeg", "image/gif", "image/webp")
	if err != nil {
		s.Log.InfoContext(ctx, "logo not fetched", "client", c.ID, "error", err.Error())
		return ""
	}
	id, err := s.Logo(ctx, c.ID, picture.Body)
	if err != nil {
		s.Log.InfoContext(ctx, "logo not kept", "client", c.ID, "error", err.Error())
		return ""
	}
	return id
}

// NewInitialToken makes an initial access token and the row that knows it.
func (s *Server) NewInitialToken(note string, uses int64, life time.Duration) (InitialToken, string) {
	token := initialPrefix + secret.New().Reveal()
	now := s.Now()
	return InitialToken{
		ID: secret.NewID(), Hash: secret.Hash(token), Note: note, UsesLeft: uses, CreatedAt: now, ExpiresAt: now.Add(life),
	}, token
}

// sentRegistration is what a client may send: metadata, and at its own address
// what it was told before.
type sentRegistration struct {
	Metadata

	ID        *string         `json:"client_id"`
	Secret    *string         `json:"client_secret"`
	Encrypted json.RawMessage `json:"id_token_encrypted_response_alg"`
	EncInfo   json.RawMessage `json:"userinfo_encrypted_response_alg"`
	EncObject json.RawMessage `json:"request_object_encryption_alg"`
	EncResp   json.RawMessage `json:"authorization_encrypted_response_alg"`
}

func readRegistration(body []byte) (m sentRegistration, err error) {
	if len(body) == 0 || body[firstOf(body)] != '{' {
		return m, invalidMetadata("", "the body must be a JSON object")
	}
	if err := jose.Decode(body, &m); err != nil {
		return m, invalidMetadata("", "the body must be a JSON object with members of the right types").because(err)
	}
	if m.Encrypted != nil || m.EncInfo != nil || m.EncObject != nil || m.EncResp != nil {
		return m, invalidMetadata("id_token_encrypted_response_alg", "encrypted answers and requests are not supported")
	}
	return m, nil
}

// strangersGrants are those that a client may give itself; the others act
// without a person and are an operator's to give: RFC 9700 §4.15.
var strangersGrants = []string{GrantAuthorizationCode, GrantRefreshToken, GrantDeviceCode}

// strangersClient judges what a client says of itself. What an operator gave it
// since, it may keep.
func (s *Server) strangersClient(id string, m Metadata, old *Client) (*Client, *Error) {
	if err := noGrantLeft(m); err != nil {
		return nil, err
	}
	wanted := s.registeredMetadata(m)
	if old != nil {
		wanted.Profile, wanted.TokenFormat, wanted.Reserved = old.Profile, old.TokenFormat, old.Reserved
		wanted.GrantTypes = append(wanted.GrantTypes, without(intersect(m.GrantTypes, old.GrantTypes), wanted.GrantTypes...)...)
		if asked, err := parseScope(m.Scope); err == nil {
			kept, _ := parseScope(wanted.Scope)
			wanted.Scope = joinScope(append(kept, without(intersect(asked, old.scopes()), kept...)...))
		}
	}
	return NewClient(id, wanted, s.Issuer)
}

// noGrantLeft: a client that wants only what it can't have is refused, one that
// wants that besides is told what it got.
func noGrantLeft(m Metadata) *Error {
	if len(m.GrantTypes) > 0 && len(intersect(m.GrantTypes, strangersGrants)) == 0 {
		return invalidMetadata("grant_types", "none of these grant types can be had without the operator")
	}
	return nil
}

// strangersMetadata takes out what only an operator decides.
func (s *Server) strangersMetadata(m Metadata) Metadata {
	m.Reserved, m.Profile, m.Type, m.TokenFormat = Reserved{}, "", "", ""
	if len(m.GrantTypes) > 0 {
		m.GrantTypes = intersect(m.GrantTypes, strangersGrants)
	} else {
		m.GrantTypes = []string{GrantAuthorizationCode, GrantRefreshToken}
	}
	if !contains(m.GrantTypes, GrantAuthorizationCode) {
		m.ResponseTypes = nil
	} else if len(m.ResponseTypes) == 0 || contains(m.ResponseTypes, "code") {
		m.ResponseTypes = []string{"code"}
	}
	m.Scope = s.strangersScope(m.Scope)
	m.LogoURI = SafeLink(m.LogoURI)
	return m
}

// strangersScope drops scopes that aren't declared or are restricted. A client
// that asked for a list and may have none of it gets openid's.
func (s *Server) strangersScope(scope string) string {
	names, err := parseScope(scope)
	if err != nil || len(names) == 0 {
		return scope
	}
	catalog, fault := s.Store.Catalog(context.Background())
	if fault != nil {
		return scope
	}
	kept := slices.DeleteFunc(names, func(name string) bool {
		one, declared := catalog.Scopes[name]
		return !declared || one.Restricted
	})
	if len(kept) == 0 {
		return ScopeOpenID
	}
	return joinScope(kept)
}

// registeredMetadata: CONTRACT §4, decision 3, and RFC 7591 §2's default for the
// authentication method.
func (s *Server) registeredMetadata(m Metadata) Metadata {
	links := m.LogoURI
	m = s.strangersMetadata(m)
	m.LogoURI = links // judged, not dropped: RFC 7591 §3.2.2
	if m.AuthMethod == "" {
		m.AuthMethod = AuthBasic
	}
	m.Profile = ProfileOAuth21
	switch {
	case m.AuthMethod == AuthNone && m.ApplicationType == "native":
		m.Type = TypeNative
	case m.AuthMethod == AuthNone:
		m.Type = publicType(m.RedirectURIs)
	default:
		m.Profile = s.RegistrationProfile
		if m.ApplicationType == "native" {
			m.Type = TypeNative
		} else {
			m.Type = TypeWeb
		}
	}
	if m.Name == "" {
		m.Name = "Unnamed app"
		if len(m.RedirectURIs) > 0 {
			m.Name = hostOf(m.RedirectURIs[0])
		}
	}
	return m
}

func (s *Server) registration(c *Client, password, token string) *Registration {
	r := &Registration{
		ID: c.ID, Secret: password, IssuedAt: c.CreatedAt.Unix(), Token: token,
		URI: s.Issuer + PathRegister + "/" + c.ID, Metadata: c.Metadata,
	}
	if password != "" || c.usesSecret() {
		r.SecretExpires = new(int64)
	}
	return r
}

// checkSector: OpenID Connect Registration §5, the document at sector_identifier_uri
// lists every redirect URI.
func (s *Server) checkSector(ctx context.Context, c *Client) error {
	if c.SectorURI == "" {
		return nil
	}
	refuse := func(why string, cause error) error {
		return invalidMetadata("sector_identifier_uri", "%s", why).because(cause)
	}
	if s.Outbound == nil {
		return refuse("sector_identifier_uri can't be fetched here", nil)
	}
	document, err := s.Outbound.Get(ctx, c.SectorURI, maxKeySetSize)
	if err != nil {
		return refuse("sector_identifier_uri could not be fetched", err)
	}
	var listed []string
	if err := jose.Decode(document.Body, &listed); err != nil {
		return refuse("sector_identifier_uri is not a JSON list of redirect URIs", err)
	}
	if !subset(c.RedirectURIs, listed) {
		return refuse("sector_identifier_uri does not list every redirect URI", nil)
	}
	return nil
}

// CheckSector is checkSector for those who register clients otherwise.
func (s *Server) CheckSector(ctx context.Context, c *Client) error { return s.checkSector(ctx, c) }
