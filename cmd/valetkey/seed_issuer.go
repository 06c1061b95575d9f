package main

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"github.com/valetkey/valetkey/oauth"
)

// seedIssuer vouches for people: RFC 7523 §2.1.
type seedIssuer = oauth.TrustedIssuer

func (s *seed) readIssuers(node ast.Node) error {
	return eachMapping(node, func(m mapping) error {
		var issuer seedIssuer
		if err := m.into(&issuer, nil); err != nil {
			return err
		}
		if key, err := judgeIssuer(issuer, s.Issuers); err != nil {
			return m.wrong(key, err)
		}
		s.Issuers = append(s.Issuers, issuer)
		return nil
	})
}

// judgeIssuer tells which key is wrong, and what would be right.
func judgeIssuer(i seedIssuer, others []seedIssuer) (key string, err error) {
	switch {
	case i.Issuer == "":
		return "issuer", errors.New("issuer is missing: the iss of its assertions")
	case i.JWKSURI == "" && i.JWKS == nil:
		return "issuer", errors.New("jwks_uri or jwks is missing: its keys")
	case i.JWKSURI != "" && i.JWKS != nil:
		return "jwks", errors.New("jwks_uri and jwks exclude each other")
	case i.JWKS != nil && i.JWKS[0] != '{':
		return "jwks", errors.New("jwks takes a JWK Set, such as {keys: […]}")
	case i.JWKSURI != "" && judgeWeb(i.JWKSURI) != nil:
		return "jwks_uri", fmt.Errorf("jwks_uri: %w", judgeWeb(i.JWKSURI))
	case len(i.Clients) == 0:
		return "clients", errors.New("clients is missing: the client ids that may bring its assertions")
	}
	if err := oneOf("", "subject", "username", "email")(i.Match); err != nil {
		return "match", fmt.Errorf("match: %q is not one of subject, username, email", i.Match)
	}
	for _, other := range others {
		if other.Issuer == i.Issuer {
			return "issuer", fmt.Errorf("issuer %q is named twice", i.Issuer)
		}
	}
	return "", nil
}

func (s *seed) trustedIssuers() []oauth.TrustedIssuer { return s.Issuers }
