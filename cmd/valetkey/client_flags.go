package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// clientFlags say what is to be registered; only those given count.
type clientFlags struct {
	Name                  *string  `help:"Name that people see."`
	RedirectURI           []string `name:"redirect-uri" help:"Callback address; may be repeated." sep:"none"`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" help:"Where to go after signing out; may be repeated." sep:"none"`
	Type                  *string  `help:"web, spa, native or service." enum:"web,spa,native,service"`
	Grant                 []string `help:"Grant type, or device_code, token_exchange, jwt_bearer for short; may be repeated."`
	Scope                 *string  `help:"Scopes that it may ask for, separated by spaces."`
	AuthMethod            *string  `help:"client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none."`
	JWKS                  string   `name:"jwks" help:"File with the app's public keys, a JWK Set." type:"path" placeholder:"FILE"`
	JWKSURI               *string  `name:"jwks-uri" help:"Address of the app's public keys."`
	TLSSubjectDN          *string  `name:"tls-subject-dn" help:"Subject of its certificate, for tls_client_auth."`
	TLSSANDNS             *string  `name:"tls-san-dns" help:"DNS name in its certificate, for tls_client_auth."`
	DPoP                  *bool    `name:"dpop" help:"Its tokens are bound by DPoP."`
	MTLSBound             *bool    `name:"mtls-bound" help:"Its tokens are bound to its certificate."`
	SubjectType           *string  `help:"public, or pairwise: another subject for each app." enum:"public,pairwise"`
	BackchannelLogoutURI  *string  `name:"backchannel-logout-uri" help:"Address that is told when a session ends."`
	FrontchannelLogoutURI *string  `name:"frontchannel-logout-uri" help:"Page that is loaded in a frame when a session ends."`
	InitiateLoginURI      *string  `name:"initiate-login-uri" help:"Page of the app where a sign-in begins."`
	LogoURI               *string  `name:"logo-uri" help:"Address of its logo (PNG or JPEG)."`
	TokenFormat           *string  `help:"jwt or opaque."`
	Profile               *string  `help:"oauth21, compatible or fapi2."`
	FirstParty            *bool    `help:"Never ask for consent."`
	Verified              *bool    `help:"Vouch for the app's name."`
	Metadata              string   `help:"File with an RFC 7591 document; single flags win over it." type:"path" placeholder:"FILE"`
}

// apply writes what was given over what stands.
func (f *clientFlags) apply(c *valetkey.Client) error {
	if err := f.readFiles(c); err != nil {
		return err
	}
	set(&c.Name, f.Name)
	set(&c.Type, f.Type)
	set(&c.Scope, f.Scope)
	set(&c.AuthMethod, f.AuthMethod)
	set(&c.TokenFormat, f.TokenFormat)
	set(&c.Profile, f.Profile)
	set(&c.TLSDN, f.TLSSubjectDN)
	set(&c.TLSDNS, f.TLSSANDNS)
	set(&c.SubjectType, f.SubjectType)
	set(&c.BackchannelURI, f.BackchannelLogoutURI)
	set(&c.FrontchannelURI, f.FrontchannelLogoutURI)
	set(&c.InitiateLoginURI, f.InitiateLoginURI)
	set(&c.LogoURI, f.LogoURI)
	setBool(&c.FirstParty, f.FirstParty)
	setBool(&c.Verified, f.Verified)
	setBool(&c.BoundDPoP, f.DPoP)
	setBool(&c.BoundCertificate, f.MTLSBound)
	setList(&c.RedirectURIs, f.RedirectURI)
	setList(&c.PostLogoutRedirectURIs, f.PostLogoutRedirectURI)
	setList(&c.GrantTypes, grantTypes(f.Grant))
	return nil
}

// readFiles reads the metadata, then the keys. Of jwks and jwks_uri there is
// one, so a new one takes the other's place: RFC 7591 §2.
func (f *clientFlags) readFiles(c *valetkey.Client) error {
	if f.Metadata != "" {
		content, err := os.ReadFile(f.Metadata)
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		if err := json.Unmarshal(content, &c.Metadata); err != nil {
			return fmt.Errorf("metadata %s: %w", f.Metadata, err)
		}
	}
	if f.JWKSURI != nil {
		c.JWKSURI, c.JWKS = *f.JWKSURI, nil
	}
	if f.JWKS == "" {
		return nil
	}
	content, err := os.ReadFile(f.JWKS)
	if err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	content = bytes.TrimSpace(content)
	if !json.Valid(content) || content[0] != '{' {
		return fmt.Errorf("jwks %s is no JWK Set, such as {\"keys\": […]}", f.JWKS)
	}
	c.JWKS = content
	if f.JWKSURI == nil {
		c.JWKSURI = ""
	}
	return nil
}

// shortGrants are names for grant types that are long.
var shortGrants = map[string]string{
	"device_code": oauth.GrantDeviceCode, "token_exchange": oauth.GrantTokenExchange, "jwt_bearer": oauth.GrantJWTBearer,
}

func grantTypes(given []string) []string {
	full := make([]string, len(given))
	for i, name := range given {
		full[i] = cmp.Or(shortGrants[name], name)
	}
	return full
}

func set[T ~string](to *T, from *string) {
	if from != nil {
		*to = T(*from)
	}
}

func setList(to *[]string, from []string) {
	if len(from) > 0 {
		*to = from
	}
}

func setBool(to, from *bool) {
	if from != nil {
		*to = *from
	}
}
