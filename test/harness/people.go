package harness

import (
	"context"
	"fmt"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// Password is every test user's.
const Password = "correct horse battery"

// Secret is every confidential test client's.
const Secret = "a secret that the operator chose"

// The redirect URIs of the test clients.
const (
	Callback    = "https://app.example/cb"
	SPACallback = "https://spa.example/cb"
)

// Populate makes the people and apps that tests speak of: users ada, with
// every standard claim, and bob; clients
//
//	web      confidential, oauth21, JWT
//	compat   confidential, compatible, opaque tokens
//	spa      public, in the browser
//	native   public, loopback and private-scheme redirects
//	service  client_credentials only
//	first    first party, confidential
//	api      the client of the resource https://api.example
//	bounded  confidential, registered for openid, offline_access and PRODUCTION
//	noref    confidential, without the refresh_token grant
func Populate(srv *Server) error {
	ctx, admin := context.Background(), srv.Admin()
	for _, u := range []valetkey.NewUser{
		{Username: "ada", Email: "ada@example.com", Name: "Ada Lovelace", Password: Password, Claims: adaClaims},
		{Username: "bob", Email: "bob@example.com", Name: "Bob", Password: Password},
		{Username: "root", Password: Password, Admin: true},
	} {
		if _, err := admin.CreateUser(ctx, u); err != nil {
			return fmt.Errorf("user %s: %w", u.Username, err)
		}
	}
	for _, c := range clients() {
		if _, err := admin.CreateClient(ctx, c); err != nil {
			return fmt.Errorf("client %s: %w", c.ID, err)
		}
	}
	return nil
}

var adaClaims = map[string]any{
	"email_verified": true, "given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "Ada",
	"profile": "https://people.example/ada", "picture": "https://people.example/ada.png", "website": "https://ada.example",
	"gender": "female", "birthdate": "1815-12-10", "zoneinfo": "Europe/London", "locale": "en-GB",
	"phone_number": "+44 20 7946 0000", "phone_number_verified": true,
	"address": map[string]any{"locality": "London", "country": "UK"},
}

func clients() []valetkey.NewClient {
	web := func(id, name string, m oauth.Metadata) valetkey.NewClient {
		m.Name, m.Type = name, oauth.TypeWeb
		if m.RedirectURIs == nil {
			m.RedirectURIs = []string{Callback}
		}
		return valetkey.NewClient{ID: id, Secret: Secret, Metadata: m}
	}
	first := web("first", "First Party", oauth.Metadata{})
	first.FirstParty = true
	return []valetkey.NewClient{
		web("web", "Saleswave", oauth.Metadata{PostLogoutRedirectURIs: []string{"https://app.example/bye"}}),
		web("compat", "Old CRM", oauth.Metadata{Profile: oauth.ProfileCompatible, TokenFormat: oauth.FormatOpaque}),
		web("other", "Other App", oauth.Metadata{RedirectURIs: []string{"https://other.example/cb", "https://other.example/q?x=1"}}),
		web("noref", "No Refresh", oauth.Metadata{GrantTypes: []string{oauth.GrantAuthorizationCode}}),
		first,
		web("bounded", "Bounded App", oauth.Metadata{Scope: "openid offline_access PRODUCTION"}),
		{ID: "spa", Metadata: oauth.Metadata{Name: "Browser App", Type: oauth.TypeSPA, RedirectURIs: []string{SPACallback}}},
		{ID: "native", Metadata: oauth.Metadata{Name: "Command Line", Type: oauth.TypeNative, RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"}}},
		{ID: "service", Secret: Secret, Metadata: oauth.Metadata{Name: "Nightly Job", Type: oauth.TypeService, Scope: "orgs:read audit"}},
		{ID: "api", Secret: Secret, Metadata: oauth.Metadata{Name: "The API", Type: oauth.TypeService}},
	}
}

// Operate does what an operator would do on the command line.
func Operate(srv *Server, args []string) error {
	ctx, admin := context.Background(), srv.Admin()
	subject := func() (string, error) {
		u, err := admin.User(ctx, args[1])
		return u.Subject, err
	}
	switch args[0] {
	case "disable-user", "enable-user", "delete-user", "set-password":
		sub, err := subject()
		if err != nil {
			return err
		}
		switch args[0] {
		case "delete-user":
			return admin.DeleteUser(ctx, sub)
		case "set-password":
			return admin.SetPassword(ctx, sub, args[2])
		}
		return admin.SetDisabled(ctx, sub, args[0] == "disable-user")
	case "delete-client":
		return admin.DeleteClient(ctx, args[1])
	case "disable-client", "enable-client", "set-redirect", "set-scope":
		_, err := admin.UpdateClient(ctx, args[1], func(c *valetkey.Client) {
			switch args[0] {
			case "set-redirect":
				c.RedirectURIs = []string{args[2]}
				return
			case "set-scope":
				c.Scope = args[2]
				return
			}
			c.Disabled = args[0] == "disable-client"
		})
		return err
	case "rotate-secret":
		_, err := admin.RotateSecret(ctx, args[1], args[2])
		return err
	case "rotate-key":
		return admin.RotateKey(ctx, args[1], len(args) > 2 && args[2] == "emergency")
	}
	return fmt.Errorf("unknown operation %q", args[0])
}
