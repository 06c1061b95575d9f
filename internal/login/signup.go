package login

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// NewUser is what a form or a command says of a new account.
type NewUser struct {
	Username, Email, Name, Password string
	Admin                           bool
	Claims                          oauth.Claims
}

// Setups makes the first administrator, exactly once.
type Setups interface {
	CompleteSetup(ctx context.Context, tokenHash []byte, u User) error
}

// SignUp makes an account and proves its maker in one go.
func (s *Service) SignUp(ctx context.Context, n NewUser, address string) (User, Proof, error) {
	user, err := s.Create(ctx, n, address)
	if err != nil {
		return User{}, Proof{}, err
	}
	return user, Proof{user: user, acr: "1", amr: []string{"pwd"}, ok: true}, nil
}

// Create judges and stores a new account. Without a password nobody can sign
// in to it by one.
func (s *Service) Create(ctx context.Context, n NewUser, address string) (User, error) {
	user, err := s.build(ctx, n, address)
	if err != nil {
		return User{}, err
	}
	err = s.Store.CreateUser(ctx, user)
	if errors.Is(err, oauth.ErrConflict) {
		return User{}, &Invalid{Field: "username", Why: "This username is taken.", Cause: err}
	}
	return user, err
}

// Setup makes the first administrator by the one-time link.
func (s *Service) Setup(ctx context.Context, token string, n NewUser, address string) (Proof, error) {
	n.Admin = true
	if n.Password == "" {
		return Proof{}, &Invalid{Field: "password", Why: "Choose a password."}
	}
	user, err := s.build(ctx, n, address)
	if err != nil {
		return Proof{}, err
	}
	if err := s.Setups.CompleteSetup(ctx, secret.Hash(token), user); err != nil {
		return Proof{}, err
	}
	return Proof{user: user, acr: "1", amr: []string{"pwd"}, ok: true}, nil
}

func (s *Service) build(ctx context.Context, n NewUser, address string) (User, error) {
	n.Username, n.Email, n.Name = strings.TrimSpace(n.Username), strings.TrimSpace(n.Email), strings.TrimSpace(n.Name)
	for _, err := range []error{checkUsername(n.Username), checkEmail(n.Email), checkName(n.Name)} {
		if err != nil {
			return User{}, err
		}
	}
	now := s.Now()
	user := User{
		Subject: secret.NewID(), Username: norm.NFC.String(n.Username), UsernameKey: Canonical(n.Username),
		Email: n.Email, Name: norm.NFC.String(n.Name), Admin: n.Admin, Epoch: 1, CreatedAt: now, UpdatedAt: now,
	}
	if err := user.take(n.Claims); err != nil {
		return User{}, err
	}
	if n.Password == "" {
		return user, nil
	}
	var err error
	user.Password, err = s.hash(ctx, n.Password, address)
	return user, err
}

func (s *Service) hash(ctx context.Context, password, address string) (string, error) {
	password = norm.NFKC.String(password)
	if err := checkPassword(password); err != nil {
		return "", err
	}
	return s.Hasher.Hash(ctx, address, password)
}

// ChangePassword needs the current one; every other session ends.
func (s *Service) ChangePassword(ctx context.Context, rec Record, current, next, address string) error {
	user, err := s.Store.User(ctx, rec.Subject)
	if err != nil {
		return err
	}
	if err := checkPassword(norm.NFKC.String(next)); err != nil {
		return err
	}
	attempt := Attempt{Username: user.Username, Password: current, Address: address, Device: rec.ID}
	if _, err := s.Authenticate(ctx, attempt); err != nil {
		return err
	}
	phc, err := s.hash(ctx, next, address)
	if err != nil {
		return err
	}
	return s.Store.SetPassword(ctx, user.Subject, phc, rec.ID, s.Now())
}

// SetPassword is an operator's: it asks for nothing and ends every session.
func (s *Service) SetPassword(ctx context.Context, subject, password string) error {
	phc, err := s.hash(ctx, password, "")
	if err != nil {
		return err
	}
	return s.Store.SetPassword(ctx, subject, phc, "", s.Now())
}
