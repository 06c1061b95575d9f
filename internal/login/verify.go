package login

import (
	"context"
	"errors"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/oauth"
)

// ProveAddress sends a letter to an address that a person says is theirs. Until
// it has come back the account keeps the address that it has. The answer is for
// the page that waits for the code.
func (s *Service) ProveAddress(ctx context.Context, user User, email, browser, locale string, from Visitor) (string, error) {
	switch {
	case !s.Post.Enabled():
		return "", mail.ErrOff
	case email == "":
		return "", &Invalid{Field: "email", Why: "Write an email address."}
	}
	if err := checkEmail(email); err != nil {
		return "", err
	}
	if err := s.Throttle.mail(Canonical(email), from.Address, ""); err != nil {
		return "", err
	}
	l, token, err := s.newLink(LinkVerify, user.Subject, about{Subject: user.Subject, Epoch: user.Epoch, Email: email}, linkLife)
	if err != nil {
		return "", err
	}
	code := s.withCode(&l)
	to := s.reader(user, locale)
	to.Address = email
	letter := s.Post.VerifyAddress(to, code.Reveal(), s.address("/verify", token), linkLife)
	if taken, err := s.proven(ctx, email, user.Subject); err != nil || taken {
		if err != nil {
			return "", err
		}
		l.CodeHash = nil // the page waits as ever, and its owner hears of it
		letter = s.Post.AddressTaken(to, s.Issuer+"/login")
	}
	if err := s.put(ctx, l, letter); err != nil {
		return "", err
	}
	return s.await(LinkVerify, user.Subject, browser)
}

// proven says whether an address is another person's already.
func (s *Service) proven(ctx context.Context, email, but string) (bool, error) {
	other, err := s.Store.UserByEmail(ctx, Canonical(email))
	if errors.Is(err, oauth.ErrNotFound) {
		return false, nil
	}
	return err == nil && other.EmailVerified && other.Subject != but, err
}

// Proven is a letter about an address that has come back.
type Proven struct {
	User  User
	Email string

	link Link
}

// OpenVerify looks at a link of ProveAddress.
func (s *Service) OpenVerify(ctx context.Context, token string) (Proven, error) {
	l, what, err := s.openLink(ctx, LinkVerify, token)
	if err != nil {
		return Proven{}, err
	}
	return s.provenBy(ctx, l, what)
}

// VerifyByCode is OpenVerify by the code.
func (s *Service) VerifyByCode(ctx context.Context, sealed, code, browser string) (Proven, error) {
	owner, err := s.awaited(LinkVerify, sealed, browser)
	if err != nil {
		return Proven{}, err
	}
	l, what, err := s.findByCode(ctx, LinkVerify, owner, code)
	if err != nil {
		return Proven{}, err
	}
	return s.provenBy(ctx, l, what)
}

func (s *Service) provenBy(ctx context.Context, l Link, what about) (Proven, error) {
	user, err := s.holds(ctx, what)
	if err == nil && l.CodeHash == nil { // the address was somebody else's when it was sent
		err = ErrStale
	}
	return Proven{User: user, Email: what.Email, link: l}, err
}

// Verify makes a proven address the account's. Whose address it was before hears
// of it there.
func (s *Service) Verify(ctx context.Context, p Proven, from Visitor) error {
	taken, err := s.proven(ctx, p.Email, p.User.Subject)
	switch {
	case err != nil:
		return err
	case taken:
		return addressTaken(ErrAddressTaken)
	}
	kind := DidVerifyEmail
	if p.User.Email != p.Email {
		kind = DidChangeEmail
	}
	_, err = s.apply(ctx, Change{
		Subject: p.User.Subject, Epoch: p.User.Epoch, At: s.Now(), Spent: []Spent{{Link: &p.link}}, Email: &p.Email, Verified: true,
	}, p.User, kind, p.Email, from)
	if errors.Is(err, ErrAddressTaken) {
		return addressTaken(err)
	}
	return staleIfReplayed(err)
}
