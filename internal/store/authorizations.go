package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

const authorizationColumns = `id, client_id, subject, session_id, scopes, resources, claims, auth_time, acr, amr,
	offline, user_epoch, client_epoch, consent_epoch, created_at, expires_at, seed_hash, generation, rotated_at,
	refresh_until, ended_at, end_reason`

// live: it wasn't ended, every epoch is the one it was made under, and its
// session, unless it may outlive it, wasn't ended. A session row that is gone
// merely expired: the sweeper ends what hangs off an ended one first.
const live = `(authorizations.ended_at = 0
	AND (authorizations.subject = '' OR EXISTS (SELECT 1 FROM users WHERE users.subject = authorizations.subject
		AND users.epoch = authorizations.user_epoch AND NOT users.disabled))
	AND EXISTS (SELECT 1 FROM clients WHERE clients.id = authorizations.client_id
		AND clients.epoch = authorizations.client_epoch AND NOT clients.disabled)
	AND authorizations.consent_epoch = COALESCE((SELECT consents.epoch FROM consents
		WHERE consents.subject = authorizations.subject AND consents.client_id = authorizations.client_id), 0)
	AND (authorizations.offline OR NOT EXISTS (SELECT 1 FROM sessions
		WHERE sessions.id = authorizations.session_id AND sessions.ended_at <> 0)))`

func scanAuthorization(r scanner) (a oauth.Authorization, err error) {
	err = r.Scan(authorizationFields(&a, &a.Live)...)
	return a, err
}

func authorizationFields(a *oauth.Authorization, more ...any) []any {
	return append([]any{
		&a.ID, &a.ClientID, &a.Subject, &a.SessionID, intoList(&a.Scopes), intoList(&a.Resources),
		intoJSON(&a.Claims), intoTime(&a.AuthTime), &a.ACR, intoList(&a.AMR), &a.Offline, &a.UserEpoch,
		&a.ClientEpoch, &a.ConsentEpoch, intoTime(&a.CreatedAt), intoTime(&a.ExpiresAt), &a.SeedHash,
		&a.Generation, intoTime(&a.RotatedAt), intoTime(&a.RefreshUntil), intoTime(&a.EndedAt), &a.EndReason,
	}, more...)
}

func authorizationValues(a oauth.Authorization) ([]any, error) {
	claims, err := toJSON(a.Claims)
	if err != nil {
		return nil, err
	}
	return []any{
		a.ID, a.ClientID, a.Subject, a.SessionID, join(a.Scopes), join(a.Resources), claims,
		unix(a.AuthTime), a.ACR, join(a.AMR), a.Offline, a.UserEpoch, a.ClientEpoch, a.ConsentEpoch,
		unix(a.CreatedAt), unix(a.ExpiresAt), a.SeedHash, a.Generation, unix(a.RotatedAt),
		unix(a.RefreshUntil), unix(a.EndedAt), a.EndReason,
	}, nil
}

// issueSQL: the primary key makes a code once-only, the conditions make it
// worth nothing when what it was made under has ended.
const issueSQL = `INSERT INTO authorizations (` + authorizationColumns + `)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22
	WHERE ($3 = '' OR EXISTS (SELECT 1 FROM users WHERE subject = $3 AND epoch = $12 AND NOT disabled))
	AND EXISTS (SELECT 1 FROM clients WHERE id = $2 AND epoch = $13 AND NOT disabled)
	AND $14 = COALESCE((SELECT epoch FROM consents WHERE subject = $3 AND client_id = $2), 0)
	AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = $4 AND ended_at <> 0)
	ON CONFLICT (id) DO NOTHING RETURNING id`

// Issue implements oauth.Store.
func (s *Store) Issue(ctx context.Context, a oauth.Authorization) error {
	values, err := authorizationValues(a)
	if err != nil {
		return err
	}
	_, err = writeRow(ctx, s, withProofs(a.Proofs), a.ID, func(c conn) (none struct{}, err error) {
		if err := useProofs(c, a.Proofs); err != nil {
			return none, err
		}
		return none, issue(c, a.ID, values)
	})
	return err
}

// Authorization implements oauth.Store.
func (s *Store) Authorization(ctx context.Context, id string) (oauth.Authorization, error) {
	a, err := authorization(s.readHot(ctx), id)
	return a, s.mapped(ctx, err)
}

func authorization(c conn, id string) (oauth.Authorization, error) {
	return scanAuthorization(c.row(`SELECT `+authorizationColumns+`, `+live+` FROM authorizations WHERE id = $1`, id))
}

