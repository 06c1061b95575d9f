package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/valetkey/valetkey"
)

type userCmd struct {
	Create      userCreate      `cmd:"" help:"Make an account."`
	List        userList        `cmd:"" help:"List accounts."`
	Show        userShow        `cmd:"" help:"Show one account."`
	Disable     userDisable     `cmd:"" help:"Switch an account off; its sessions and tokens end."`
	Enable      userEnable      `cmd:"" help:"Switch an account on again."`
	Import      userImport      `cmd:"" help:"Import accounts of another system, with their password hashes."`
	Delete      userDelete      `cmd:"" help:"Delete an account; its sessions and tokens end."`
	SetPassword userSetPassword `cmd:"" help:"Set a password; every session of the account ends."`
	Groups      userGroups      `cmd:"" help:"Say which groups a person is in."`
	Invite      userInvite      `cmd:"" help:"Make a link by which one person makes an account."`
	Recover     userRecover     `cmd:"" help:"Make a one-time link back into an account."`
}

type userCreate struct {
	jsonFlag

	Username      string `help:"Name to sign in with." required:""`
	Email         string `help:"Email address."`
	Name          string `help:"Name as people say it."`
	PasswordStdin bool   `help:"Read the password from standard input."`
	Admin         bool   `help:"Make an administrator."`
	Claims        string `help:"File with a JSON object of standard claims." type:"path" placeholder:"FILE"`
}

func (u *userCreate) Run(ctx context.Context, s *Settings, c console) error {
	n := valetkey.NewUser{Username: u.Username, Email: u.Email, Name: u.Name, Admin: u.Admin}
	if u.PasswordStdin {
		password, err := readSecret(c)
		if err != nil {
			return err
		}
		n.Password = password
	}
	if u.Claims != "" {
		content, err := os.ReadFile(u.Claims)
		if err != nil {
			return fmt.Errorf("claims: %w", err)
		}
		if err := json.Unmarshal(content, &n.Claims); err != nil {
			return fmt.Errorf("claims %s: %w", u.Claims, err)
		}
	}
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		made, err := a.CreateUser(ctx, n)
		if err != nil {
			return err
		}
		return u.print(c, made, func(w io.Writer) { fmt.Fprintf(w, "Made user %s (sub %s)\n", made.Username, made.Subject) })
	})
}

type userList struct{ jsonFlag }

func (u *userList) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		users, err := a.Users(ctx)
		if err != nil {
			return err
		}
		if users == nil {
			users = []valetkey.User{}
		}
		return u.print(c, users, func(w io.Writer) {
			fmt.Fprintln(w, "USERNAME\tEMAIL\tNAME\tADMIN\tDISABLED\tSINCE")
			for _, one := range users {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", one.Username, one.Email, one.Name, yesNo(one.Admin), yesNo(one.Disabled), one.CreatedAt.Format(time.DateOnly))
			}
		})
	})
}

// userNamed is a command on one account.
type userNamed struct {
	jsonFlag

	Username string `arg:"" help:"Username or email."`
}

func (u *userNamed) with(ctx context.Context, s *Settings, c console, done string, do func(*valetkey.Admin, valetkey.User) error) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		user, err := a.User(ctx, u.Username)
		if err != nil {
			return err
		}
		if err := do(a, user); err != nil {
			return err
		}
		if now, err := a.User(ctx, u.Username); err == nil {
			user = now
		}
		return u.print(c, user, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", done, user.Username) })
	})
}

type userShow struct{ userNamed }

func (u *userShow) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		user, err := a.User(ctx, u.Username)
		if err != nil {
			return err
		}
		return u.print(c, user, func(w io.Writer) {
			fmt.Fprintf(w, "username\t%s\nsub\t%s\nemail\t%s\nname\t%s\nadmin\t%s\ndisabled\t%s\nsince\t%s\n",
				user.Username, user.Subject, user.Email, user.Name, yesNo(user.Admin), yesNo(user.Disabled), user.CreatedAt.Format(time.RFC3339))
		})
	})
}

type userDisable struct{ userNamed }

func (u *userDisable) Run(ctx context.Context, s *Settings, c console) error {
	return u.with(ctx, s, c, "Disabled", func(a *valetkey.Admin, user valetkey.User) error {
		return a.SetDisabled(ctx, user.Subject, true)
	})
}

type userEnable struct{ userNamed }

func (u *userEnable) Run(ctx context.Context, s *Settings, c console) error {
	return u.with(ctx, s, c, "Enabled", func(a *valetkey.Admin, user valetkey.User) error {
		return a.SetDisabled(ctx, user.Subject, false)
	})
}

type userDelete struct{ userNamed }

func (u *userDelete) Run(ctx context.Context, s *Settings, c console) error {
	return u.with(ctx, s, c, "Deleted", func(a *valetkey.Admin, user valetkey.User) error {
		return a.DeleteUser(ctx, user.Subject)
	})
}

type userSetPassword struct {
	userNamed

	PasswordStdin bool `help:"Read the password from standard input." required:""`
}

func (u *userSetPassword) Run(ctx context.Context, s *Settings, c console) error {
	password, err := readSecret(c)
	if err != nil {
		return err
	}
	return u.with(ctx, s, c, "Set the password of", func(a *valetkey.Admin, user valetkey.User) error {
		return a.SetPassword(ctx, user.Subject, password)
	})
}
