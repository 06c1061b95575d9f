package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// The kinds of rows of the revocation feed.
const (
	endedAuthorization = "authorization" // name: its id
	endedScope         = "narrowed"      // name: the id of an authorization that lives on without it
	endedClient        = "client"        // name: its id
	endedUser          = "user"
	endedSession       = "session" // name: its id
	endedConsent       = "consent" // name: the client's id
)

// keepRevocations is how long the feed remembers: no access token should live
// longer.
const keepRevocations = time.Hour

// mayHaveToken is for statements whose $1 is keepRevocations ago: not all that
// it lets through have an access token that lives, since of a refresh token
// which doesn't rotate nobody knows when it was used.
const mayHaveToken = `(authorizations.expires_at >= $1
	AND (authorizations.ended_at = 0 OR authorizations.ended_at >= $1))`

// tell adds to the feed, by the clock and not by what a caller says: readers
// ask for what is new since they last asked. It is called in the transaction
// that ends something.
func (s *Store) tell(c conn, kind, subject, name string) error {
	_, err := c.exec(`INSERT INTO revocations (at, kind, subject, name) VALUES ($1, $2, $3, $4)
		ON CONFLICT (at, kind, subject, name) DO NOTHING`, unix(s.now()), kind, subject, name)
	return err
}

// revocationsSQL spells out what ended with a user, a session or a consent:
// those of its authorizations that are dead now, since others may have been
// made after it. Two readings without news are equal to the last entry.
const revocationsSQL = `SELECT revocations.at, authorizations.id, '', '', 0 FROM revocations
	JOIN authorizations ON authorizations.subject = revocations.subject
	WHERE ` + mayHaveToken + ` AND revocations.at >= $2 AND revocations.subject <> ''
	AND (revocations.kind = 'user'
		OR (revocations.kind = 'session' AND authorizations.session_id = revocations.name)
		OR (revocations.kind = 'consent' AND authorizations.client_id = revocations.name))
	AND NOT ` + live + `
	UNION ALL SELECT at, name, '', '', CASE WHEN kind = 'narrowed' THEN 1 ELSE 0 END FROM revocations
		WHERE at >= $2 AND kind IN ('authorization', 'narrowed')
	UNION ALL SELECT revoked_at, '', token_id, '', 0 FROM revoked WHERE revoked_at >= $2
	UNION ALL SELECT at, '', '', name, 0 FROM revocations WHERE at >= $2 AND kind = 'client'
	ORDER BY 1, 2, 3, 4, 5`

// Revocations implements oauth.Store. An entry may come more than once.
func (s *Store) Revocations(ctx context.Context, since time.Time) ([]oauth.Revocation, error) {
	found, err := all(s.read(ctx), func(r scanner) (v oauth.Revocation, err error) {
		var narrowed int64
		err = r.Scan(intoTime(&v.At), &v.Authorization, &v.Token, &v.ClientID, &narrowed)
		v.Narrowed = narrowed == 1
		return v, err
	}, revocationsSQL, unix(s.now().Add(-s.keepRevocations)), unix(since))
	return found, s.mapped(ctx, err)
}

func (s *Store) sweepRevocations(ctx context.Context, now time.Time) error {
	return s.inBatches(ctx, `DELETE FROM revocations WHERE (at, kind, subject, name) IN
		(SELECT at, kind, subject, name FROM revocations WHERE at < $1 ORDER BY at LIMIT $2)`,
		unix(now.Add(-s.keepRevocations)), sweepBatch)
}
