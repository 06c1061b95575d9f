package login

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// ByDirectory asks a directory whose username and password these are, behind the
// same counts as for a password of ours.
func (s *Service) ByDirectory(ctx context.Context, connector string, a Attempt, ask func(ctx context.Context, username, password string) (upstream.Identity, error)) (_ upstream.Identity, err error) {
	defer s.judged(connector, &err)
	if !possiblePassword(a.Password) || Canonical(a.Username) == "" || len(a.Username) > maxUsername {
		return upstream.Identity{}, ErrWrong
	}
	account := connector + "\x00" + Canonical(a.Username)
	a.Device = "" // whose account it is here, nobody knows yet
	done, err := s.Throttle.begin(account, a)
	if err != nil {
		return upstream.Identity{}, err
	}
	who, err := ask(ctx, a.Username, a.Password)
	done(!errors.Is(err, upstream.ErrWrong), err == nil)
	return who, err
}

// ByOwn asks an embedder's own authenticator, behind counts by address.
func (s *Service) ByOwn(ctx context.Context, name string, form url.Values, a Attempt) (_ Evidence, err error) {
	for _, own := range s.Chain {
		if own.Name != name || own.Factor != 1 || own.Verify == nil {
			continue
		}
		defer s.judged(name, &err)
		a.Device = ""
		done, err := s.Throttle.begin("own\x00"+name+"\x00"+a.Address, a)
		if err != nil {
			return Evidence{}, err
		}
		subject, amr, err := own.Verify(ctx, form)
		done(!errors.Is(err, ErrWrong), err == nil)
		if err != nil {
			return Evidence{}, err
		}
		user, err := s.Store.User(ctx, subject)
		if err != nil {
			return Evidence{}, unknownIsWrong(err)
		}
		return Evidence{user: user, way: name, amr: amr, at: s.Now()}, nil
	}
	return Evidence{}, ErrWrong
}

// UseLogoutToken: OpenID Connect Back-Channel Logout §2.6, a token counts once.
func (s *Service) UseLogoutToken(ctx context.Context, issuer, id string) error {
	return s.Store.Spend(ctx, "", Spent{Once: &oauth.Once{Kind: "logout", Owner: issuer, ID: id, Until: s.Now().Add(10 * time.Minute)}})
}
