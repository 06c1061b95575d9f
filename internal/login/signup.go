package login

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// NewUser is what a form or a command says of a new account.
type NewUser struct {
	Username, Email, Name, Password string
	Hash                            string // of a password, in place of it: a PHC string
	Admin                           bool
	MustChange                      bool
	Claims                          oauth.Claims
	Groups                          []string
}

// Setups makes the first administrator, exactly once.
type Setups interface {
	// NeedsSetup says whether there is no administrator yet.
	NeedsSetup(ctx context.Context) (bool, error)
	// CheckSetup tells whether a token is the one in the link, in constant time and
	// without using it up; ErrNotFound when it isn't.
	CheckSetup(ctx context.Context, tokenHash []byte) error
	CompleteSetup(ctx context.Context, tokenHash []byte, u User) error
}

// signUp is an account that waits for its address to be proven. It is kept
// sealed.
type signUp struct {
	Username string `json:"u"`
	Name     string `json:"n,omitempty"`
	Password string `json:"p"` // PHC
}

// Asked is how somebody came to the sign-up page.
type Asked struct {
	Invitation string // its token, if there is one
	Browser    string
	Locale     string
	To         string // where the page leads, in this house
}

// SignedUp is the answer to a sign-up: evidence of who now has an account, or a
// letter whose code is awaited first.
type SignedUp struct {
	Evidence Evidence
	Await    string
	Letter   string // that went to the address of an account which is there: VerifyByCode takes its code
	Email    string // where it went
}

// SignUp makes an account. Where the operator asks for proven addresses, that is
// when the letter has come back: until then nobody can tell from the answer
// whether the address has an account.
func (s *Service) SignUp(ctx context.Context, n NewUser, a Asked, from Visitor) (SignedUp, error) {
	invited, groups, err := s.invited(ctx, a.Invitation)
	switch {
	case err != nil:
		return SignedUp{}, err
	case invited == nil && s.Policy.Invite:
		return SignedUp{}, ErrStale
	}
	n.Groups = groups
	if invited == nil && s.proves() {
		return s.awaitSignUp(ctx, n, a, from)
	}
	user, err := s.build(ctx, n, from.Address)
	if err != nil {
		return SignedUp{}, err
	}
	var with []Change
	if invited != nil {
		with = append(with, Change{Subject: user.Subject, At: s.Now(), Spent: []Spent{{Link: &invited.Link}}})
		if user.EmailVerified, err = s.provenBefore(ctx, user.Email, invited.email); err != nil {
			return SignedUp{}, err
		}
	}
	err = s.create(ctx, user, with...)
	if errors.Is(err, ErrAddressTaken) && invited != nil { // by somebody who came between
		user.EmailVerified = false
		err = s.create(ctx, user, with...)
	}
	if err != nil {
		return SignedUp{}, staleIfReplayed(err)
	}
	letter := ""
	if user.Email != "" && !user.EmailVerified && s.Post.Enabled() {
		if letter, err = s.ProveAddress(ctx, user, user.Email, a.Browser, a.Locale, from); err != nil && !errors.Is(err, ErrSlowDown) {
			return SignedUp{}, err
		}
	}
	return SignedUp{Evidence: Evidence{user: user, way: WayPassword, amr: []string{"pwd"}, at: s.Now()}, Letter: letter, Email: user.Email}, nil
}

// provenBefore: whoever has an invitation that went to an address reads its mail,
// unless it is another account's already.
func (s *Service) provenBefore(ctx context.Context, email, invited string) (bool, error) {
	if email == "" || Canonical(email) != Canonical(invited) || !s.Post.Enabled() {
		return false, nil
	}
	other, err := s.proven(ctx, email, "")
	return err == nil && !other, err
}

// proves says whether sign-up goes by a proven address.
func (s *Service) proves() bool { return s.Policy.Verify || len(s.Policy.Domains) > 0 }

