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

func (u *userInvite) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		link, expires, err := a.Invite(ctx, u.Email, u.Groups)
		if err != nil {
			return err
		}
		return u.print(c, oneTime{link, expires}, func(w io.Writer) {
			fmt.Fprintf(w, "%s\nworks once, until %s\n", link, expires.Format(time.RFC3339))
		})
	})
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
	Groups   []string `name:"group" help:"A group that the person is in; may be repeated. None: no group."`
}

func (u *userGroups) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		user, err := a.User(ctx, u.Username)
		if err != nil {
			return err
		}
		if err := a.SetGroups(ctx, user.Subject, u.Groups); err != nil {
			return err
		}
		return u.print(c, map[string]any{"username": user.Username, "groups": u.Groups}, func(w io.Writer) { fmt.Fprintf(w, "Set the groups of %s\n", user.Username) })
	})
}
