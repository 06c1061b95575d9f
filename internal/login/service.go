package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"golang.org/x/text/unicode/norm"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// Service signs people in and out. Users, when set, is an embedder's own user
// base; ours is used when it is nil.
type Service struct {
	Store    Store
	Setups   Setups
	Hasher   *secret.Hasher
	Throttle *Throttle
	Now      func() time.Time
	External External
	Lifetime time.Duration    // of a session; zero: 30 days
	Phones   func() time.Time // what authenticator apps go by; nil: Now
	Restored func() time.Time // when the database was last restored from a backup; zero or nil: never
	Even     time.Duration    // that answers take which must tell nothing by it; zero: 300 ms

	// Ephemeral: the server is there for a test; a header says who is signed in.
	Ephemeral bool

	Issuer string
	Brand  string
	Chain  []Authenticator
	Policy Policy
	Post   *mail.Post // nil, or without a sender: no letters
	Leaked Leaked     // nil: only the list that is built in
	// Connectors are those that still let people in, for what is left when a way
	// in is taken away; nil: none.
	Connectors func() []string
	Device     func(locale, agent string) string // a browser in words, for letters; nil: none
	Meter      Meter                             // nil: sign-ins aren't counted

	box  boxes
	keys *webauthn.WebAuthn
}

// Policy is what an operator asks of people.
type Policy struct {
	Groups  map[string]GroupPolicy
	Domains []string // of addresses that may sign up; none: any
	Invite  bool     // nobody signs up without an invitation
	Verify  bool     // an address must be proven before its owner is signed in by sign-up
}

// GroupPolicy is what goes with membership in a group.
type GroupPolicy struct {
	Factors int  // 2: its members need a second factor
	Admin   bool // its members administer the server
}

type boxes struct {
	half, totp, link, challenge, enrolment, upstream *seal.Box
	recovery                                         *seal.MAC
}

// Open derives the keys of what it seals, and fills defaults.
func (s *Service) Open(ring *seal.Keyring) error {
	s.box = boxes{
		half: ring.Box("login-half", ""), totp: ring.Box("totp", ""), link: ring.Box("mail-link", ""), challenge: ring.Box("webauthn", ""),
		enrolment: ring.Box("enrolment", ""), upstream: ring.Box("upstream-session", ""), recovery: ring.MAC("recovery-code"),
	}
	if s.Chain == nil {
		s.Chain = DefaultChain()
	}
	if err := CheckChain(s.Chain); err != nil {
		return err
	}
	var err error
	s.keys, err = relyingParty(s.Issuer, s.Brand)
	return err
}

// External is an embedder's own user base.
type External interface {
	oauth.Users
	// Authenticate checks a password. It answers the user's subject, or
	// ErrWrong.
	Authenticate(ctx context.Context, username, password string) (subject string, err error)
}

// ByPassword finds whose username and password these are. It costs the same
// time whether or not the account exists.
func (s *Service) ByPassword(ctx context.Context, a Attempt) (_ Evidence, err error) {
	defer s.judged(WayPassword, &err)
	account, user, err := s.account(ctx, a)
	if err != nil {
		return Evidence{}, err
	}
	if a.Device, err = s.knownBrowser(ctx, user.Subject, a.Device); err != nil {
		return Evidence{}, err
	}
	done, err := s.Throttle.begin(account, a)
	if err != nil {
		return Evidence{}, err
	}
	user, err = s.byPassword(ctx, user, a)
	done(!errors.Is(err, ErrWrong), err == nil)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{user: user, way: WayPassword, amr: []string{"pwd"}, at: s.Now()}, nil
}

// maxUsername is longer than any username or email address can be.
const maxUsername = 512

// account finds whom a try is for before it is counted: by username and by
// email there is one count. The zero User is nobody's; tries for that are
// counted by what was written. A subject can't be written so as to count for
// another, since no canonical name has a NUL.
func (s *Service) account(ctx context.Context, a Attempt) (string, User, error) {
	if len(a.Username) > maxUsername {
		return "", User{}, nil // all together: what strangers make up takes no room
	}
	name := Canonical(a.Username)
	if s.External != nil || name == "" {
		return name, User{}, nil
	}
	user, err := s.find(ctx, name)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return name, User{}, nil
	case err != nil:
		return "", User{}, err
	}
	return "\x00" + user.Subject, user, nil
}

func (s *Service) byPassword(ctx context.Context, user User, a Attempt) (User, error) {
	password := norm.NFKC.String(a.Password)
	if !possiblePassword(password) || len(a.Username) > maxUsername || Canonical(a.Username) == "" {
		return User{}, ErrWrong
	}
	if s.External != nil {
		return s.byExternal(ctx, a, password)
	}
	if user.Password == "" {
		if err := s.Hasher.VerifyNothing(ctx, a.line(), password); err != nil {
			return User{}, err
		}
		return User{}, ErrWrong
	}
	ok, err := s.Hasher.Verify(ctx, a.line(), password, user.Password)
	if err == nil && !ok && a.Password != password && secret.Outdated(user.Password) && possiblePassword(a.Password) {
		// Other systems hashed what was typed, not its normal form.
		ok, err = s.Hasher.Verify(ctx, a.line(), a.Password, user.Password)
	}
	switch {
	case err != nil:
		return User{}, err
	case !ok || user.Disabled || user.Locked:
		return User{}, ErrWrong
	case secret.Outdated(user.Password):
		s.rehash(ctx, user, a.line(), password)
	}
	return user, nil
}

