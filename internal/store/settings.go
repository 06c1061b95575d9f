package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// The settings that the store itself keeps.
const (
	settingPairwise = "pairwise"
	settingMaster   = "master"
	settingRestored = "restored_at"
	settingIssuer   = "issuer"        // that the server last went by
	settingServes   = "schema_serves" // of the schema that is its value, the oldest whose programs may work here
	settingSetup    = "setup"
	settingTimeline = "timeline" // of the PostgreSQL server, see timeline.go
	settingSweep    = "sweep"    // when a sweep began, and how far it came
	settingVersion  = "version"  // raised by every change of what is cached
)

// ErrMasterSecret says that the database was made under another master secret.
var ErrMasterSecret = errors.New("wrong master secret: the database was made with another one")

func setSetting(c conn, name, value string, number int64) error {
	_, err := c.exec(`INSERT INTO settings (name, value, number) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, number = excluded.number`, name, value, number)
	return err
}

// setting answers sql.ErrNoRows for one that was never set.
func setting(c conn, name string) (value string, number int64, err error) {
	err = c.row("SELECT value, number FROM settings WHERE name = $1", name).Scan(&value, &number)
	return value, number, err
}

// checkMaster keeps the first check value; a later start must know the one
// that is kept, and replaces it when another key seals now.
func (s *Store) checkMaster(ctx context.Context, checks []string) error {
	if len(checks) == 0 {
		return nil
	}
	return s.transaction(ctx, func(c conn) error {
		stored, _, err := setting(c, settingMaster)
		switch {
		case errors.Is(asError(err), oauth.ErrNotFound):
			return setSetting(c, settingMaster, checks[0], 0)
		case err != nil:
			return err
		case !slices.Contains(checks, stored):
			return ErrMasterSecret
		case stored != checks[0]:
			return setSetting(c, settingMaster, checks[0], 0)
		}
		return nil
	})
}

// RestoredAt is when the database was last restored from a backup; zero for
// never. What was sealed or signed in before then is refused.
func (s *Store) RestoredAt() time.Time {
	if at := s.restored.Load(); at != 0 {
		return time.Unix(at, 0).UTC()
	}
	return time.Time{}
}

func (s *Store) loadRestored(ctx context.Context) error {
	_, number, err := setting(s.read(ctx), settingRestored)
	if err = s.mapped(ctx, err); errors.Is(err, oauth.ErrNotFound) {
		return nil
	}
	if err == nil {
		s.restoredAt(number)
	}
	return err
}

// MarkRestored writes down that the database was restored. A Store that is
// open already takes notice at its next poll.
func (s *Store) MarkRestored(ctx context.Context, at time.Time) error {
	return s.change(ctx, func(c conn) error { return setSetting(c, settingRestored, "", unix(at)) })
}

// NoteIssuer writes down by what issuer a server goes, for commands that make
// links and aren't told.
func (s *Store) NoteIssuer(ctx context.Context) error {
	noted, err := s.NotedIssuer(ctx)
	if err != nil || noted == s.issuer {
		return err
	}
	return s.statement(ctx, func(c conn) error { return setSetting(c, settingIssuer, s.issuer, 0) })
}

// NotedIssuer is what NoteIssuer last wrote, "" before that.
func (s *Store) NotedIssuer(ctx context.Context) (string, error) {
	noted, _, err := setting(s.read(ctx), settingIssuer)
	if isNotFound(err) {
		return "", nil
	}
	return noted, s.mapped(ctx, err)
}

// PairwiseSalt implements oauth.Store.
func (s *Store) PairwiseSalt(ctx context.Context) ([]byte, error) {
	if salt := s.salt.Load(); salt != nil {
		return slices.Clone(*salt), nil
	}
	text, _, err := setting(s.read(ctx), settingPairwise)
	if isNotFound(err) {
		text, err = s.makeSalt(ctx)
	}
	if err != nil {
		return nil, s.mapped(ctx, err)
	}
	salt, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("read the setting %s: %w", settingPairwise, err)
	}
	s.salt.Store(&salt)
	return slices.Clone(salt), nil
}

// makeSalt returns the salt of whoever was first.
func (s *Store) makeSalt(ctx context.Context) (string, error) {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // never fails
	return write(ctx, s, single, func(c conn) (string, error) {
		if _, err := c.exec(`INSERT INTO settings (name, value, number) VALUES ($1, $2, 0)
			ON CONFLICT (name) DO NOTHING`, settingPairwise, hex.EncodeToString(salt)); err != nil {
			return "", err
		}
		text, _, err := setting(c, settingPairwise)
		return text, err
	})
}

// raiseVersion tells every node that something cached has changed.
func raiseVersion(c conn) error {
	_, err := c.exec("UPDATE settings SET number = number + 1 WHERE name = $1", settingVersion)
	return err
}

// NeedsSetup says whether there is no administrator yet.
func (s *Store) NeedsSetup(ctx context.Context) (bool, error) {
	admin, err := anyAdmin(s.read(ctx))
	return !admin, s.mapped(ctx, err)
}

func anyAdmin(c conn) (bool, error) {
	var any bool
	err := c.row("SELECT EXISTS (SELECT 1 FROM users WHERE admin)").Scan(&any)
	return any, err
}

// SetupToken keeps the hash of the token in the set-up link, in place of an
// earlier one; ErrConflict once there is an administrator.
func (s *Store) SetupToken(ctx context.Context, hash []byte) error {
	return s.transaction(ctx, func(c conn) error {
		if admin, err := anyAdmin(c); err != nil {
			return err
		} else if admin {
			return fmt.Errorf("%w: there is an administrator", oauth.ErrConflict)
		}
		return setSetting(c, settingSetup, hex.EncodeToString(hash), 0)
	})
}

// CompleteSetup makes the first administrator, once: ErrConflict when there is
// one, ErrNotFound when the token isn't the one in the link.
func (s *Store) CompleteSetup(ctx context.Context, tokenHash []byte, user login.User) error {
	user.Admin, user.Disabled = true, false
	return s.transaction(ctx, func(c conn) error {
		if admin, err := anyAdmin(c); err != nil {
			return err
		} else if admin {
			return fmt.Errorf("%w: there is an administrator", oauth.ErrConflict)
		}
		stored, _, err := setting(c, settingSetup)
		if err != nil {
			return err
		}
		if hash, err := hex.DecodeString(stored); err != nil || !secret.Equal(hash, tokenHash) {
			return oauth.ErrNotFound
		}
		if _, err := c.exec("DELETE FROM settings WHERE name = $1", settingSetup); err != nil {
			return err
		}
		return insertUser(c, user, s.now())
	})
}

// CheckSetup says whether a token is the one in the set-up link, and uses nothing
// up: ErrNotFound when it isn't.
func (s *Store) CheckSetup(ctx context.Context, tokenHash []byte) error {
	stored, _, err := setting(s.read(ctx), settingSetup)
	if err != nil {
		return s.mapped(ctx, err)
	}
	if hash, err := hex.DecodeString(stored); err != nil || !secret.Equal(hash, tokenHash) {
		return oauth.ErrNotFound
	}
	return nil
}
