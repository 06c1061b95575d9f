package oauth

import (
	"encoding/json"
)

// RegistrationMode says who may register a client at /register: RFC 7591 §3.
type RegistrationMode string

// The modes.
const (
	RegistrationClosed RegistrationMode = "closed" // nobody
	RegistrationToken  RegistrationMode = "token"  // who holds an initial access token
	RegistrationOpen   RegistrationMode = "open"   // anybody, within limits
)

// DocumentPolicy says which https addresses are taken as client ids: Client ID
// Metadata Documents. The zero value takes those of every host.
type DocumentPolicy struct {
	Off   bool
	Hosts []string // if any, these alone: "app.example", or "*.example" for those below it
}

// TrustedIssuer may vouch for people by assertions: RFC 7523 §2.1.
type TrustedIssuer struct {
	Issuer  string          `json:"issuer" yaml:"issuer"`     // iss of its assertions
	JWKSURI string          `json:"jwks_uri" yaml:"jwks_uri"` // where its keys are, or
	JWKS    json.RawMessage `json:"jwks" yaml:"-"`            // the keys themselves
	Clients []string        `json:"clients" yaml:"clients"`   // client_ids that may bring them
	Scopes  []string        `json:"scopes" yaml:"scopes"`     // at most these are granted; empty: what the client may ask
	Match   string          `json:"match" yaml:"match"`       // what sub names: subject (default), username or email
}
