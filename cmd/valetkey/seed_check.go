package main

import (
	"errors"
	"fmt"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/web"
)

// check judges what sections say of each other, in whatever order they stand.
func (s *seed) check(mails bool) error {
	if line, err := s.checkChain(mails); err != nil {
		return usageError{fmt.Errorf("%s:%d: authenticators: %w", loaded.path, line, err)}
	}
	for _, c := range s.Clients {
		key, err := login.CheckAppWays(login.AppWays{Names: c.Authenticators, Factors: c.Factors}, s.chain(), s.providers())
		if err != nil {
			return usageError{fmt.Errorf("%s:%d: clients: %s: %w", loaded.path, max(c.at[key], c.line), c.ID, err)}
		}
	}
	return nil
}

func (s *seed) checkChain(mails bool) (line int, err error) {
	for _, a := range s.Chain {
		if a.Name == login.WayEmail && !mails {
			return s.chainLines[a.Name], errors.New("email needs smtp: nobody could get a code")
		}
		if a.Template == "" {
			continue
		}
		if err := s.checkPage(a); err != nil {
			return s.chainLines[a.Name+" template"], fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return 0, nil
}

func (s *seed) checkPage(a valetkey.Authenticator) error {
	err := web.CheckOwnPage(s.OwnTemplates, a)
	switch {
	case errors.Is(err, web.ErrNoTemplate) && s.OwnTemplates == "":
		return fmt.Errorf("template %s.html isn't there; branding's templates names the folder", a.Template)
	case errors.Is(err, web.ErrNoTemplate):
		return fmt.Errorf("template %s.html isn't in the folder of branding's templates", a.Template)
	}
	return err
}

// chain is the one that the server will have.
func (s *seed) chain() []valetkey.Authenticator {
	if s.Chain == nil {
		return valetkey.DefaultAuthenticators()
	}
	return s.Chain
}

func (s *seed) providers() []login.Provider {
	var all []login.Provider
	for _, c := range s.Connectors {
		all = append(all, login.Provider{Name: c.Name, Two: c.TrustACR})
	}
	return all
}
