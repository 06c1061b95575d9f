package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/valetkey/valetkey"
)

type userInvite struct {
	jsonFlag

	Email  string   `help:"Send the invitation there; whoever accepts it has proven the address."`
	Groups []string `name:"group" help:"A group that the new account is in; may be repeated."`
}

// oneTime is a link that was made.
type oneTime struct {
	Link    string    `json:"link"`
	Expires time.Time `json:"expires_at"`
}

// invitation says also whether it goes there by itself.
type invitation struct {
	oneTime

	Queued bool `json:"queued"` // a letter with it
}

func (u *userInvite) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		if err := warnOfIssuer(ctx, s, c, a); err != nil {
			return err
		}
		link, expires, err := a.Invite(ctx, u.Email, u.Groups)
		if err != nil {
			return err
		}
		made := invitation{oneTime{link, expires}, u.Email != "" && a.SendsMail()}
		return u.print(c, made, func(w io.Writer) {
			fmt.Fprintf(w, "%s\nworks once, until %s\n", link, expires.Format(time.RFC3339))
			switch {
			case made.Queued:
				fmt.Fprintf(w, "A letter to %s is queued; the running server sends it.\n", u.Email)
			case u.Email != "":
				fmt.Fprintln(w, "No letter goes out, because smtp isn't set: hand the link over yourself.")
			}
		})
	})
}

// warnOfIssuer: without the server's settings a link leads to another host.
func warnOfIssuer(ctx context.Context, s *Settings, c console, a *valetkey.Admin) error {
	served, err := a.ServedAs(ctx)
	if err == nil && served != "" && served != s.Issuer {
		fmt.Fprintf(c.err, "The server of this database goes by %s, and this link leads to %s: give the server's --config or --issuer.\n", served, s.Issuer)
	}
	return err
}

type userRecover struct {
	jsonFlag

	Username     string `arg:"" help:"Username or email."`
	ResetFactors bool   `help:"Take lost passkeys, authenticator apps and recovery codes away too."`
}

func (u *userRecover) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		user, err := a.User(ctx, u.Username)
		if err != nil {
			return err
		}
		if err := warnOfIssuer(ctx, s, c, a); err != nil {
			return err
		}
		link, expires, err := a.RecoveryLink(ctx, user.Subject, u.ResetFactors)
		if err != nil {
			return err
		}
		return u.print(c, oneTime{link, expires}, func(w io.Writer) {
			fmt.Fprintf(w, "%s\nworks once, until %s; give it to %s over a way that you trust\n", link, expires.Format(time.RFC3339), user.Username)
		})
	})
}

type userGroups struct {
	jsonFlag

	Username string   `arg:"" help:"Username or email."`
	Groups   []string `name:"group" help:"A group that the person is in; may be repeated. Replaces those that were set before."`
	Clear    bool     `help:"Take the person out of every group that was set here."`
}

func (u *userGroups) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		user, err := a.User(ctx, u.Username)
		if err != nil {
			return err
		}
		if len(u.Groups) > 0 || u.Clear {
			if err := a.SetGroups(ctx, user.Subject, u.Groups); err != nil {
				return err
			}
			if user, err = a.User(ctx, u.Username); err != nil {
				return err
			}
		}
		return u.print(c, map[string]any{"username": user.Username, "groups": user.Groups}, func(w io.Writer) {
			for _, g := range user.Groups {
				fmt.Fprintln(w, g)
			}
		})
	})
}
