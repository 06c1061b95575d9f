package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// Forgot sends the way back to an account, by its username or address. It
// answers the same, in the same time, whether or not there is such an account.
func (s *Service) Forgot(ctx context.Context, name, locale string, from Visitor) error {
	if !s.Post.Enabled() {
		return mail.ErrOff
	}
	defer s.evenOut(ctx, time.Now()) //nolint:forbidigo // how long the answer takes
	user, err := s.reachable(ctx, name, from)
	if err != nil || user.Subject == "" {
		return err
	}
	l, token, err := s.newLink(LinkReset, user.Subject, about{Subject: user.Subject, Epoch: user.Epoch, Email: Canonical(user.Email)}, linkLife)
	if err != nil {
		return err
	}
	return s.put(ctx, l, s.Post.ResetPassword(s.reader(user, locale), s.address("/reset", token), linkLife))
}

// reachable finds whom mail may be sent to: somebody whose address is proven,
// and who wasn't sent too much already. The zero User stands for nobody.
func (s *Service) reachable(ctx context.Context, name string, from Visitor) (User, error) {
	account, user, err := s.account(ctx, Attempt{Username: name})
	if err != nil {
		return User{}, err
	}
	browser, err := s.knownBrowser(ctx, user.Subject, from.Browser)
	if err != nil {
		return User{}, err
	}
	if err := s.Throttle.mail(account, from.Address, browser); err != nil {
		return User{}, err
	}
	if user.Email == "" || !user.EmailVerified || user.Disabled || user.External {
		return User{}, nil
	}
	return user, nil
}

// reader is a person with the language of the page that they are at, where they
// have said no other.
func (s *Service) reader(user User, locale string) mail.Person {
	p := s.person(user)
	if p.Locale == "" {
		p.Locale = locale
	}
	return p
}

// OperatorLink makes an administrator's one-time link into an account: it lets
// the person choose a password, and with factors takes lost second factors away.
func (s *Service) OperatorLink(ctx context.Context, subject string, factors bool) (address string, expires time.Time, err error) {
	user, err := s.Store.User(ctx, subject)
	switch {
	case err != nil:
		return "", time.Time{}, err
	case user.Disabled:
		return "", time.Time{}, &Invalid{Field: "username", Why: "This account is disabled. Enable it first."}
	case user.External:
		return "", time.Time{}, &Invalid{Field: "username", Why: "This account's password is kept elsewhere."}
	}
	what := about{Subject: user.Subject, Epoch: user.Epoch, Factors: factors, Email: Canonical(user.Email)}
	l, token, err := s.newLink(LinkOperator, user.Subject, what, 24*time.Hour)
	if err != nil {
		return "", time.Time{}, err
	}
	return s.address("/welcome", token), l.ExpiresAt, s.Store.PutLink(ctx, l)
}

// Reset is a way back that was opened.
type Reset struct {
	User    User
	Factors bool // second factors go too

	link Link
}

// OpenReset looks at a link of LinkReset or LinkOperator; ErrStale when it works
// no more.
func (s *Service) OpenReset(ctx context.Context, kind LinkKind, token string) (Reset, error) {
	if kind != LinkReset && kind != LinkOperator {
		return Reset{}, ErrStale
	}
	l, what, err := s.openLink(ctx, kind, token)
	if err != nil {
		return Reset{}, err
	}
	user, err := s.holds(ctx, what)
	switch {
	case err != nil:
		return Reset{}, err
	case what.Email != Canonical(user.Email): // it was sent to an address that is no longer theirs
		return Reset{}, ErrStale
	}
	return Reset{User: user, Factors: what.Factors, link: l}, nil
}

// SetByReset sets the password that somebody chose by a way back. Everything of
// the account ends; nobody is signed in by it, so that a second factor is still
// asked for.
func (s *Service) SetByReset(ctx context.Context, r Reset, password string, from Visitor) error {
	phc, err := s.hash(ctx, r.User, password, from.Address)
	if err != nil {
		return err
	}
	no := false
	c := Change{
		Subject: r.User.Subject, Epoch: r.User.Epoch, At: s.Now(), Ends: true, Spent: []Spent{{Link: &r.link}},
		Password: &phc, MustChange: &no, Locked: &no,
	}
	kind := DidResetPassword
	if r.Factors {
		c.TwoStep, c.Recovery, c.DropFactors = &no, [][]byte{}, true
	}
	switch {
	case r.link.Kind == LinkOperator:
		kind = DidEnterByOperator
	case r.User.Password == "":
		kind = DidSetPassword
	}
	_, err = s.apply(ctx, c, r.User, kind, "", from)
	return staleIfReplayed(err)
}