// awaitSignUp judges an account and sends the letter that lets it be.
func (s *Service) awaitSignUp(ctx context.Context, n NewUser, a Asked, from Visitor) (SignedUp, error) {
	defer s.evenOut(ctx, time.Now()) //nolint:forbidigo // how long the answer takes
	switch {
	case !s.Post.Enabled():
		return SignedUp{}, mail.ErrOff
	case strings.TrimSpace(n.Email) == "":
		return SignedUp{}, &Invalid{Field: "email", Why: "Write an email address."}
	}
	user, err := s.build(ctx, n, from.Address)
	if err != nil {
		return SignedUp{}, err
	}
	if !InDomain(user.Email, s.Policy.Domains) {
		return SignedUp{}, &Invalid{Field: "email", Why: "Accounts here are for addresses of {0}.", Args: []any{strings.Join(s.Policy.Domains, ", ")}}
	}
	if err := s.free(ctx, user); err != nil {
		return SignedUp{}, err
	}
	key := Canonical(user.Email)
	if err := s.Throttle.mail(key, from.Address, ""); err != nil {
		return SignedUp{}, err
	}
	browser := secret.Hash(a.Browser)
	owner := key + "\n" + hex.EncodeToString(browser[:16])
	l, token, err := s.newLink(LinkSignUp, owner, about{
		Email: user.Email, To: a.To, Browser: browser, New: &signUp{Username: user.Username, Name: user.Name, Password: user.Password},
	}, linkLife)
	if err != nil {
		return SignedUp{}, err
	}
	to := mail.Person{Address: user.Email, Name: user.Name, Locale: a.Locale}
	code := s.withCode(&l)
	letter := s.Post.VerifyAddress(to, code.Reveal(), s.address("/signup/confirm", token), linkLife)
	taken, err := s.proven(ctx, user.Email, "")
	if err != nil {
		return SignedUp{}, err
	}
	if taken {
		l.CodeHash, letter = nil, s.Post.AddressTaken(to, s.Issuer+"/login")
	}
	if err := s.put(ctx, l, letter); err != nil {
		return SignedUp{}, err
	}
	await, err := s.await(LinkSignUp, owner, a.Browser)
	return SignedUp{Await: await}, err
}

// free says early that a username is taken; whether it is, the store decides.
func (s *Service) free(ctx context.Context, user User) error {
	_, err := s.Store.UserByName(ctx, user.UsernameKey)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return taken(oauth.ErrConflict)
}

func taken(cause error) error {
	return &Invalid{Field: "username", Why: "This username is taken.", Cause: cause}
}

func addressTaken(cause error) error {
	return &Invalid{Field: "email", Why: "This address is another account's.", Cause: cause}
}

// ConfirmSignUp makes the account whose letter has come back: by its code, or by
// the token of its link.
func (s *Service) ConfirmSignUp(ctx context.Context, await, code, token, browser string) (Evidence, error) {
	l, what, err := s.findSignUp(ctx, await, code, token, browser)
	switch {
	case err != nil:
		return Evidence{}, err
	case what.New == nil || l.CodeHash == nil || !secret.Equal(what.Browser, secret.Hash(browser)):
		return Evidence{}, ErrStale // another began it, with a password of their own
	}
	now := s.Now()
	user := User{
		Subject: secret.NewID(), Username: what.New.Username, UsernameKey: Canonical(what.New.Username), Email: what.Email, EmailVerified: true,
		Name: what.New.Name, Password: what.New.Password, Epoch: 1, CreatedAt: now, UpdatedAt: now,
	}
	if other, err := s.proven(ctx, what.Email, ""); err != nil || other {
		return Evidence{}, errors.Join(ErrStale, err)
	}
	err = s.create(ctx, user, Change{Subject: user.Subject, At: now, Spent: []Spent{{Link: &l}}})
	if errors.Is(err, ErrAddressTaken) {
		err = ErrStale
	}
	if err != nil {
		return Evidence{}, staleIfReplayed(err)
	}
	return Evidence{user: user, way: WayPassword, amr: []string{"pwd"}, at: now}, nil
}