// rehash replaces a hash that was imported or made with older costs. It may
// wait for another time: nothing depends on it.
func (s *Service) rehash(ctx context.Context, user User, address, password string) {
	if phc, err := s.Hasher.Hash(ctx, address, password); err == nil {
		_ = s.Store.Rehash(ctx, user.Subject, user.Password, phc)
	}
}

// find looks a person up by username, else by email. It always asks for both,
// so that the time doesn't tell which of them exists.
func (s *Service) find(ctx context.Context, account string) (User, error) {
	byName, err := s.Store.UserByName(ctx, account)
	byEmail, fault := s.Store.UserByEmail(ctx, account)
	if errors.Is(err, oauth.ErrNotFound) || fault == nil && byEmail.EmailVerified {
		return byEmail, fault // whoever proved an address is meant by it, whatever others call themselves
	}
	return byName, err
}

// ValidSubject: OpenID Connect Core §2, at most 255 ASCII characters. A colon is
// kept for the subjects of clients, which no person may have.
func ValidSubject(subject string) bool {
	for i := range len(subject) {
		if c := subject[i]; c <= 0x20 || c >= 0x7f || c == ':' {
			return false
		}
	}
	return subject != "" && len(subject) <= 255
}

// byExternal asks the embedder's users and keeps a row of ours for each who
// signed in, so that epochs work for them too.
func (s *Service) byExternal(ctx context.Context, a Attempt, password string) (User, error) {
	subject, err := s.External.Authenticate(ctx, a.Username, password)
	if err != nil {
		return User{}, err
	}
	if !ValidSubject(subject) {
		return User{}, fmt.Errorf("the user base answered the subject %q; one is 1 to 255 printable ASCII characters without colon or space", subject)
	}
	user, err := s.Store.User(ctx, subject)
	if errors.Is(err, oauth.ErrNotFound) {
		// The subject may have had a row that was deleted: no epoch of its is one again.
		user = User{Subject: subject, Username: a.Username, UsernameKey: "external:" + subject, External: true, Epoch: max(1, s.Now().Unix()), CreatedAt: s.Now(), UpdatedAt: s.Now()}
		err = s.Store.CreateUser(ctx, user)
	}
	switch {
	case err != nil && !errors.Is(err, oauth.ErrConflict):
		return User{}, err
	case user.Disabled:
		return User{}, ErrWrong
	}
	return user, nil
}

// Claims implements oauth.Users for our own users.
func (s *Service) Claims(ctx context.Context, subject string) (oauth.Claims, error) {
	if s.External != nil {
		return s.External.Claims(ctx, subject)
	}
	user, err := s.Store.User(ctx, subject)
	if err != nil {
		return nil, err
	}
	return s.claimsOf(user), nil
}

// AllClaims joins a user's columns and further claims: OpenID Connect Core §5.1.
func (u User) AllClaims() oauth.Claims {
	all := make(oauth.Claims, len(u.Claims)+6)
	for name, value := range u.Claims {
		all[name] = value
	}
	all["preferred_username"] = u.Username
	all["updated_at"] = u.UpdatedAt.Unix()
	if u.Name != "" {
		all["name"] = u.Name
	}
	if u.Email != "" {
		all["email"] = u.Email
		all["email_verified"] = u.EmailVerified
	}
	return all
}

// User returns an account.
func (s *Service) User(ctx context.Context, subject string) (User, error) {
	return s.Store.User(ctx, subject)
}

// Find looks an account up by username or email, in any spelling.
func (s *Service) Find(ctx context.Context, name string) (User, error) {
	return s.find(ctx, Canonical(name))
}

// Lookup implements oauth.Directory. An email counts only when its owner has
// proved it: an address is otherwise anybody's claim.
func (s *Service) Lookup(ctx context.Context, by, value string) (subject string, epoch int64, err error) {
	var user User
	switch by {
	case "username":
		user, err = s.Store.UserByName(ctx, Canonical(value))
	case "email":
		if user, err = s.Store.UserByEmail(ctx, Canonical(value)); err == nil && !user.EmailVerified {
			err = oauth.ErrNotFound
		}
	default:
		user, err = s.Store.User(ctx, value)
	}
	switch {
	case err != nil:
		return "", 0, err
	case user.Disabled, user.Locked:
		return "", 0, oauth.ErrEnded
	}
	return user.Subject, user.Epoch, nil
}

// Groups implements oauth.Directory.
func (s *Service) Groups(ctx context.Context, subject string) ([]string, error) {
	user, err := s.Store.User(ctx, subject)
	return user.Groups(), err
}

func unknownIsWrong(err error) error {
	if errors.Is(err, oauth.ErrNotFound) {
		return ErrWrong
	}
	return err
}
