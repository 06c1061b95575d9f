package valetkey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/imports"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// draft is a store that is only told of an account.
type draft struct {
	login.Store

	user login.User
}

// CreateUser implements the one verb of login.Store that login.Service.Create
// needs.
func (d *draft) CreateUser(_ context.Context, u login.User, _ ...login.Change) error {
	d.user = u
	return nil
}

// UserByEmail implements login.Store: whose an address is, the import itself asks.
func (d *draft) UserByEmail(context.Context, string) (login.User, error) {
	return login.User{}, oauth.ErrNotFound
}

// judge makes an account of somebody by the rules for every other account.
func (i *importing) judge(ctx context.Context, u imports.User) (login.User, *imports.RowError) {
	claims := u.Claims
	if u.EmailVerified {
		claims = map[string]any{"email_verified": true}
		maps.Copy(claims, u.Claims)
	}
	now, d := i.a.s.login.Now, &draft{}
	_, err := (&login.Service{Store: d, Now: now}).Create(ctx, login.NewUser{
		Username: u.Username, Email: u.Email, Name: u.Name, Hash: u.Hash, Admin: u.Admin, MustChange: u.MustChange,
		Claims: claims, Groups: u.Groups,
	}, "")
	var invalid *login.Invalid
	switch {
	case errors.As(err, &invalid):
		return d.user, &imports.RowError{Field: invalid.Field, Why: strings.TrimPrefix(invalid.Error(), invalid.Field+": ")}
	case err != nil:
		return d.user, &imports.RowError{Why: err.Error()}
	case u.Subject != "" && !login.ValidSubject(u.Subject):
		return d.user, &imports.RowError{Field: "sub", Why: "it must be 1 to 255 printable ASCII characters, without space or colon"}
	case u.CreatedAt.After(now().Add(24 * time.Hour)):
		return d.user, &imports.RowError{Field: "created_at", Why: "it lies in the future"}
	}
	d.user.Disabled, d.user.CreatedAt = u.Disabled, u.CreatedAt
	if u.Subject != "" {
		d.user.Subject = u.Subject
	}
	return d.user, nil
}

// takeFactors seals the secrets of authenticator apps. Whoever needed a code there
// needs one here; where none are taken they would only be in the way.
func (i *importing) takeFactors(row *importRow) {
	if !i.a.s.login.Offers(login.WayTOTP, 2, nil) {
		for range row.from.TOTPs {
			row.from.Left = append(row.from.Left, "authenticator app, which authenticators doesn't name")
		}
		return
	}
	for _, app := range row.from.TOTPs {
		row.TOTPs = append(row.TOTPs, i.a.s.login.ImportTOTP(row.User.Subject, app.Name, app.Key))
	}
	row.User.TwoStep = len(row.TOTPs) > 0
}

func identitiesOf(u imports.User) []login.Identity {
	out := make([]login.Identity, len(u.Identities))
	for n, one := range u.Identities {
		out[n] = login.Identity{Issuer: one.Issuer, Upstream: one.Subject, Connector: one.Connector, Label: one.Label}
	}
	return out
}

// checkConnectors: where the configuration names connectors, those of an import
// are among them.
func (i *importing) checkConnectors() error {
	known := i.a.s.connectors()
	for alias, c := range i.o.Connectors {
		switch {
		case c.Name == "" || c.Issuer == "":
			return fmt.Errorf("connector for %s: name and issuer are needed", alias)
		case len(known) > 0 && !slices.Contains(known, c.Name):
			return fmt.Errorf("connector for %s: no connector is named %q; there are %s", alias, c.Name, strings.Join(known, ", "))
		}
	}
	return nil
}
