package store

import (
	"context"
	"slices"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

const consentColumns = "subject, client_id, scopes, declined, session_id, epoch, granted_at, updated_at"

func scanConsent(r scanner) (c oauth.Consent, err error) {
	err = r.Scan(&c.Subject, &c.ClientID, intoList(&c.Scopes), intoList(&c.Declined), &c.SessionID, &c.Epoch,
		intoTime(&c.GrantedAt), intoTime(&c.UpdatedAt))
	return c, err
}

// Consent implements oauth.Store.
func (s *Store) Consent(ctx context.Context, subject, clientID string) (oauth.Consent, error) {
	agreed, err := consent(s.readHot(ctx), subject, clientID)
	return agreed, s.mapped(ctx, err)
}

// consent answers the zero Consent when nothing ever was.
func consent(c conn, subject, clientID string) (oauth.Consent, error) {
	agreed, err := scanConsent(c.row("SELECT "+consentColumns+
		" FROM consents WHERE subject = $1 AND client_id = $2", subject, clientID))
	if isNotFound(err) {
		return oauth.Consent{}, nil
	}
	return agreed, err
}

// Agree implements oauth.Store. A fresh consent's epoch is 1; one that was
// withdrawn is given again under its raised epoch.
func (s *Store) Agree(ctx context.Context, given oauth.Consent) (oauth.Consent, error) {
	now := s.now()
	given.UpdatedAt = orElse(given.UpdatedAt, now)
	given.GrantedAt = orElse(given.GrantedAt, given.UpdatedAt)
	return write(ctx, s, serial, func(c conn) (oauth.Consent, error) {
		before, err := consent(c, given.Subject, given.ClientID)
		if err != nil {
			return before, err
		}
		agreed := merged(before, given)
		return agreed, putConsent(c, agreed)
	})
}

func merged(before, given oauth.Consent) oauth.Consent {
	agreed := given
	agreed.Epoch = max(before.Epoch, 1)
	agreed.Scopes = slices.Clone(before.Scopes)
	if !before.GrantedAt.IsZero() {
		agreed.GrantedAt = before.GrantedAt
	}
	for _, name := range given.Scopes {
		if !slices.Contains(agreed.Scopes, name) {
			agreed.Scopes = append(agreed.Scopes, name)
		}
	}
	agreed.Declined = slices.DeleteFunc(slices.Concat(before.Declined, given.Declined), func(name string) bool {
		return slices.Contains(agreed.Scopes, name)
	})
	slices.Sort(agreed.Declined)
	agreed.Declined = slices.Compact(agreed.Declined)
	return agreed
}

func putConsent(c conn, v oauth.Consent) error {
	_, err := c.exec(`INSERT INTO consents (`+consentColumns+`, last_used)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
		ON CONFLICT (subject, client_id) DO UPDATE SET scopes = excluded.scopes, declined = excluded.declined, session_id = excluded.session_id,
			epoch = excluded.epoch, granted_at = excluded.granted_at, updated_at = excluded.updated_at`,
		v.Subject, v.ClientID, join(v.Scopes), join(v.Declined), v.SessionID, v.Epoch, unix(v.GrantedAt), unix(v.UpdatedAt))
	return err
}

// WithdrawConsent forgets what a person agreed with a client and ends all that
// came of it, codes too. It also ends a first-party client's authorizations,
// which had no consent.
func (s *Store) WithdrawConsent(ctx context.Context, subject, clientID string, at time.Time) error {
	return s.transaction(ctx, func(c conn) error {
		if _, err := raiseConsent(c, subject, clientID, func([]string) []string { return nil }, at); err != nil {
			return err
		}
		_, err := c.exec(`UPDATE authorizations SET ended_at = $1, end_reason = 'withdrawn'
			WHERE subject = $2 AND client_id = $3 AND ended_at = 0`, unix(at), subject, clientID)
		if err != nil {
			return err
		}
		return s.tell(c, endedConsent, subject, clientID)
	})
}

// NarrowConsent takes one scope back. Codes on their way die with the raised
// epoch; authorizations follow it and live on without the scope, but for the
// access tokens that hold it.
func (s *Store) NarrowConsent(ctx context.Context, subject, clientID, scope string, at time.Time) error {
	drop := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == scope })
	}
	return s.transaction(ctx, func(c conn) error {
		epoch, err := raiseConsent(c, subject, clientID, drop, at)
		if err != nil {
			return err
		}
		return s.narrowAuthorizations(c, subject, clientID, scope, epoch)
	})
}

func (s *Store) narrowAuthorizations(c conn, subject, clientID, scope string, epoch int64) error {
	unended, err := all(c, scanNarrowed, `SELECT `+authorizationColumns+`, `+mayHaveToken+` FROM authorizations
		WHERE subject = $2 AND client_id = $3 AND consent_epoch = $4 AND ended_at = 0`,
		unix(s.now().Add(-s.keepRevocations)), subject, clientID, epoch-1)
	if err != nil {
		return err
	}
	for _, a := range unended {
		claims, err := toJSON(a.Claims.Without(scope))
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(a.Scopes, func(n string) bool { return n == scope })
		if _, err := c.exec("UPDATE authorizations SET scopes = $1, claims = $2, consent_epoch = $3 WHERE id = $4",
			join(left), claims, epoch, a.ID); err != nil {
			return err
		}
		if a.mayHaveToken && len(left) < len(a.Scopes) {
			if err := s.tell(c, endedScope, "", a.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

type narrowed struct {
	oauth.Authorization
	mayHaveToken bool
}

func scanNarrowed(r scanner) (a narrowed, err error) {
	err = r.Scan(authorizationFields(&a.Authorization, &a.mayHaveToken)...)
	return a, err
}

// raiseConsent changes the scopes of a consent, or of one that never was, and
// raises its epoch.
func raiseConsent(c conn, subject, clientID string, change func([]string) []string, at time.Time) (int64, error) {
	agreed, err := consent(c, subject, clientID)
	if err != nil {
		return 0, err
	}
	agreed.Subject, agreed.ClientID = subject, clientID
	agreed.Scopes = change(agreed.Scopes)
	if len(agreed.Scopes) == 0 {
		agreed.GrantedAt, agreed.Declined = time.Time{}, nil // withdrawn: asked again, even for nothing
	}
	agreed.Epoch++
	agreed.UpdatedAt = at
	return agreed.Epoch, putConsent(c, agreed)
}
