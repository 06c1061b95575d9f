package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// provenEmail is the index that lets one account alone have an address proven.
const provenEmail = "users_proven_email"

// mayProve refuses an address that somebody else has proven. To look first lets
// PostgreSQL begin again when somebody comes between; the index has the last word.
func mayProve(c conn, u login.User) error {
	key := login.Canonical(u.Email)
	if !u.EmailVerified || key == "" {
		return nil
	}
	var taken bool
	err := c.row("SELECT EXISTS (SELECT 1 FROM users WHERE email_key = $1 AND email_verified AND subject <> $2)", key, u.Subject).Scan(&taken)
	if err == nil && taken {
		return login.ErrAddressTaken
	}
	return err
}

// addressTaken knows the refusal of that index.
func addressTaken(err error) error {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	if errors.As(err, &pg) && pg.ConstraintName == provenEmail ||
		errors.As(err, &lite) && strings.Contains(lite.Error(), "UNIQUE constraint failed: users.email_key") {
		return fmt.Errorf("%w: %w", login.ErrAddressTaken, err)
	}
	return err
}

// whyNotInserted says what of an account is another's already: to whoever chose
// a name that is taken, that comes first.
func whyNotInserted(c conn, u login.User) error {
	var name bool
	if err := c.row("SELECT EXISTS (SELECT 1 FROM users WHERE username_key = $1)", u.UsernameKey).Scan(&name); err != nil {
		return err
	}
	if name {
		return oauth.ErrConflict
	}
	if err := mayProve(c, u); err != nil {
		return err
	}
	return oauth.ErrConflict
}
