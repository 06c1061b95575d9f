package login

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

const idLength = 26

const defaultLifetime = 30 * 24 * time.Hour

// SignIn makes a session of a proof. The same person signing in again in the
// same browser keeps the session and gets a new cookie; anybody else gets a new
// session and the old one ends. Either way the old cookie is dead: a planted
// one is worth nothing.
func (s *Service) SignIn(ctx context.Context, p Proof, current *Record, userAgent, address string) (Record, string, error) {
	if !p.ok {
		return Record{}, "", errors.New("sign-in without proof")
	}
	now, password := s.Now(), secret.New().Reveal()
	rec := Record{
		Session: oauth.Session{
			ID: secret.NewID(), Subject: p.user.Subject, UserEpoch: p.user.Epoch, Logins: 1,
			AuthTime: now, ACR: p.acr, AMR: p.amr,
		},
		SecretHash: secret.Hash(password), CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(s.lifetime()),
		UserAgent: cut(userAgent, 400), Address: address,
	}
	replaces := ""
	if current != nil {
		replaces = current.ID
	}
	if current != nil && current.Subject == p.user.Subject {
		rec.ID = current.ID
		again, err := s.Store.Relogin(ctx, rec)
		if !errors.Is(err, oauth.ErrNotFound) {
			return again, cookie(again.ID, password), err
		}
		rec.ID = secret.NewID()
	}
	if err := s.Store.StartSession(ctx, rec, replaces); err != nil {
		return Record{}, "", err
	}
	return rec, cookie(rec.ID, password), nil
}

func (s *Service) lifetime() time.Duration {
	if s.Lifetime > 0 {
		return s.Lifetime
	}
	return defaultLifetime
}

func cookie(id, password string) string { return id + "." + password }

// Session returns the session that a cookie opens, else oauth.ErrNotFound.
func (s *Service) Session(ctx context.Context, value string) (Record, error) {
	id, password, found := strings.Cut(value, ".")
	if !found || len(id) != idLength || len(value) > 200 {
		return Record{}, oauth.ErrNotFound
	}
	rec, err := s.Store.Session(ctx, id, s.Now())
	if err != nil {
		return Record{}, err
	}
	if !secret.Matches(password, rec.SecretHash) {
		return Record{}, oauth.ErrNotFound
	}
	s.Store.SessionSeen(id, s.Now())
	return rec, nil
}

// SignOut ends a session and what hangs off it.
func (s *Service) SignOut(ctx context.Context, rec Record) error {
	return s.Store.EndSession(ctx, rec.ID, s.Now())
}

// cut shortens what a browser sent and leaves out what is no text: PostgreSQL
// refuses a row that holds it.
func cut(text string, n int) string {
	return strings.ToValidUTF8(text[:min(n, len(text))], "")
}