// SignUpLink is the link of a sign-up, opened but not yet used.
type SignUpLink struct {
	Email, To string
	Here      bool // in the browser that asked for it: only there it makes the account
}

// OpenSignUp looks at the link of a sign-up.
func (s *Service) OpenSignUp(ctx context.Context, token, browser string) (SignUpLink, error) {
	_, what, err := s.openLink(ctx, LinkSignUp, token)
	return SignUpLink{what.Email, what.To, browser != "" && secret.Equal(what.Browser, secret.Hash(browser))}, err
}

func (s *Service) findSignUp(ctx context.Context, await, code, token, browser string) (Link, about, error) {
	if token != "" {
		return s.openLink(ctx, LinkSignUp, token)
	}
	owner, err := s.awaited(LinkSignUp, await, browser)
	if err != nil {
		return Link{}, about{}, err
	}
	return s.findByCode(ctx, LinkSignUp, owner, code)
}

// invitation is one that was opened.
type invitation struct {
	Link

	email string
}

// Invite makes an invitation, which works once. With an address it is sent
// there, and whoever accepts it has proven the address.
func (s *Service) Invite(ctx context.Context, email, inviter string, groups []string) (address string, expires time.Time, err error) {
	if err := checkEmail(email); err != nil {
		return "", time.Time{}, err
	}
	l, token, err := s.newLink(LinkInvite, secret.NewID(), about{Email: email, Groups: groups}, inviteLife)
	if err != nil {
		return "", time.Time{}, err
	}
	address = s.address("/signup", token)
	if email == "" || !s.Post.Enabled() {
		return address, l.ExpiresAt, s.Store.PutLink(ctx, l)
	}
	return address, l.ExpiresAt, s.put(ctx, l, s.Post.Invitation(mail.Person{Address: email}, address, inviter, inviteLife))
}

// Invitation looks at one; ErrStale when it was used. It answers the address that
// it was sent to, "" for none.
func (s *Service) Invitation(ctx context.Context, token string) (email string, err error) {
	_, what, err := s.openLink(ctx, LinkInvite, token)
	return what.Email, err
}

func (s *Service) invited(ctx context.Context, token string) (*invitation, []string, error) {
	if token == "" {
		return nil, nil, nil
	}
	l, what, err := s.openLink(ctx, LinkInvite, token)
	if err != nil {
		return nil, nil, err
	}
	return &invitation{Link: l, email: what.Email}, what.Groups, nil
}

// InDomain says whether an address is of one of the domains, exactly; any
// address is when none are named.
func InDomain(email string, domains []string) bool {
	if len(domains) == 0 {
		return true
	}
	at := strings.LastIndexByte(email, '@')
	if at < 1 || checkEmail(email) != nil || strings.Count(email, "@") != 1 {
		return false
	}
	return slices.ContainsFunc(domains, func(d string) bool { return strings.EqualFold(d, email[at+1:]) })
}

// Create judges and stores a new account, for an operator. Without a password
// nobody can sign in to it by one.
func (s *Service) Create(ctx context.Context, n NewUser, address string) (User, error) {
	user, err := s.build(ctx, n, address)
	if err != nil {
		return User{}, err
	}
	if user.EmailVerified {
		switch other, err := s.proven(ctx, user.Email, ""); {
		case err != nil:
			return User{}, err
		case other:
			return User{}, addressTaken(ErrAddressTaken)
		}
	}
	return user, s.create(ctx, user)
}

func (s *Service) create(ctx context.Context, user User, with ...Change) error {
	err := s.Store.CreateUser(ctx, user, with...)
	switch {
	case errors.Is(err, ErrAddressTaken):
		return addressTaken(err)
	case errors.Is(err, oauth.ErrConflict):
		return taken(err)
	}
	return err
}

