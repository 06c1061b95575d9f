package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// EditProfile implements login.Store. The row is taken first, so that two edits
// see one another's; nothing else of the account is written.
func (s *Store) EditProfile(ctx context.Context, subject string, at time.Time, edit func(name string, claims oauth.Claims) (string, oauth.Claims), a login.Activity) error {
	return s.transaction(ctx, func(c conn) error {
		var name string
		claims := oauth.Claims{}
		if err := c.row("UPDATE users SET updated_at = $1 WHERE subject = $2 RETURNING name, claims", unix(at), subject).
			Scan(&name, intoJSON(&claims)); err != nil {
			return err
		}
		name, claims = edit(name, claims)
		text, err := claimsJSON(claims)
		if err != nil {
			return err
		}
		if _, err := c.exec("UPDATE users SET name = $1, claims = $2 WHERE subject = $3", name, text, subject); err != nil {
			return err
		}
		return insertActivity(c, a)
	})
}
