package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

type clientCmd struct {
	Create       clientCreate       `cmd:"" help:"Register an app."`
	List         clientList         `cmd:"" help:"List apps."`
	Show         clientShow         `cmd:"" help:"Show one app."`
	Update       clientUpdate       `cmd:"" help:"Change an app."`
	Delete       clientDelete       `cmd:"" help:"Delete an app; its tokens end."`
	RotateSecret clientRotateSecret `cmd:"" help:"Replace an app's secret."`
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
		return k.print(c, made, func(w io.Writer) {
			describe(w, made)
			if made.Profile == oauth.ProfileFAPI2 {
				fmt.Fprintf(w, "\nWhat this app must do (the issuer is %s):\n  %s\n", s.Issuer, strings.Join(made.Profile.Duties(), "\n  "))
			}
		})
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
