package store

import (
	"context"

	"github.com/valetkey/valetkey/internal/login"
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
	StandsSubject  Standing = "sub"      // apps know somebody else by it
)

// Import is a user to insert, with what they are elsewhere. The zero CreatedAt
// says that the source doesn't know it.
type Import struct {
	User       login.User
	Kept       bool // the subject is one that they had elsewhere
	Identities []login.Identity
	TOTPs      []login.TOTP
}

// ImportUsers inserts those whom nobody is in the way of, in one transaction,
// and tells of each how they stood. Nobody is written without what belongs to
// them.
func (s *Store) ImportUsers(ctx context.Context, people []Import) ([]Standing, error) {
	return write(ctx, s, serial, func(c conn) ([]Standing, error) {
		out, err := standings(c, people)
		for i := 0; i < len(out) && err == nil; i++ {
			if out[i] == StandsFree {
				err = s.importOne(c, people[i])
			}
		}
		return out, err
	})
}

func (s *Store) importOne(c conn, p Import) error {
	now := s.now()
	if p.Kept {
		// Of an account that had the subject before, and was deleted, something may
		// wait for its epoch to come again. It never gets that far.
		p.User.Epoch = unix(now)
	}
	if err := insertUser(c, p.User, now); err != nil {
		return err
	}
	for i := range p.TOTPs {
		if err := changeCodes(c, login.Change{Subject: p.User.Subject, At: now, AddTOTP: &p.TOTPs[i]}); err != nil {
			return err
		}
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
	out, err := standings(s.read(ctx), people)
	return out, s.mapped(ctx, err)
}