// SetExpired sets a new password for somebody who signed in with one that must be
// changed.
func (s *Service) SetExpired(ctx context.Context, h HalfDone, password string, from Visitor) (Evidence, error) {
	if h.Next != NextPassword || h.session != "" || !h.User.MustChange || h.User.External {
		return Evidence{}, ErrStale
	}
	phc, err := s.hash(ctx, h.User, password, from.Address)
	if err != nil {
		return Evidence{}, err
	}
	no := false
	epoch, err := s.apply(ctx, Change{
		Subject: h.User.Subject, Epoch: h.User.Epoch, At: s.Now(), Ends: true, Password: &phc, MustChange: &no,
	}, h.User, DidChangePassword, "", from)
	if err != nil {
		return Evidence{}, staleIfReplayed(err)
	}
	e := h.evidence
	e.user.Epoch, e.user.MustChange = epoch, false
	return e, nil
}

// locking is what the link "This wasn't me" says. It is no row: one goes with
// every letter, and a letter that waits unread must not lose its link to a later
// one.
type locking struct {
	Subject string `json:"s"`
	Email   string `json:"m,omitempty"` // put back, where the letter told of another
	ID      string `json:"i"`
	At      int64  `json:"t"`
}

// lockLink is the address that locks an account.
func (s *Service) lockLink(user User, kind ActivityKind) string {
	what := locking{Subject: user.Subject, ID: secret.NewID(), At: s.Now().Unix()}
	if kind == DidChangeEmail {
		what.Email = user.Email
	}
	if kind == DidLock {
		return s.Issuer + "/forgot"
	}
	content, _ := json.Marshal(what) // strings and a number
	return s.Issuer + "/lock?t=" + url.QueryEscape(s.box.link.Seal(content, []byte(LinkLock)))
}

func (s *Service) openLock(ctx context.Context, token string) (locking, User, error) {
	var what locking
	content, err := s.box.link.Open(token, []byte(LinkLock))
	if err != nil || json.Unmarshal(content, &what) != nil || s.TooOld(what.At, lockLife) {
		return what, User{}, ErrStale
	}
	user, err := s.Store.User(ctx, what.Subject)
	if errors.Is(err, oauth.ErrNotFound) {
		err = ErrStale
	}
	return what, user, err
}

// OpenLock looks at a link "This wasn't me".
func (s *Service) OpenLock(ctx context.Context, token string) (User, error) {
	_, user, err := s.openLock(ctx, token)
	return user, err
}

// Lock ends all of an account and keeps everybody out until its owner comes back
// by mail, or an administrator helps.
func (s *Service) Lock(ctx context.Context, token string, from Visitor) error {
	what, user, err := s.openLock(ctx, token)
	if err != nil {
		return err
	}
	yes := true
	c := Change{
		Subject: user.Subject, At: s.Now(), Ends: true, Locked: &yes, ForgetBrowsers: true,
		Spent: []Spent{{Once: &oauth.Once{Kind: "lock", Owner: user.Subject, ID: what.ID, Until: time.Unix(what.At, 0).Add(lockLife)}}},
	}
	if what.Email != "" {
		if c.Letters, err = s.takenOff(user, what.Email); err != nil {
			return err
		}
		c.Email, c.Verified = &what.Email, true
		user.Email, user.EmailVerified = what.Email, true
	}
	_, err = s.apply(ctx, c, user, DidLock, "", from)
	if errors.Is(err, ErrAddressTaken) { // it is another account's by now; an administrator helps
		c.Verified, user.EmailVerified = false, false
		_, err = s.apply(ctx, c, user, DidLock, "", from)
	}
	return staleIfReplayed(err)
}

// takenOff is for the address that an old one replaces. Whoever reads it may be
// the account's owner, locked out by somebody else at the old address; or may
// not be, and so hears nothing of who they are.
func (s *Service) takenOff(user User, back string) ([]mail.Row, error) {
	if !s.Post.Enabled() || user.Email == "" || !user.EmailVerified || Canonical(user.Email) == Canonical(back) {
		return nil, nil
	}
	return s.seal(s.Post.AddressTakenOff(mail.Person{Address: user.Email, Locale: user.Locale()}))
}
