// Package upstream asks other providers who somebody is: OpenID Connect
// providers, OAuth 2.0 providers with a profile call, and LDAP directories.
//
// Its answer is an Identity or an error. It knows no users, sessions, pages or
// database of ours, and links nobody to anything: that is done elsewhere, by
// Issuer and Subject together and never by an email address, which its provider
// may give to somebody else tomorrow.
//
// Whatever a provider says is a stranger's: read strictly, cut to size, and
// believed only where the connector says so. A provider that is down or hostile
// breaks its own connector and no other.
package upstream

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"
)

// Identity is what a provider says of a person who signed in there.
type Identity struct {
	Connector string // Connector.Name
	// Issuer and Subject name the person, for ever and only together: two
	// providers may both have a subject 1.
	Issuer, Subject string

	Username, Name, Email string
	// EmailVerified is true only where the provider said JSON's true (not
	// "true", not 1) and the connector says that it may be believed.
	EmailVerified bool
	// Claims are standard ones (OpenID Connect Core §5.1) after mapping, each of
	// its right type. email_verified is there with email, and is EmailVerified.
	Claims map[string]any
	Groups []string

	AuthTime time.Time // zero when the provider didn't say
	// ACR and AMR are empty unless the connector has trust_acr.
	ACR     string
	AMR     []string
	Session string // its sid, for a logout that comes from there

	IDToken string   // as it came, the hint for a logout there; "" when there is none
	Notices []Notice // for the person, now
}

// Notice is something that a person should be told. Key is the English text, in
// which {0}, {1} … stand for Args.
type Notice struct {
	Key  string
	Args []any
}

// Request is one sign-in, the same for Begin and Finish. The caller draws
// State, Nonce and Verifier (RFC 7636 §4.1), keeps them sealed and bound to the
// browser, and checks that State came back to the browser it went out from.
type Request struct {
	State, Nonce, Verifier, RedirectURI string

	LoginHint string
	Prompt    []string
	MaxAge    *int // seconds; Finish holds auth_time against it, and refuses where there is none
	UILocales []string
	ACRValues []string // ours; the connector says what they are called there
}

// Callback is what the browser brought back, each parameter at most once.
type Callback struct{ Code, State, Iss, Error, ErrorDescription string }

// Environment is what all connectors share.
type Environment struct {
	// Issuer is our own: no connector may lead back to it.
	Issuer string
	// AllowLoopback lets every connector reach this machine, by plain http and
	// ldap as well: for tests and a demo.
	AllowLoopback bool
	// Roots are the trusted authorities; nil: the system's. A connector's
	// ca_file stands in for them.
	Roots *x509.CertPool
	// UserAgent is "valetkey" when empty.
	UserAgent string
	Now       func() time.Time
	Log       *slog.Logger // nil: nowhere
	// Span begins a part of a request's trace; nil: nothing is traced.
	Span func(ctx context.Context, name string, attributes ...string) (end func(error))

	whole, step time.Duration // wholeTime and stepTime when zero; tests are impatient
}
