package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
)

// Visitor is where a request came from.
type Visitor struct {
	Address string
	Agent   string
	Browser string // the cookie that names the browser among a person's
}

// Has says which second factors a person has.
type Has struct {
	Passkey, TOTP, Recovery bool
}

// any: recovery codes alone are no factor; they stand in for one.
func (h Has) any() bool { return h.Passkey || h.TOTP }

// SecondFactors says which second factors a person has that may be used here.
func (s *Service) SecondFactors(ctx context.Context, subject string, ways []string) (Has, error) {
	return s.secondFactors(ctx, subject, ways)
}

// secondFactors are those of an app's list; who has none of them is asked for
// another that they have. A list says what is offered: it waives nobody's second
// factor.
func (s *Service) secondFactors(ctx context.Context, subject string, ways []string) (Has, error) {
	has, err := s.factorsAmong(ctx, subject, ways)
	if err != nil || has.any() || ways == nil {
		return has, err
	}
	return s.factorsAmong(ctx, subject, nil)
}

func (s *Service) factorsAmong(ctx context.Context, subject string, ways []string) (has Has, err error) {
	if s.keys != nil && s.Offers(WayPasskey, 2, ways) {
		keys, err := s.Store.Passkeys(ctx, subject)
		if err != nil {
			return has, err
		}
		has.Passkey = len(keys) > 0
	}
	if s.Offers(WayTOTP, 2, ways) {
		apps, err := s.Store.TOTPs(ctx, subject)
		if err != nil {
			return has, err
		}
		has.TOTP = len(apps) > 0
	}
	if has.any() && s.Offers(WayRecovery, 2, nil) {
		left, err := s.RecoveryLeft(ctx, subject)
		if err != nil {
			return has, err
		}
		has.Recovery = left > 0
	}
	return has, nil
}

func (h Has) kind(name string) bool {
	switch name {
	case WayPasskey:
		return h.Passkey
	case WayTOTP:
		return h.TOTP
	case WayRecovery:
		return h.Recovery
	}
	return false
}

// trustLife is how long a browser is trusted, when its owner wants it to be.
const trustLife = 30 * 24 * time.Hour

// trusts says whether a person wanted no second factor to be asked in a browser.
func (s *Service) trusts(ctx context.Context, subject, browser string) (bool, error) {
	name, err := s.knownBrowser(ctx, subject, browser)
	if err != nil || name == "" {
		return false, err
	}
	b, err := s.Store.Browser(ctx, subject, secret.Hash(name))
	return err == nil && b.TrustedUntil.After(s.Now()), err
}

// Try is one try at a second factor: a code, or a passkey's answer.
type Try struct {
	Kind   string // WayTOTP, WayRecovery or WayPasskey
	Code   string
	Asked  string // sealed, with a passkey
	Answer string
	Bind   string // the browser
	Trust  bool   // ask no second factor here for a while
	Ways   []string
	From   Visitor
}

// Second judges the second factor of a sign-in whose first half is done.
func (s *Service) Second(ctx context.Context, h HalfDone, try Try) (_ Proof, err error) {
	defer s.judged(wayOf(try.Kind), &err)
	has, err := s.secondFactors(ctx, h.User.Subject, try.Ways)
	switch {
	case err != nil:
		return Proof{}, err
	case h.Next != NextFactor || !has.any() || !has.kind(try.Kind) && try.Kind != WayRecovery:
		return Proof{}, ErrStale
	}
	done, failures, err := s.Throttle.beginFactor(h.User.Subject)
	if err != nil {
		return Proof{}, err
	}
	spent, amr, note, err := s.bySecond(ctx, h.User, try)
	done(!errors.Is(err, ErrWrong))
	if errors.Is(err, ErrWrong) && failures == guessesTold {
		if err := s.note(ctx, h.User, DidGuess, "", try.From); err != nil {
			return Proof{}, err
		}
	}
	if err != nil {
		return Proof{}, err
	}
	h.evidence.at = s.Now()
	p := h.evidence.with(spent, amr)
	p.trust = try.Trust && h.User.TwoStep
	p.note, p.step = note, h.session != ""
	if h.User.MustChange && h.evidence.way == WayPassword && h.session == "" {
		p.ok, p.next = false, NextPassword
	}
	return p, nil
}

// guessesTold is after how many wrong second factors the owner hears of it.
const guessesTold = 10

func (s *Service) bySecond(ctx context.Context, user User, try Try) (Spent, []string, *told, error) {
	switch try.Kind {
	case WayTOTP:
		spent, err := s.byTOTP(ctx, user, try.Code)
		return spent, []string{"otp"}, nil, err
	case WayRecovery:
		spent, left, err := s.byRecovery(ctx, user, try.Code)
		if err != nil {
			return spent, nil, nil, err
		}
		note, err := s.tell(user, DidUseCode, "", try.From, mail.Happening{Left: left})
		return spent, []string{"otp"}, note, err
	case WayPasskey:
		spent, amr, err := s.byFactorKey(ctx, user, try.Asked, try.Answer, try.Bind, try.From)
		return spent, amr, nil, err
	}
	return Spent{}, nil, nil, ErrWrong
}

// with joins a second factor to the first: RFC 8176 §2.
func (e Evidence) with(spent Spent, amr []string) Proof {
	e.two, e.amr, e.spent = true, slices.Clone(e.amr), append(slices.Clone(e.spent), spent)
	for _, a := range amr {
		if !slices.Contains(e.amr, a) {
			e.amr = append(e.amr, a)
		}
	}
	return e.proof()
}
