package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

const userColumns = `subject, username, username_key, email, email_verified, name, claims, password, admin,
	disabled, external, epoch, created_at, updated_at, memberships, two_step, locked, must_change, picture_id`

func scanUser(r scanner) (u login.User, err error) {
	err = r.Scan(&u.Subject, &u.Username, &u.UsernameKey, &u.Email, &u.EmailVerified, &u.Name, intoJSON(&u.Claims),
		&u.Password, &u.Admin, &u.Disabled, &u.External, &u.Epoch, intoTime(&u.CreatedAt), intoTime(&u.UpdatedAt),
		intoJSON(&u.Memberships), &u.TwoStep, &u.Locked, &u.MustChange, &u.PictureID)
	return u, err
}

// SubjectEpoch returns the epoch of a user who may act; ErrEnded for one who
// is disabled, ErrNotFound for one who isn't there.
func (s *Store) SubjectEpoch(ctx context.Context, subject string) (int64, error) {
	var epoch int64
	var disabled bool
	err := s.read(ctx).row("SELECT epoch, disabled FROM users WHERE subject = $1", subject).Scan(&epoch, &disabled)
	switch {
	case err != nil:
		return 0, s.mapped(ctx, err)
	case disabled:
		return 0, oauth.ErrEnded
	}
	return epoch, nil
}

// User implements login.Store.
func (s *Store) User(ctx context.Context, subject string) (login.User, error) {
	u, err := scanUser(s.read(ctx).row("SELECT "+userColumns+" FROM users WHERE subject = $1", subject))
	return u, s.mapped(ctx, err)
}

// UserByName implements login.Store.
func (s *Store) UserByName(ctx context.Context, usernameKey string) (login.User, error) {
	u, err := scanUser(s.read(ctx).row("SELECT "+userColumns+" FROM users WHERE username_key = $1", usernameKey))
	return u, s.mapped(ctx, err)
}

// UserByEmail implements login.Store. An address need not be unique: the
// account that has proved it is the one, and without proof the only one is.
func (s *Store) UserByEmail(ctx context.Context, emailKey string) (login.User, error) {
	if emailKey == "" {
		return login.User{}, oauth.ErrNotFound
	}
	found, err := all(s.read(ctx), scanUser, "SELECT "+userColumns+` FROM users WHERE email_key = $1
		ORDER BY CASE WHEN email_verified THEN 0 ELSE 1 END, subject LIMIT 2`, emailKey)
	switch {
	case err != nil:
		return login.User{}, s.mapped(ctx, err)
	case len(found) == 0, len(found) == 2 && found[0].EmailVerified == found[1].EmailVerified:
		return login.User{}, oauth.ErrNotFound
	}
	return found[0], nil
}

// CreateUser implements login.Store. A user's first epoch is 1.
func (s *Store) CreateUser(ctx context.Context, u login.User, with ...login.Change) error {
	now := s.now()
	return s.transaction(ctx, func(c conn) error {
		if err := insertUser(c, u, now); err != nil {
			return err
		}
		for _, change := range with {
			if _, err := s.apply(c, change); err != nil {
				return err
			}
		}
		return nil
	})
}

func insertUser(c conn, u login.User, now time.Time) error {
	claims, err := claimsJSON(u.Claims)
	if err != nil {
		return err
	}
	memberships, err := membershipsJSON(u.Memberships)
	if err != nil {
		return err
	}
	var subject string
	err = c.row(`INSERT INTO users (`+userColumns+`, email_key)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT DO NOTHING RETURNING subject`,
		u.Subject, u.Username, u.UsernameKey, u.Email, u.EmailVerified, u.Name, claims, u.Password, u.Admin,
		u.Disabled, u.External, max(u.Epoch, 1), unix(orElse(u.CreatedAt, now)), unix(orElse(u.UpdatedAt, now)),
		memberships, u.TwoStep, u.Locked, u.MustChange, u.PictureID, login.Canonical(u.Email)).Scan(&subject)
	if errors.Is(err, sql.ErrNoRows) {
		return whyNotInserted(c, u)
	}
	return err
}

func claimsJSON(claims oauth.Claims) (string, error) {
	if len(claims) == 0 {
		return "", nil
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	return string(text), nil
}

func membershipsJSON(m map[string][]string) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	return toJSON(&m)
}

// SetMemberships implements login.Store.
func (s *Store) SetMemberships(ctx context.Context, subject, source string, groups []string) error {
	return s.transaction(ctx, func(c conn) error { return setMemberships(c, subject, source, groups) })
}

func setMemberships(c conn, subject, source string, groups []string) error {
	all := map[string][]string{}
	err := c.row("SELECT memberships FROM users WHERE subject = $1", subject).Scan(intoJSON(&all))
	if err != nil {
		return err
	}
	if all[source] = groups; len(groups) == 0 {
		delete(all, source)
	}
	text, err := membershipsJSON(all)
	if err != nil {
		return err
	}
	_, err = c.exec("UPDATE users SET memberships = $1 WHERE subject = $2", text, subject)
	return err
}

// UpdateUser implements login.Store; ErrConflict when it would leave no
// administrator, or an address proven by two.
func (s *Store) UpdateUser(ctx context.Context, u login.User) error {
	claims, err := claimsJSON(u.Claims)
	if err != nil {
		return err
	}
	now := s.now()
	return s.transaction(ctx, func(c conn) error {
		if !u.Admin {
			if err := keepAnAdmin(c, u.Subject); err != nil {
				return err
			}
		}
		if err := mayProve(c, u); err != nil {
			return err
		}
		var subject string
		return addressTaken(c.row(`UPDATE users SET name = $1, email = $2, email_key = $3, email_verified = $4, claims = $5,
			admin = $6, updated_at = $7 WHERE subject = $8 RETURNING subject`,
			u.Name, u.Email, login.Canonical(u.Email), u.EmailVerified, claims, u.Admin, unix(now), u.Subject).Scan(&subject))
	})
}

// Rehash implements login.Store; ErrConflict when the password was changed.
func (s *Store) Rehash(ctx context.Context, subject, old, phc string) error {
	return s.statement(ctx, func(c conn) error {
		var found string
		return conflictIfNone(c.row(`UPDATE users SET password = $1 WHERE subject = $2 AND password = $3
			RETURNING subject`, phc, subject, old).Scan(&found))
	})
}
