package login

import (
	"context"
	"slices"

	"github.com/valetkey/valetkey/internal/mail"
)

// Elsewhere says whether a person is of an embedder's own user base, which alone
// knows their profile and their password.
func (s *Service) Elsewhere(u User) bool { return s.External != nil || u.External }

// CanDropPassword says whether an account has another way in than its password.
// Whether that is so when it goes, the store decides.
func (s *Service) CanDropPassword(ctx context.Context, user User) (bool, error) {
	ways := s.leaves()
	keys, err := s.Store.Passkeys(ctx, user.Subject)
	if err != nil || user.Password == "" {
		return false, err
	}
	linked, err := s.Store.Identities(ctx, user.Subject)
	if err != nil {
		return false, err
	}
	return ways.Passkey && len(keys) > 0 || ways.Mail && user.Email != "" && user.EmailVerified ||
		slices.ContainsFunc(linked, func(i Identity) bool { return slices.Contains(ways.Connectors, i.Connector) }), nil
}

// EndElsewhere ends all of an account but the session that it is done in: other
// sessions, what apps were given, and the trust in browsers.
func (s *Service) EndElsewhere(ctx context.Context, rec Record, user User, from Visitor) error {
	_, err := s.apply(ctx, Change{Subject: user.Subject, At: s.Now(), Ends: true, Keep: rec.ID, ForgetBrowsers: true}, user, DidForgetBrowsers, "", from)
	return err
}

// Downloaded notes that somebody took a copy of all that is kept about them.
func (s *Service) Downloaded(ctx context.Context, a Actor) error {
	return s.note(ctx, a.user, DidDownload, "", a.from)
}

// Delete removes an account for good. Its owner hears of it by a letter that is
// kept in the same step; ErrConflict for the last administrator.
func (s *Service) Delete(ctx context.Context, a Actor) error {
	letters, err := s.farewell(a)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteUser(ctx, a.user.Subject, letters...); err != nil {
		return err
	}
	s.wake(letters)
	return nil
}

// farewell has no link "This wasn't me": there is nothing left to lock.
func (s *Service) farewell(a Actor) ([]mail.Row, error) {
	if !s.Post.Enabled() || a.user.Email == "" || !a.user.EmailVerified {
		return nil, nil
	}
	e := mail.Happening{At: s.Now(), Address: a.from.Address}
	if s.Device != nil && a.from.Agent != "" {
		e.Device = s.Device(a.user.Locale(), a.from.Agent)
	}
	return s.seal(s.Post.Notice(s.person(a.user), mail.AccountDeleted, e))
}

// CheckEmail judges an address by its form alone, before its owner is asked for
// any proof.
func CheckEmail(email string) error {
	if email == "" {
		return &Invalid{Field: "email", Why: "Write an email address."}
	}
	return checkEmail(email)
}
