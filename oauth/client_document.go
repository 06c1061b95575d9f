package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// A Client ID Metadata Document makes an https address a client_id: what is
// published there is the client's registration. Nothing is written until
// somebody has signed in and is about to be sent back to it.
// draft-ietf-oauth-client-id-metadata-document §3, §4.

// logoPatience is short: somebody is waiting at a browser.
const logoPatience = 2 * time.Second

// isDocumentID tells an id that is an address from those that we give out.
func isDocumentID(id string) bool { return strings.HasPrefix(id, "https://") }

// publishedClient finds a client for an authorization request; address is where
// that came from.
func (s *Server) publishedClient(ctx context.Context, id, address string) (*Client, error) {
	row, err := s.Store.Client(ctx, id)
	if !isDocumentID(id) || err == nil && (row.Disabled || row.Source != SourceDocument) || err != nil && !errors.Is(err, ErrNotFound) {
		return row, err
	}
	published, fault := s.document(ctx, id, address)
	switch {
	case errors.Is(fault, errTooOften) && row != nil:
		return row, nil
	case fault != nil:
		return nil, fault
	case row == nil:
		c := *published
		return &c, nil
	}
	return standing(published, row), nil
}

// standing is what is published with what we know of it besides. The operator
// vouched for what people had agreed to, and for nothing else.
func standing(published, row *Client) *Client {
	c := *published
	c.Epoch, c.LogoID, c.CreatedAt = row.Epoch, row.LogoID, row.CreatedAt
	if c.changed = !sameRegistration(row, published); !c.changed {
		c.Verified, c.FirstParty = row.Verified, row.FirstParty
	}
	return &c
}

// calledBy finds the client of a call of its own whose id is an address: by its
// document as it stands, so that its keys may be replaced, unless that makes
// another client of it; then what people agreed to counts until they agree
// again. One that nobody has agreed to may push a request, or poll for a device.
func (s *Server) calledBy(ctx context.Context, id, address string, row *Client) (*Client, error) {
	published, err := s.document(ctx, id, address)
	switch {
	case row == nil && err != nil && AsError(err).Code == CodeInvalidRequest:
		return nil, ErrNotFound
	case row == nil:
		return published, err
	case err != nil || MustEnd(row, published):
		return row, nil //nolint:nilerr // a document that can't be had changes nothing
	}
	return standing(published, row), nil
}

// sameRegistration compares what people agreed to with what is published.
func sameRegistration(a, b *Client) bool {
	return a.Name == b.Name && slices.Equal(a.RedirectURIs, b.RedirectURIs) && string(a.JWKS) == string(b.JWKS) &&
		a.JWKSURI == b.JWKSURI && a.AuthMethod == b.AuthMethod && a.SubjectType == b.SubjectType && a.SectorURI == b.SectorURI
}

// keepDocument writes the row of a client whose id is an address, once somebody
// is about to be sent back to it.
func (s *Server) keepDocument(ctx context.Context, c *Client) (*Client, error) {
	if c.Source != SourceDocument {
		return c, nil
	}
	row, err := s.Store.Client(ctx, c.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		quick, cancel := context.WithTimeout(ctx, logoPatience)
		defer cancel()
		c.LogoID = s.FetchLogo(quick, c)
	case err != nil:
		return nil, err
	}
	kept, err := s.Store.KeepDocument(ctx, c, c.changed, row != nil && MustEnd(row, c))
	if errors.Is(err, ErrEnded) {
		return nil, newError(CodeUnauthorizedClient, "this app has been removed here").about("client_id").because(err)
	}
	return kept, err
}

// documentHost: §3, an https address with a path, without fragment, user, dot
// segments, and with the port and query that it has. The operator's list
// narrows the hosts.
func (s *Server) documentHost(id string) (host, why string) {
	u, err := url.Parse(id)
	switch {
	case s.Documents.Off || s.Outbound == nil:
		return "", "is an address, and those are not taken as client ids here"
	case err != nil || badURIText(id) != "" || u.Host == "" || u.User != nil || u.Scheme != "https":
		return "", "is not an https address without fragment and user"
	case u.Path == "" || hasDotSegment(u.EscapedPath()) || u.ForceQuery || strings.HasSuffix(id, "?"):
		return "", "must be an address with a path, without dot segments and empty query"
	case u.String() != id || strings.ToLower(u.Host) != u.Host:
		return "", "is not written in its plain form"
	case u.Port() != "" && !s.allowsPort(u):
		return "", "must be on the standard port"
	case len(s.Documents.Hosts) > 0 && !slices.ContainsFunc(s.Documents.Hosts, func(h string) bool { return hostFits(h, u.Hostname()) }):
		return "", "is on a host that is not allowed here"
	}
	return u.Hostname(), ""
}

// allowsPort: another port is another program's on most hosts; this machine's
// own are for tests.
func (s *Server) allowsPort(u *url.URL) bool { return isLoopbackHost(u.Hostname()) }

func hostFits(pattern, host string) bool {
	if below, found := strings.CutPrefix(pattern, "*."); found {
		return strings.HasSuffix(host, "."+below)
	}
	return strings.EqualFold(pattern, host)
}

// readDocument: §4. Members that we don't know are ignored; a shared secret has
// no place in a public document.
func (s *Server) readDocument(id string, body []byte) (*Client, *Error) {
	var d struct {
		Metadata

		ID     *string         `json:"client_id"`
		Secret json.RawMessage `json:"client_secret"`
		Until  json.RawMessage `json:"client_secret_expires_at"`
	}
	refuse := func(format string, args ...any) (*Client, *Error) {
		return nil, newError(CodeInvalidRequest, "the document at client_id "+format, args...).about("client_id")
	}
	if err := jose.Decode(body, &d); err != nil || len(body) == 0 || body[firstOf(body)] != '{' {
		return refuse("is not a JSON object")
	}
	switch {
	case d.ID == nil || *d.ID != id:
		return refuse("names another client_id")
	case d.Secret != nil || d.Until != nil:
		return refuse("holds a client_secret, which everybody can read")
	case d.AuthMethod == AuthBasic || d.AuthMethod == AuthPost || d.AuthMethod == AuthSecretJWT:
		return refuse("asks for authentication by a secret")
	}
	err := noGrantLeft(d.Metadata)
	var c *Client
	if err == nil {
		c, err = newClient(id, s.documentMetadata(d.Metadata, id), s.Issuer)
	}
	if err != nil {
		return refuse("is not a good registration: %s", err.Description)
	}
	c.Source = SourceDocument
	return c, nil
}

func firstOf(body []byte) int {
	for i, b := range body {
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return i
		}
	}
	return 0
}

// documentMetadata keeps what a stranger may decide about a client.
func (s *Server) documentMetadata(m Metadata, id string) Metadata {
	m = s.strangersMetadata(m)
	if m.AuthMethod == "" {
		m.AuthMethod = AuthNone
	}
	if m.Name == "" {
		m.Name = hostOf(id)
	}
	m.Profile = ProfileOAuth21
	if m.Type = ""; m.AuthMethod == AuthNone {
		m.Type = publicType(m.RedirectURIs)
	}
	return m
}

// publicType: an app that runs on a person's machine is sent to a loopback or
// private-scheme address, one in the browser to https.
func publicType(redirects []string) ClientType {
	for _, text := range redirects {
		if !strings.HasPrefix(text, "https://") {
			return TypeNative
		}
	}
	return TypeSPA
}
