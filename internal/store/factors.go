package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

const passkeyColumns = "id, subject, name, credential, sign_count, created_at, used_at, used_agent, used_address" //nolint:gosec // names of columns

func scanPasskey(r scanner) (p login.Passkey, err error) {
	err = r.Scan(&p.ID, &p.Subject, &p.Name, &p.Credential, &p.SignCount, intoTime(&p.CreatedAt), intoTime(&p.UsedAt), &p.UsedAgent, &p.UsedAddress)
	return p, err
}

// Passkeys implements login.Store, oldest first.
func (s *Store) Passkeys(ctx context.Context, subject string) ([]login.Passkey, error) {
	found, err := all(s.read(ctx), scanPasskey, "SELECT "+passkeyColumns+" FROM passkeys WHERE subject = $1 ORDER BY created_at, place, id", subject)
	return found, s.mapped(ctx, err)
}

// Passkey implements login.Store.
func (s *Store) Passkey(ctx context.Context, id []byte) (login.Passkey, error) {
	p, err := scanPasskey(s.read(ctx).row("SELECT "+passkeyColumns+" FROM passkeys WHERE id = $1", id))
	return p, s.mapped(ctx, err)
}

// TOTPs implements login.Store, oldest first.
func (s *Store) TOTPs(ctx context.Context, subject string) ([]login.TOTP, error) {
	found, err := all(s.read(ctx), func(r scanner) (t login.TOTP, err error) {
		err = r.Scan(&t.ID, &t.Subject, &t.Name, &t.Sealed, &t.LastStep, intoTime(&t.CreatedAt), intoTime(&t.UsedAt))
		return t, err
	}, "SELECT id, subject, name, sealed, last_step, created_at, used_at FROM totps WHERE subject = $1 ORDER BY id", subject)
	return found, s.mapped(ctx, err)
}

// RecoveryCodes implements login.Store, the used ones too.
func (s *Store) RecoveryCodes(ctx context.Context, subject string) ([]login.RecoveryCode, error) {
	found, err := all(s.read(ctx), func(r scanner) (c login.RecoveryCode, err error) {
		err = r.Scan(&c.Hash, intoTime(&c.UsedAt))
		return c, err
	}, "SELECT hash, used_at FROM recovery_codes WHERE subject = $1 ORDER BY hash", subject)
	return found, s.mapped(ctx, err)
}

const identityColumns = "issuer, upstream_subject, subject, connector, label, created_at, used_at"

func scanIdentity(r scanner) (i login.Identity, err error) {
	err = r.Scan(&i.Issuer, &i.Upstream, &i.Subject, &i.Connector, &i.Label, intoTime(&i.CreatedAt), intoTime(&i.UsedAt))
	return i, err
}

// Identities implements login.Store, oldest first.
func (s *Store) Identities(ctx context.Context, subject string) ([]login.Identity, error) {
	found, err := all(s.read(ctx), scanIdentity, "SELECT "+identityColumns+" FROM identities WHERE subject = $1 ORDER BY created_at, issuer, upstream_subject", subject)
	return found, s.mapped(ctx, err)
}

// Identity implements login.Store.
func (s *Store) Identity(ctx context.Context, issuer, upstream string) (login.Identity, error) {
	i, err := scanIdentity(s.read(ctx).row("SELECT "+identityColumns+" FROM identities WHERE issuer = $1 AND upstream_subject = $2", issuer, upstream))
	return i, s.mapped(ctx, err)
}

// Spend implements login.Store.
func (s *Store) Spend(ctx context.Context, subject string, spent ...login.Spent) error {
	if len(spent) == 0 {
		return nil
	}
	return s.statements(ctx, func(c conn) error { return spend(c, subject, spent) })
}

// spend uses up each proof by one conditional statement: what another request
// used meanwhile answers no row.
func spend(c conn, subject string, spent []login.Spent) error {
	for _, p := range spent {
		if err := spendOne(c, subject, p); err != nil {
			if isNotFound(err) {
				return oauth.ErrReplayed
			}
			return err
		}
	}
	return nil
}

