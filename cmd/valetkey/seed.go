package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// seed is what the configuration declares: people and apps that are made once,
// scopes and resources that hold while it says so.
type seed struct {
	Users     []seedUser
	Clients   []seedClient
	Scopes    map[string]seedScope
	Resources map[string]seedResource
	Issuers   []seedIssuer

	Chain      []valetkey.Authenticator
	Connectors []valetkey.Connector
	Groups     map[string]seedGroup

	Brand        valetkey.Brand
	Brands       map[string]valetkey.Brand
	OwnTemplates string

	chainLines map[string]int // of the chain's entries, and of their templates
}

type seedUser struct {
	Username string         `yaml:"username"`
	Password string         `yaml:"password"`
	Email    string         `yaml:"email"`
	Name     string         `yaml:"name"`
	Admin    bool           `yaml:"admin"`
	Claims   map[string]any `yaml:"claims"`
	Groups   []string       `yaml:"groups"`
}

type seedScope struct {
	Title       string `yaml:"title"`
	Description string `yaml:"description"`
	Optional    bool   `yaml:"optional"`
	Restricted  bool   `yaml:"restricted"`
	Resource    string `yaml:"resource"`

	Groups []string `yaml:"groups"`
}

type seedResource struct {
	Name   string `yaml:"name"`
	Client string `yaml:"client"`
}

// section tells what reads a top-level key that is part of the seed.
func (s *seed) section(key string) func(ast.Node) error {
	strict := func(into any) func(ast.Node) error {
		return func(node ast.Node) error { return yaml.NodeToValue(node, into, yaml.Strict()) }
	}
	switch key {
	case "users":
		return strict(&s.Users)
	case "clients":
		return s.readClients
	case "scopes":
		return strict(&s.Scopes)
	case "resources":
		return strict(&s.Resources)
	case "trusted-issuers":
		return s.readIssuers
	case "authenticators":
		return s.readAuthenticators
	case "connectors":
		return s.readConnectors
	case "branding":
		return s.readBranding
	case "groups":
		return s.readGroups
	}
	return nil
}

func (s *seed) scopes() []oauth.Scope {
	var out []oauth.Scope
	for _, name := range slices.Sorted(maps.Keys(s.Scopes)) {
		d := s.Scopes[name]
		out = append(out, oauth.Scope{Name: name, Title: d.Title, Description: d.Description, Optional: d.Optional, Restricted: d.Restricted, Resource: d.Resource, Groups: d.Groups})
	}
	return out
}

func (s *seed) resources() []oauth.Resource {
	var out []oauth.Resource
	for _, url := range slices.Sorted(maps.Keys(s.Resources)) {
		out = append(out, oauth.Resource{URL: url, Name: s.Resources[url].Name, Client: s.Resources[url].Client})
	}
	return out
}

// plant makes the users and clients that aren't there yet; what is there stays
// as it is, because people may have changed it since.
func (s *seed) plant(ctx context.Context, srv *valetkey.Server) error {
	admin := srv.Admin()
	for _, u := range s.Users {
		_, err := admin.CreateUser(ctx, valetkey.NewUser{Username: u.Username, Password: u.Password, Email: u.Email, Name: u.Name, Admin: u.Admin, Claims: u.Claims, Groups: u.Groups})
		if err != nil && !errors.Is(err, oauth.ErrConflict) {
			return fmt.Errorf("users: %s: %w", u.Username, err)
		}
	}
	for _, c := range s.Clients {
		_, err := admin.CreateClient(ctx, c.client())
		var bad *oauth.Error
		switch {
		case err == nil, errors.Is(err, oauth.ErrConflict):
		case errors.As(err, &bad):
			return usageError{fmt.Errorf("%s:%d: clients: %s: %s", loaded.path, c.line, c.ID, bad.Description)}
		default:
			return fmt.Errorf("clients: %s: %w", c.ID, err)
		}
	}
	return nil
}
