// Package login knows people: who is at the browser, how they prove it, and
// for how long we believe it. It decides nothing about clients.
package login

import (
	"context"
	"errors"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// User is a person with an account.
type User struct {
	Subject       string // the sub claim; made here, never reused
	Username      string // as the person writes it
	UsernameKey   string // canonical form, unique; see Canonical
	Email         string
	EmailVerified bool
	Name          string
	Claims        oauth.Claims // further standard claims of OpenID Connect Core §5.1
	Password      string       // argon2id PHC string; "" for none
	Admin         bool
	Disabled      bool
	External      bool  // known to an embedder's own user base, not to ours
	Epoch         int64 // raised whenever what hangs off the account must end
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Record is a browser's session as stored. The cookie holds id and a secret;
// the row holds the secret's hash, so that a copy of it opens nothing.
type Record struct {
	oauth.Session

	SecretHash []byte
	CreatedAt  time.Time
	SeenAt     time.Time // written at most once a minute
	ExpiresAt  time.Time
	EndedAt    time.Time // zero while it isn't
	UserAgent  string
	Address    string
}

// What signing in may answer besides success.
var (
	ErrWrong    = errors.New("wrong username or password") // also: no such user, disabled
	ErrSlowDown = errors.New("too many tries")
	ErrTaken    = errors.New("that username is taken")
)

// Store keeps users and sessions. oauth's errors are its errors.
type Store interface {
	User(ctx context.Context, subject string) (User, error)
	UserByName(ctx context.Context, usernameKey string) (User, error)
	UserByEmail(ctx context.Context, emailKey string) (User, error)
	// CreateUser inserts; ErrConflict when the canonical username is taken.
	CreateUser(ctx context.Context, u User) error
	// UpdateUser writes name, email, claims and admin; never password or epoch.
	UpdateUser(ctx context.Context, u User) error
	// SetPassword also raises the epoch and ends every session of the user but
	// keep ("" for none), which follows the new epoch.
	SetPassword(ctx context.Context, subject, phc, keep string, at time.Time) error
	// Rehash replaces the stored hash of an unchanged password; nothing ends.
	Rehash(ctx context.Context, subject, old, phc string) error
	// DisableUser and EnableUser raise the epoch; ErrConflict for the last admin.
	DisableUser(ctx context.Context, subject string, at time.Time) error
	EnableUser(ctx context.Context, subject string, at time.Time) error
	// DeleteUser removes the row; its epoch can never hold again. ErrConflict
	// for the last admin.
	DeleteUser(ctx context.Context, subject string) error

	// StartSession inserts a session if the user's epoch still is
	// r.UserEpoch, and ends the session named replaces in the same step.
	StartSession(ctx context.Context, r Record, replaces string) error
	// Relogin gives an existing session of the same user a new secret,
	// auth_time, acr and amr, raises Logins and returns it.
	Relogin(ctx context.Context, r Record) (Record, error)
	// Session returns a session that is not ended, not expired at now, and
	// whose user's epoch holds; else ErrNotFound.
	Session(ctx context.Context, id string, now time.Time) (Record, error)
	Sessions(ctx context.Context, subject string, now time.Time) ([]Record, error)
	// EndSession ends it, its unredeemed codes, and its authorizations that
	// are not Offline. Ending one that is ended is no error.
	EndSession(ctx context.Context, id string, at time.Time) error
	// SessionSeen notes that a session is in use; lazily, at most once a minute.
	SessionSeen(id string, at time.Time)
}