// OpenSetup looks at the one-time link and uses nothing up: ErrConflict once
// there is an administrator, ErrNotFound when the link isn't the newest one.
func (s *Service) OpenSetup(ctx context.Context, token string) error {
	needed, err := s.Setups.NeedsSetup(ctx)
	switch {
	case err != nil:
		return err
	case !needed:
		return oauth.ErrConflict
	case token == "":
		return oauth.ErrNotFound
	}
	return s.Setups.CheckSetup(ctx, secret.Hash(token))
}

// Setup makes the first administrator by the one-time link.
func (s *Service) Setup(ctx context.Context, token string, n NewUser, address string) (Evidence, error) {
	n.Admin = true
	if err := s.OpenSetup(ctx, token); err != nil {
		return Evidence{}, err
	}
	if n.Password == "" {
		return Evidence{}, &Invalid{Field: "password", Why: "Choose a password."}
	}
	user, err := s.build(ctx, n, address)
	if err != nil {
		return Evidence{}, err
	}
	err = s.Setups.CompleteSetup(ctx, secret.Hash(token), user)
	if errors.Is(err, oauth.ErrConflict) {
		if needed, fault := s.Setups.NeedsSetup(ctx); fault == nil && needed { // so it is the name
			err = taken(err)
		}
	}
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{user: user, way: WayPassword, amr: []string{"pwd"}, at: s.Now()}, nil
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
		Email: n.Email, Name: norm.NFC.String(n.Name), Admin: n.Admin, MustChange: n.MustChange, Epoch: 1, CreatedAt: now, UpdatedAt: now,
	}
	if len(n.Groups) > 0 {
		user.Memberships = map[string][]string{"": n.Groups}
	}
	if err := user.take(n.Claims); err != nil {
		return User{}, err
	}
	if n.Hash != "" {
		user.Password = n.Hash
		return user, nil
	}
	if n.Password == "" {
		return user, nil
	}
	var err error
	user.Password, err = s.hash(ctx, user, n.Password, address)
	return user, err
}

// hash judges a new password and hashes it.
func (s *Service) hash(ctx context.Context, user User, password, address string) (string, error) {
	password = norm.NFKC.String(password)
	if err := checkPassword(password); err != nil {
		return "", err
	}
	if err := s.checkLeaked(ctx, user, password); err != nil {
		return "", err
	}
	return s.Hasher.Hash(ctx, address, password)
}

// ChangePassword needs the current one; every other session ends. Whoever has no
// password yet chooses one by a fresh proof.
func (s *Service) ChangePassword(ctx context.Context, rec Record, current, next, device string, from Visitor) error {
	user, err := s.Store.User(ctx, rec.Subject)
	if err != nil {
		return err
	}
	if err := checkPassword(norm.NFKC.String(next)); err != nil {
		return err
	}
	if user.Password == "" {
		if _, err := s.Fresh(ctx, rec, from); err != nil {
			return err
		}
	} else if _, err := s.ByPassword(ctx, Attempt{Username: user.Username, Password: current, Address: from.Address, Device: device}); err != nil {
		return err
	}
	phc, err := s.hash(ctx, user, next, from.Address)
	if err != nil {
		return err
	}
	no := false
	_, err = s.apply(ctx, Change{
		Subject: user.Subject, Epoch: user.Epoch, At: s.Now(), Ends: true, Keep: rec.ID, Password: &phc, MustChange: &no,
	}, user, changedPassword(user), "", from)
	return err
}

// changedPassword: a first one is set, not changed.
func changedPassword(user User) ActivityKind {
	if user.Password == "" {
		return DidSetPassword
	}
	return DidChangePassword
}

// SetPassword is an operator's: it asks for nothing and ends every session.
func (s *Service) SetPassword(ctx context.Context, subject, password string) error {
	user, err := s.Store.User(ctx, subject)
	if err != nil {
		return err
	}
	phc, err := s.hash(ctx, user, password, "")
	if err != nil {
		return err
	}
	no := false
	_, err = s.apply(ctx, Change{Subject: subject, At: s.Now(), Ends: true, Password: &phc, MustChange: &no, Locked: &no}, user, changedPassword(user), "", Visitor{})
	return err
}
