package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// seed is what the configuration declares: people and apps that are made once,
// scopes and resources that hold while it says so.
type seed struct {
	Users     []seedUser              `yaml:"users"`
	Clients   []seedClient            `yaml:"clients"`
	Scopes    map[string]seedScope    `yaml:"scopes"`
	Resources map[string]seedResource `yaml:"resources"`
}

type seedUser struct {
	Username string         `yaml:"username"`
	Password string         `yaml:"password"`
	Email    string         `yaml:"email"`
	Name     string         `yaml:"name"`
	Admin    bool           `yaml:"admin"`
	Claims   map[string]any `yaml:"claims"`
}

type seedClient struct {
	ID                     string   `yaml:"id"`
	Name                   string   `yaml:"name"`
	Secret                 string   `yaml:"secret"`
	Type                   string   `yaml:"type"`
	RedirectURIs           []string `yaml:"redirect_uris"`
	PostLogoutRedirectURIs []string `yaml:"post_logout_redirect_uris"`
	GrantTypes             []string `yaml:"grant_types"`
	Scope                  string   `yaml:"scope"`
	AuthMethod             string   `yaml:"auth_method"`
	TokenFormat            string   `yaml:"token_format"`
	Profile                string   `yaml:"profile"`
	FirstParty             bool     `yaml:"first_party"`
	Homepage               string   `yaml:"homepage"`
	Description            string   `yaml:"description"`
	Owner                  string   `yaml:"owner"`
}

type seedScope struct {
	Title       string `yaml:"title"`
	Description string `yaml:"description"`
	Optional    bool   `yaml:"optional"`
	Restricted  bool   `yaml:"restricted"`
	Resource    string `yaml:"resource"`
}

type seedResource struct {
	Name   string `yaml:"name"`
	Client string `yaml:"client"`
}

// section tells which part of the seed a top-level key fills.
func (s *seed) section(key string) any {
	switch key {
	case "users":
		return &s.Users
	case "clients":
		return &s.Clients
	case "scopes":
		return &s.Scopes
	case "resources":
		return &s.Resources
	}
	return nil
}

func (s *seed) scopes() []oauth.Scope {
	var out []oauth.Scope
	for _, name := range slices.Sorted(maps.Keys(s.Scopes)) {
		d := s.Scopes[name]
		out = append(out, oauth.Scope{Name: name, Title: d.Title, Description: d.Description, Optional: d.Optional, Restricted: d.Restricted, Resource: d.Resource})
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
		_, err := admin.CreateUser(ctx, valetkey.NewUser{Username: u.Username, Password: u.Password, Email: u.Email, Name: u.Name, Admin: u.Admin, Claims: u.Claims})
		if err != nil && !errors.Is(err, oauth.ErrConflict) {
			return fmt.Errorf("users: %s: %w", u.Username, err)
		}
	}
	for _, c := range s.Clients {
		_, err := admin.CreateClient(ctx, c.client())
		if err != nil && !errors.Is(err, oauth.ErrConflict) {
			return fmt.Errorf("clients: %s: %w", c.ID, err)
		}
	}
	return nil
}

func (c seedClient) client() valetkey.NewClient {
	return valetkey.NewClient{
		ID: c.ID, Secret: c.Secret, FirstParty: c.FirstParty, OwnerName: c.Owner, Verified: true,
		Metadata: oauth.Metadata{
			Name: c.Name, Type: oauth.ClientType(c.Type), RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs,
			GrantTypes: c.GrantTypes, Scope: c.Scope, AuthMethod: c.AuthMethod, TokenFormat: oauth.TokenFormat(c.TokenFormat),
			Profile: oauth.Profile(c.Profile), HomepageURI: c.Homepage, Description: c.Description,
		},
	}
}
