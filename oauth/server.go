package oauth

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"github.com/valetkey/valetkey/internal/dpop"
	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/seal"
)

// Server decides. All fields, no logic: the endpoints are its methods, each in
// the file of its name. New fills what was left zero.
type Server struct {
	Issuer string // no trailing slash; the same text in every token and document
	Store  Store
	Keys   Keys
	Users  Users
	Secret SecretVerifier
	Seal   *seal.Keyring
	Now    func() time.Time
	Notify func(context.Context, Event) // may be nil
	Meter  Meter                        // nil: nobody counts
	// Named tells a trace which client a request is of; nil: nothing is traced.
	Named func(ctx context.Context, clientID string)
	// Restored is when the database was last restored from a backup, zero or
	// nil for never: see fromBefore.
	Restored func() time.Time

	Outbound  Outbound  // nil: nothing is fetched and no app is told of a logout
	Strangers Outbound  // for documents that anybody may name; nil: Outbound
	Directory Directory // nil: the JWT bearer grant knows nobody

	// Logo keeps a picture as a client's logo and returns its id; nil: logo_uri
	// is not fetched.
	Logo func(ctx context.Context, clientID string, picture []byte) (id string, err error)

	ACRs    []string // the classes that a sign-in can reach; nil: 1 and 2
	Locales []string // the languages of the pages; nil: English
	Steps   []Step
	Grants  map[string]Grant
	Methods []ClientAuth

	Registration        RegistrationMode // "" is closed
	RegistrationProfile Profile          // of registered clients that can authenticate
	Documents           DocumentPolicy
	TrustedIssuers      []TrustedIssuer
	Unlimited           bool           // registrations, documents and guessed tokens aren't counted: for tests
	DPoPNonce           bool           // every DPoP proof needs a nonce of ours
	MTLSURL             string         // where client certificates are asked for; "" nowhere
	CertificateHeader   bool           // a trusted proxy hands certificates on
	ClientCAs           *x509.CertPool // nil: no tls_client_auth
	Log                 *slog.Logger   // what has no request to answer; nil: nowhere

	CodeLifetime        time.Duration // 60 s
	AccessLifetime      time.Duration // 10 min
	IDTokenLifetime     time.Duration // 10 min
	RefreshIdle         time.Duration // 90 days without use
	InteractionLifetime time.Duration // 1 h
	PushedLifetime      time.Duration // 90 s, to begin with a pushed request
	DeviceLifetime      time.Duration // 10 min, to enter a device's code
	Signup              bool          // people may make their own account

	boxes     boxes
	repeats   repeats
	nonces    *dpop.Nonces
	keySets   keySets
	documents documents
	limits    limits
	feed      feed
}

// Keys gives signing keys and tells which we accept.
type Keys interface {
	Signer(ctx context.Context, alg jose.Alg) (*jose.PrivateKey, error)
	// PublicFor returns all that we accept, after another look when kid isn't
	// among it.
	PublicFor(ctx context.Context, kid string) []jose.PublicKey
}

// SecretVerifier checks a client secret that an operator chose; a slow hash
// behind a cache. addr is where the request came from, for fairness.
type SecretVerifier interface {
	Verify(ctx context.Context, addr, given, phc string) (bool, error)
}

// Step is one thing that may be asked of the user.
type Step struct {
	Name   string                                     // also the page's name
	Error  string                                     // the answer to prompt=none
	Needed func(*Client, *Interaction, Standing) bool // pure
}

// Grant redeems a token request: a row in the table of grant types. It reads
// and checks; issue alone makes tokens and records them.
type Grant func(ctx context.Context, s *Server, call *TokenCall) (*TokenResponse, error)

// ClientAuth is a client-authentication method, a row in a table: RFC 6749
// §2.3. Tried finds its credential in a request; Check proves it.
type ClientAuth struct {
	Name  string
	Tried func(Credentials) (clientID string, tried bool, err *Error)
	Check func(ctx context.Context, s *Server, c *Client, given Credentials) error
	// Offered says whether the server is set up for the method; nil: always.
	Offered func(*Server) bool
}

// boxes are the sealed envelopes and tags, by kind.
type boxes struct {
	interaction, code, access *seal.Box
	sender                    *seal.Box
	pushed, device            *seal.Box
	secret                    *seal.Box
	refresh, userCode         *seal.MAC
}