// TokenAuthorization implements oauth.Store.
func (s *Store) TokenAuthorization(ctx context.Context, id, tokenID string) (a oauth.Authorization, err error) {
	err = s.readHot(ctx).row(`SELECT scopes, claims FROM authorizations WHERE id = $1 AND `+live+`
		AND NOT EXISTS (SELECT 1 FROM revoked WHERE token_id = $2)`, id, tokenID).
		Scan(intoList(&a.Scopes), intoJSON(&a.Claims))
	if isNotFound(err) {
		return a, oauth.ErrEnded
	}
	return a, s.mapped(ctx, err)
}

// rotateSQL moves a row whose generation is at most the presented one. After a
// restore an authentic generation may be above the row's, which moves up to it.
const rotateSQL = `UPDATE authorizations SET generation = $1, rotated_at = $2, refresh_until = $3,
	expires_at = CASE WHEN expires_at > $4 THEN expires_at ELSE $4 END
	WHERE id = $5 AND seed_hash = $6 AND generation < $1 AND refresh_until > $2 AND ` + live + `
	RETURNING ` + authorizationColumns

// Rotate implements oauth.Store.
func (s *Store) Rotate(ctx context.Context, r oauth.Rotation) (oauth.Authorization, error) {
	return writeRow(ctx, s, withProofs(r.Proofs), r.ID, func(c conn) (oauth.Authorization, error) {
		if err := useProofs(c, r.Proofs); err != nil {
			return oauth.Authorization{}, err
		}
		return rotate(c, r)
	})
}

func rotate(c conn, r oauth.Rotation) (oauth.Authorization, error) {
	for range 3 {
		var a oauth.Authorization
		err := c.row(rotateSQL, r.From+1, unix(r.At), unix(r.RefreshUntil), unix(r.ExpiresAt), r.ID, r.SeedHash).
			Scan(authorizationFields(&a)...)
		if !isNotFound(err) {
			a.Live = true
			return a, err
		}
		if err := whyNotRotated(c, r); err != nil {
			return oauth.Authorization{}, err
		}
	}
	return oauth.Authorization{}, oauth.ErrUnavailable
}

// whyNotRotated answers nil when nothing speaks against it any more: on
// PostgreSQL the statement may have waited for a consent being narrowed, and
// then compared the new row with the old consent.
func whyNotRotated(c conn, r oauth.Rotation) error {
	a, err := authorization(c, r.ID)
	switch {
	case err != nil:
		return err
	case !a.Live, string(a.SeedHash) != string(r.SeedHash), !a.RefreshUntil.After(r.At):
		return oauth.ErrEnded
	case a.Generation > r.From:
		return oauth.ErrConflict
	}
	return nil
}

const prolongSQL = `UPDATE authorizations SET refresh_until = $1,
	expires_at = CASE WHEN expires_at > $2 THEN expires_at ELSE $2 END
	WHERE id = $3 AND seed_hash = $4 AND refresh_until > $5 AND ` + live + ` RETURNING id`

// Prolong implements oauth.Store; ErrEnded also for one that has expired.
func (s *Store) Prolong(ctx context.Context, id string, seedHash []byte, refreshUntil, expiresAt time.Time) error {
	now := s.now()
	_, err := writeRow(ctx, s, hot, id, func(c conn) (none struct{}, err error) {
		for range 3 {
			var found string
			err := c.row(prolongSQL, unix(refreshUntil), unix(expiresAt), id, seedHash, unix(now)).Scan(&found)
			if !isNotFound(err) {
				return none, err
			}
			err = whyNotRotated(c, oauth.Rotation{ID: id, SeedHash: seedHash, At: now, From: math.MaxInt64})
			switch {
			case isNotFound(err):
				return none, oauth.ErrEnded
			case err != nil:
				return none, err
			}
		}
		return none, oauth.ErrUnavailable
	})
	return err
}

// EndAuthorization implements oauth.Store. To end one that has ended, or that
// is gone, is no error.
func (s *Store) EndAuthorization(ctx context.Context, id, reason string, at time.Time) error {
	return s.statements(ctx, func(c conn) error {
		var ended string
		err := c.row(`UPDATE authorizations SET ended_at = $1, end_reason = $2
			WHERE id = $3 AND ended_at = 0 RETURNING id`, unix(at), reason, id).Scan(&ended)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		return s.tell(c, endedAuthorization, "", id)
	})
}

// endSessionAuthorizations ends those that don't outlive their session.
func endSessionAuthorizations(c conn, subject, session string, at int64) error {
	_, err := c.exec(`UPDATE authorizations SET ended_at = $1, end_reason = 'logout'
		WHERE subject = $2 AND session_id = $3 AND NOT offline AND ended_at = 0`, at, subject, session)
	return err
}
