package store

import (
	"context"
	"errors"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// Standing says how somebody who is to be imported stands to those who are here.
type Standing string

// The standings.
const (
	StandsFree     Standing = ""         // nobody is in the way
	StandsHere     Standing = "here"     // they are here already
	StandsName     Standing = "username" // somebody else signs in by that name
	StandsEmail    Standing = "email"    // somebody else signs in by that address
	StandsIdentity Standing = "identity" // it is linked to somebody else's account
)

// Import is a user to insert, with what they are elsewhere. The zero CreatedAt
// says that the source doesn't know it.
type Import struct {
	User       login.User
	Identities []login.Identity
}

// ImportUsers inserts those whom nobody is in the way of, in one transaction,
// and tells of each how they stood. Nobody is written without what belongs to
// them.
func (s *Store) ImportUsers(ctx context.Context, people []Import) ([]Standing, error) {
	return write(ctx, s, serial, func(c conn) ([]Standing, error) {
		out := make([]Standing, len(people))
		for i, p := range people {
			var err error
			if out[i], err = p.standing(c); err != nil {
				return nil, err
			}
			if out[i] != StandsFree {
				continue
			}
			if err := s.importOne(c, p); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

func (s *Store) importOne(c conn, p Import) error {
	now := s.now()
	if err := insertUser(c, p.User, now); err != nil {
		return err
	}
	for i := range p.Identities {
		if err := changeIdentities(c, login.Change{Subject: p.User.Subject, At: now, AddIdentity: &p.Identities[i]}); err != nil {
			return err
		}
	}
	return nil
}

// Standings tells what ImportUsers would, and writes nothing.
func (s *Store) Standings(ctx context.Context, people []Import) ([]Standing, error) {
	out := make([]Standing, len(people))
	for i, p := range people {
		var err error
		if out[i], err = p.standing(s.read(ctx)); err != nil {
			return nil, s.mapped(ctx, err)
		}
	}
	return out, nil
}

// standing: whatever somebody can write into the sign-in form, a username or a
// verified address, must be one account's. login.Service looks names up so.
func (p Import) standing(c conn) (Standing, error) {
	name, email := p.User.UsernameKey, ""
	if email = login.Canonical(p.User.Email); !p.User.EmailVerified || email == "" {
		email = name
	}
	found, err := all(c, scanNamed, `SELECT username_key, email_key, created_at FROM users WHERE username_key IN ($1, $2)
		UNION ALL SELECT username_key, email_key, created_at FROM users WHERE email_key IN ($1, $2) AND email_verified`, name, email)
	if err != nil {
		return "", err
	}
	standing := StandsFree
	for _, other := range found {
		switch {
		case other.name == name && p.same(other):
			return StandsHere, nil
		case other.name == name, other.email == name:
			standing = StandsName
		case standing == StandsFree:
			standing = StandsEmail
		}
	}
	if standing != StandsFree {
		return standing, nil
	}
	return p.linked(c)
}

// named is what an account is known by.
type named struct {
	name, email string
	created     int64
}

func scanNamed(r scanner) (n named, err error) {
	err = r.Scan(&n.name, &n.email, &n.created)
	return n, err
}

// same: an account of that name is theirs when its address is, or when it was
// made in the same second there. Which is enough to leave it alone: neither
// changes anything.
func (p Import) same(other named) bool {
	email, created := login.Canonical(p.User.Email), unix(p.User.CreatedAt)
	return email != "" && other.email == email || created != 0 && other.created == created ||
		email == "" && other.email == "" && created == 0
}

func (p Import) linked(c conn) (Standing, error) {
	for _, i := range p.Identities {
		var subject string
		err := c.row("SELECT subject FROM identities WHERE issuer = $1 AND upstream_subject = $2", i.Issuer, i.Upstream).Scan(&subject)
		switch {
		case err == nil:
			return StandsIdentity, nil
		case !errors.Is(asError(err), oauth.ErrNotFound):
			return "", err
		}
	}
	return StandsFree, nil
}
