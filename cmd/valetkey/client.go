package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/valetkey/valetkey"
)

type clientCmd struct {
	Create       clientCreate       `cmd:"" help:"Register an app."`
	List         clientList         `cmd:"" help:"List apps."`
	Show         clientShow         `cmd:"" help:"Show one app."`
	Update       clientUpdate       `cmd:"" help:"Change an app."`
	Delete       clientDelete       `cmd:"" help:"Delete an app; its tokens end."`
	RotateSecret clientRotateSecret `cmd:"" help:"Replace an app's secret."`
}

// clientFlags say what is to be registered; only those given count.
type clientFlags struct {
	Name                  *string  `help:"Name that people see."`
	RedirectURI           []string `name:"redirect-uri" help:"Callback address; may be repeated." sep:"none"`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" help:"Where to go after signing out; may be repeated." sep:"none"`
	Type                  *string  `help:"web, spa, native or service." enum:"web,spa,native,service"`
	Grant                 []string `help:"Grant type; may be repeated."`
	Scope                 *string  `help:"Scopes that it may ask for, separated by spaces."`
	AuthMethod            *string  `help:"client_secret_basic, client_secret_post or none."`
	TokenFormat           *string  `help:"jwt or opaque."`
	Profile               *string  `help:"oauth21 or compatible."`
	FirstParty            *bool    `help:"Never ask for consent."`
	Verified              *bool    `help:"Vouch for the app's name."`
	Metadata              string   `help:"File with an RFC 7591 document; single flags win over it." type:"path" placeholder:"FILE"`
}

// apply writes what was given over what stands.
func (f *clientFlags) apply(c *valetkey.Client) error {
	if f.Metadata != "" {
		content, err := os.ReadFile(f.Metadata)
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		if err := json.Unmarshal(content, &c.Metadata); err != nil {
			return fmt.Errorf("metadata %s: %w", f.Metadata, err)
		}
	}
	set(&c.Name, f.Name)
	set(&c.Type, f.Type)
	set(&c.Scope, f.Scope)
	set(&c.AuthMethod, f.AuthMethod)
	set(&c.TokenFormat, f.TokenFormat)
	set(&c.Profile, f.Profile)
	if f.FirstParty != nil {
		c.FirstParty = *f.FirstParty
	}
	if f.Verified != nil {
		c.Verified = *f.Verified
	}
	setList(&c.RedirectURIs, f.RedirectURI)
	setList(&c.PostLogoutRedirectURIs, f.PostLogoutRedirectURI)
	setList(&c.GrantTypes, f.Grant)
	return nil
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

type clientCreate struct {
	jsonFlag
	clientFlags

	ID          string `name:"id" help:"Client id; made when left out."`
	SecretStdin bool   `help:"Read a secret of your own from standard input."`
}

func (k *clientCreate) Run(ctx context.Context, s *Settings, c console) error {
	var draft valetkey.Client
	if err := k.apply(&draft); err != nil {
		return err
	}
	n := valetkey.NewClient{Metadata: draft.Metadata, ID: k.ID, FirstParty: draft.FirstParty, Verified: draft.Verified}
	if k.SecretStdin {
		chosen, err := readSecret(c)
		if err != nil {
			return err
		}
		n.Secret = chosen
	}
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		made, err := a.CreateClient(ctx, n)
		if err != nil {
			return err
		}
		return k.print(c, made, func(w io.Writer) { describe(w, made) })
	})
}

func describe(w io.Writer, c valetkey.Client) {
	fmt.Fprintf(w, "name\t%s\nclient_id\t%s\n", c.Name, c.ID)
	if c.Secret != "" {
		fmt.Fprintf(w, "client_secret\t%s\t(shown once)\n", c.Secret)
	}
	fmt.Fprintf(w, "type\t%s\nprofile\t%s\ngrants\t%s\nauthentication\t%s\ntokens\t%s\n",
		c.Type, c.Profile, strings.Join(c.GrantTypes, " "), c.AuthMethod, c.TokenFormat)
	for _, uri := range c.RedirectURIs {
		fmt.Fprintf(w, "redirect_uri\t%s\n", uri)
	}
	fmt.Fprintf(w, "scope\t%s\nfirst party\t%s\ndisabled\t%s\n", c.Scope, yesNo(c.FirstParty), yesNo(c.Disabled))
}

type clientList struct{ jsonFlag }

func (k *clientList) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		clients, err := a.Clients(ctx)
		if err != nil {
			return err
		}
		return k.print(c, clients, func(w io.Writer) {
			fmt.Fprintln(w, "CLIENT ID\tNAME\tTYPE\tPROFILE\tDISABLED")
			for _, one := range clients {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Name, one.Type, one.Profile, yesNo(one.Disabled))
			}
		})
	})
}

// clientNamed is a command on one app.
type clientNamed struct {
	jsonFlag

	ClientID string `arg:"" name:"client-id" help:"Client id."`
}

type clientShow struct{ clientNamed }

func (k *clientShow) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		found, err := a.Client(ctx, k.ClientID)
		if err != nil {
			return err
		}
		return k.print(c, found, func(w io.Writer) { describe(w, found) })
	})
}

type clientUpdate struct {
	clientNamed
	clientFlags

	Disabled *bool `help:"Switch the app off (--disabled) or on (--disabled=false)."`
}

func (k *clientUpdate) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		var failed error
		now, err := a.UpdateClient(ctx, k.ClientID, func(client *valetkey.Client) {
			failed = k.apply(client)
			if k.Disabled != nil {
				client.Disabled = *k.Disabled
			}
		})
		if failed != nil {
			return failed
		}
		if err != nil {
			return err
		}
		return k.print(c, now, func(w io.Writer) { describe(w, now) })
	})
}

type clientDelete struct{ clientNamed }

func (k *clientDelete) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		found, err := a.Client(ctx, k.ClientID)
		if err != nil {
			return err
		}
		if err := a.DeleteClient(ctx, k.ClientID); err != nil {
			return err
		}
		return k.print(c, found, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s (%s)\n", found.Name, found.ID) })
	})
}

type clientRotateSecret struct {
	clientNamed

	SecretStdin bool `help:"Read a secret of your own from standard input."`
}

func (k *clientRotateSecret) Run(ctx context.Context, s *Settings, c console) error {
	chosen := ""
	if k.SecretStdin {
		var err error
		if chosen, err = readSecret(c); err != nil {
			return err
		}
	}
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		now, err := a.RotateSecret(ctx, k.ClientID, chosen)
		if err != nil {
			return err
		}
		return k.print(c, now, func(w io.Writer) { describe(w, now) })
	})
}
