package store

import (
	"context"
	"slices"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// Apply implements login.Store. Everything is in one transaction, letters and
// the note for the owner included: a change that nobody hears of can't happen.
func (s *Store) Apply(ctx context.Context, change login.Change) (int64, error) {
	return write(ctx, s, serial, func(c conn) (int64, error) { return s.apply(c, change) })
}

func (s *Store) apply(c conn, change login.Change) (int64, error) {
	epoch, err := s.moveOn(c, change)
	if err != nil {
		return 0, err
	}
	for _, step := range []func(conn, login.Change) error{
		func(c conn, change login.Change) error { return spend(c, change.Subject, change.Spent) },
		changeAccount, changePasskeys, changeCodes, changeIdentities, forgetBrowsers, keepsAWayIn,
	} {
		if err := step(c, change); err != nil {
			return 0, err
		}
	}
	if change.Activity != nil {
		if err := insertActivity(c, *change.Activity); err != nil {
			return 0, err
		}
	}
	return epoch, queueMail(c, change.Letters)
}

// moveOn reads the epoch and, where the change ends things, raises it: all that
// hangs off the account ends by its epoch, and the session that is kept moves
// to the new one.
func (s *Store) moveOn(c conn, change login.Change) (epoch int64, err error) {
	at, raise := unix(change.At), int64(0)
	if change.Ends {
		raise = 1
	}
	if err := c.row(`UPDATE users SET epoch = epoch + $1, updated_at = $2 WHERE subject = $3 RETURNING epoch`,
		raise, at, change.Subject).Scan(&epoch); err != nil {
		return 0, err
	}
	if change.Epoch != 0 && change.Epoch != epoch-raise {
		return 0, oauth.ErrEnded
	}
	if !change.Ends {
		return epoch, nil
	}
	if _, err := c.exec(`UPDATE sessions SET user_epoch = $1
		WHERE id = $2 AND subject = $3 AND ended_at = 0 AND user_epoch = $4`, epoch, change.Keep, change.Subject, epoch-1); err != nil {
		return 0, err
	}
	if _, err := c.exec(`UPDATE sessions SET ended_at = $1 WHERE subject = $2 AND user_epoch <> $3 AND ended_at = 0`,
		at, change.Subject, epoch); err != nil {
		return 0, err
	}
	if _, err := c.exec("UPDATE browsers SET trusted_until = 0 WHERE subject = $1", change.Subject); err != nil {
		return 0, err
	}
	return epoch, s.tell(c, endedUser, change.Subject, "")
}

func changeAccount(c conn, change login.Change) error {
	for _, set := range []struct {
		column string
		value  any
		given  bool
	}{
		{"password", deref(change.Password), change.Password != nil},
		{"must_change", deref(change.MustChange), change.MustChange != nil},
		{"locked", deref(change.Locked), change.Locked != nil},
		{"two_step", deref(change.TwoStep), change.TwoStep != nil},
	} {
		if !set.given {
			continue
		}
		if _, err := c.exec("UPDATE users SET "+set.column+" = $1 WHERE subject = $2", set.value, change.Subject); err != nil {
			return err
		}
	}
	if m := change.Memberships; m != nil {
		if err := setMemberships(c, change.Subject, m.Source, m.Groups); err != nil {
			return err
		}
	}
	if change.Email == nil {
		return nil
	}
	if err := mayProve(c, login.User{Subject: change.Subject, Email: *change.Email, EmailVerified: change.Verified}); err != nil {
		return err
	}
	_, err := c.exec("UPDATE users SET email = $1, email_key = $2, email_verified = $3 WHERE subject = $4",
		*change.Email, login.Canonical(*change.Email), change.Verified, change.Subject)
	return addressTaken(err)
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func changePasskeys(c conn, change login.Change) error {
	if change.DropFactors {
		for _, table := range []string{"passkeys", "totps"} {
			if _, err := c.exec("DELETE FROM "+table+" WHERE subject = $1", change.Subject); err != nil {
				return err
			}
		}
	}
	var found string
	if p := change.AddPasskey; p != nil {
		if err := conflictIfNone(c.row(`INSERT INTO passkeys (`+passkeyColumns+`, place) VALUES ($1, $2, $3, $4, $5, $6, 0, '', '',
				(SELECT COALESCE(MAX(place), 0) + 1 FROM passkeys WHERE subject = $2))
			ON CONFLICT (id) DO NOTHING RETURNING subject`,
			p.ID, change.Subject, p.Name, p.Credential, int64(p.SignCount), unix(change.At)).Scan(&found)); err != nil {
			return err
		}
	}
	if p := change.RenamePasskey; p != nil {
		if err := c.row("UPDATE passkeys SET name = $1 WHERE id = $2 AND subject = $3 RETURNING subject", p.Name, p.ID, change.Subject).Scan(&found); err != nil {
			return err
		}
	}
	if change.RemovePasskey == nil {
		return nil
	}
	return c.row("DELETE FROM passkeys WHERE id = $1 AND subject = $2 RETURNING subject", change.RemovePasskey, change.Subject).Scan(&found)
}

func changeCodes(c conn, change login.Change) error {
	var found string
	if t := change.AddTOTP; t != nil {
		if _, err := c.exec(`INSERT INTO totps (id, subject, name, sealed, last_step, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
			t.ID, change.Subject, t.Name, t.Sealed, t.LastStep, unix(change.At)); err != nil {
			return err
		}
	}
	if change.RemoveTOTP != "" {
		if err := c.row("DELETE FROM totps WHERE id = $1 AND subject = $2 RETURNING id", change.RemoveTOTP, change.Subject).Scan(&found); err != nil {
			return err
		}
	}
	if change.Recovery == nil {
		return nil
	}
	if _, err := c.exec("DELETE FROM recovery_codes WHERE subject = $1", change.Subject); err != nil {
		return err
	}
	for _, hash := range change.Recovery {
		if _, err := c.exec("INSERT INTO recovery_codes (subject, hash, used_at) VALUES ($1, $2, 0)", change.Subject, hash); err != nil {
			return err
		}
	}
	return nil
}

func changeIdentities(c conn, change login.Change) error {
	var found string
	if i := change.AddIdentity; i != nil {
		if err := conflictIfNone(c.row(`INSERT INTO identities (`+identityColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $6)
			ON CONFLICT (issuer, upstream_subject) DO NOTHING RETURNING subject`,
			i.Issuer, i.Upstream, change.Subject, i.Connector, i.Label, unix(change.At)).Scan(&found)); err != nil {
			return err
		}
	}
	i := change.RemoveIdentity
	if i == nil {
		return nil
	}
	return c.row("DELETE FROM identities WHERE issuer = $1 AND upstream_subject = $2 AND subject = $3 RETURNING subject",
		i.Issuer, i.Upstream, change.Subject).Scan(&found)
}

func forgetBrowsers(c conn, change login.Change) error {
	if !change.ForgetBrowsers {
		return nil
	}
	_, err := c.exec("DELETE FROM browsers WHERE subject = $1", change.Subject)
	return err
}

// keepsAWayIn looks, in the transaction that takes one away, whether another is
// left.
func keepsAWayIn(c conn, change login.Change) error {
	ways := change.Leaves
	if ways == nil {
		return nil
	}
	var password, address, passkey bool
	if err := c.row(`SELECT password <> '', email_verified AND email <> '',
		EXISTS (SELECT 1 FROM passkeys WHERE passkeys.subject = users.subject) FROM users WHERE subject = $1`,
		change.Subject).Scan(&password, &address, &passkey); err != nil {
		return err
	}
	if ways.Password && password || ways.Mail && address || ways.Passkey && passkey {
		return nil
	}
	identities, err := all(c, scanIdentity, "SELECT "+identityColumns+" FROM identities WHERE subject = $1", change.Subject)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(identities, func(i login.Identity) bool { return slices.Contains(ways.Connectors, i.Connector) }) {
		return nil
	}
	return login.ErrLastWay
}
