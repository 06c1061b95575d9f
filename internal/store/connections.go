package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// Connection is a client that a person lets act, for their account page.
type Connection struct {
	ClientID string
	Scopes   []string // agreed to or in use
	Since    time.Time
	LastUsed time.Time // up to a minute behind
	Live     int       // authorizations that are live
}

// Connections lists the clients that a person agreed with or that hold a live
// authorization, in the order of their ids. First-party clients have only the
// latter.
func (s *Store) Connections(ctx context.Context, subject string) ([]Connection, error) {
	c := s.read(ctx)
	byClient := map[string]*Connection{}
	if err := consentConnections(c, subject, byClient); err != nil {
		return nil, s.mapped(ctx, err)
	}
	authorizations, err := all(c, scanAuthorization, `SELECT `+authorizationColumns+`, `+live+`
		FROM authorizations WHERE subject = $1 AND ended_at = 0 AND expires_at > $2`, subject, unix(s.now()))
	if err != nil {
		return nil, s.mapped(ctx, err)
	}
	for _, a := range authorizations {
		if a.Live {
			connection(byClient, a.ClientID).add(a)
		}
	}
	return s.listed(byClient, subject), nil
}

// maxListed is how many authorizations a page looks at.
const maxListed = 1000

// Authorizations lists what a person let apps have, newest first, ended ones
// too as long as they are kept.
func (s *Store) Authorizations(ctx context.Context, subject string) ([]oauth.Authorization, error) {
	found, err := all(s.read(ctx), scanAuthorization, `SELECT `+authorizationColumns+`, `+live+`
		FROM authorizations WHERE subject = $1 ORDER BY id DESC LIMIT $2`, subject, maxListed)
	return found, s.mapped(ctx, err)
}

func consentConnections(c conn, subject string, into map[string]*Connection) error {
	agreed, err := all(c, func(r scanner) (v Connection, err error) {
		err = r.Scan(&v.ClientID, intoList(&v.Scopes), intoTime(&v.Since), intoTime(&v.LastUsed))
		return v, err
	}, `SELECT client_id, scopes, granted_at, last_used FROM consents WHERE subject = $1 AND scopes <> ''
		AND EXISTS (SELECT 1 FROM clients WHERE clients.id = consents.client_id)`, subject)
	for _, v := range agreed {
		into[v.ClientID] = &v
	}
	return err
}

func connection(in map[string]*Connection, clientID string) *Connection {
	if in[clientID] == nil {
		in[clientID] = &Connection{ClientID: clientID}
	}
	return in[clientID]
}

func (v *Connection) add(a oauth.Authorization) {
	v.Live++
	for _, name := range a.Scopes {
		if !slices.Contains(v.Scopes, name) {
			v.Scopes = append(v.Scopes, name)
		}
	}
	if v.Since.IsZero() || a.CreatedAt.Before(v.Since) {
		v.Since = a.CreatedAt
	}
	v.LastUsed = latest(v.LastUsed, a.CreatedAt, a.RotatedAt)
}

func (s *Store) listed(byClient map[string]*Connection, subject string) []Connection {
	out := make([]Connection, 0, len(byClient))
	for _, v := range byClient {
		v.LastUsed = latest(v.LastUsed, s.lazy.lastUsed(v.ClientID, subject))
		out = append(out, *v)
	}
	slices.SortFunc(out, func(a, b Connection) int { return strings.Compare(a.ClientID, b.ClientID) })
	return out
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
