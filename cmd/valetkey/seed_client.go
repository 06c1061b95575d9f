package main

import (
	"errors"

	"github.com/goccy/go-yaml/ast"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// seedClient is an app of the seed: RFC 7591's names, or our shorter ones, and
// what an operator alone may say.
type seedClient struct {
	oauth.Metadata

	ID         string `json:"client_id"`
	Secret     string `json:"client_secret"`
	FirstParty bool   `json:"first_party"`
	Owner      string `json:"owner"` // username of its developer

	line int
	at   map[string]int // lines of what is judged together with other sections
}

// shortNames are ours for RFC 7591's.
var shortNames = map[string]string{
	"id": "client_id", "secret": "client_secret", "name": "client_name", "type": "client_type", "homepage": "client_uri",
	"auth_method": "token_endpoint_auth_method", "token_format": "access_token_format",
}

func (s *seed) readClients(node ast.Node) error {
	return eachMapping(node, func(m mapping) error {
		client := seedClient{line: m.line}
		if err := m.into(&client, shortNames); err != nil {
			return err
		}
		for _, key := range []string{"authenticators", "required_factors"} {
			if line := lineOf(m.node, key); line > 0 {
				client.at = withLine(client.at, key, line)
			}
		}
		if client.JWKS != nil && client.JWKS[0] != '{' {
			return m.wrong("jwks", errors.New("jwks takes a JWK Set, such as {keys: […]}"))
		}
		s.Clients = append(s.Clients, client)
		return nil
	})
}

func (c seedClient) client() valetkey.NewClient {
	return valetkey.NewClient{
		ID: c.ID, Secret: c.Secret, FirstParty: c.FirstParty, OwnerName: c.Owner, Verified: true, Metadata: c.Metadata,
	}
}