func spendOne(c conn, subject string, p login.Spent) error {
	var found string
	switch {
	case p.TOTP != nil:
		return c.row(`UPDATE totps SET last_step = $1, used_at = $2 WHERE id = $3 AND subject = $4 AND last_step < $1
			RETURNING id`, p.TOTP.LastStep, unix(p.TOTP.UsedAt), p.TOTP.ID, subject).Scan(&found)
	case p.Recovery != nil:
		return c.row(`UPDATE recovery_codes SET used_at = $1 WHERE subject = $2 AND hash = $3 AND used_at = 0
			RETURNING subject`, unix(p.At), subject, p.Recovery).Scan(&found)
	case p.Passkey != nil:
		return spendPasskey(c, subject, p)
	case p.Link != nil:
		return c.row("DELETE FROM links WHERE kind = $1 AND hash = $2 RETURNING kind", string(p.Link.Kind), p.Link.Hash).Scan(&found)
	case p.Once != nil:
		return useOnce(c, *p.Once)
	}
	return nil
}

// spendPasskey: WebAuthn §7.2, the counter is compared with the one that was
// checked against; the challenge beside it works once.
func spendPasskey(c conn, subject string, p login.Spent) error {
	var found string
	err := c.row(`UPDATE passkeys SET credential = $1, sign_count = $2, used_at = $3, used_agent = $4, used_address = $5
		WHERE id = $6 AND subject = $7 AND sign_count = $8 RETURNING subject`,
		p.Passkey.Credential, int64(p.Passkey.SignCount), unix(p.Passkey.UsedAt), p.Passkey.UsedAgent, p.Passkey.UsedAddress,
		p.Passkey.ID, subject, int64(p.Was)).Scan(&found)
	if err != nil || p.Once == nil {
		return err
	}
	return useOnce(c, *p.Once)
}

// rememberBrowser notes that a person signed in in a browser. That it is trusted is
// kept, unless a later time is given.
func rememberBrowser(c conn, b login.Browser, now time.Time) error {
	if b.Hash == nil {
		return nil
	}
	_, err := c.exec(`INSERT INTO browsers (subject, hash, first_at, seen_at, trusted_until, agent, address)
		VALUES ($1, $2, $3, $3, $4, $5, $6)
		ON CONFLICT (subject, hash) DO UPDATE SET seen_at = excluded.seen_at, agent = excluded.agent, address = excluded.address,
			trusted_until = CASE WHEN excluded.trusted_until > browsers.trusted_until THEN excluded.trusted_until ELSE browsers.trusted_until END`,
		b.Subject, b.Hash, unix(now), unix(b.TrustedUntil), b.UserAgent, b.Address)
	return err
}

const browserColumns = "subject, hash, first_at, seen_at, trusted_until, agent, address"

func scanBrowser(r scanner) (b login.Browser, err error) {
	err = r.Scan(&b.Subject, &b.Hash, intoTime(&b.FirstAt), intoTime(&b.SeenAt), intoTime(&b.TrustedUntil), &b.UserAgent, &b.Address)
	return b, err
}

// Browser implements login.Store.
func (s *Store) Browser(ctx context.Context, subject string, hash []byte) (login.Browser, error) {
	b, err := scanBrowser(s.read(ctx).row("SELECT "+browserColumns+" FROM browsers WHERE subject = $1 AND hash = $2", subject, hash))
	return b, s.mapped(ctx, err)
}

// Browsers implements login.Store, those used last first.
func (s *Store) Browsers(ctx context.Context, subject string) ([]login.Browser, error) {
	found, err := all(s.read(ctx), scanBrowser, "SELECT "+browserColumns+" FROM browsers WHERE subject = $1 ORDER BY seen_at DESC, hash LIMIT 100", subject)
	return found, s.mapped(ctx, err)
}
