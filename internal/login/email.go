package login

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
)

// awaited names the letter whose code a page waits for. It is sealed and bound to
// the browser, and looks the same when no letter went out.
type awaited struct {
	Owner string `json:"o"` // "" when nobody was written to
	At    int64  `json:"t"`
}

func (s *Service) await(kind LinkKind, owner, browser string) (string, error) {
	content, err := json.Marshal(awaited{Owner: owner, At: s.Now().Unix()})
	return s.box.link.Seal(content, []byte("await\n"+string(kind)+"\n"+browser)), err
}

func (s *Service) awaited(kind LinkKind, sealed, browser string) (owner string, err error) {
	var a awaited
	content, err := s.box.link.Open(sealed, []byte("await\n"+string(kind)+"\n"+browser))
	if err != nil || json.Unmarshal(content, &a) != nil || s.TooOld(a.At, linkLife) {
		return "", ErrStale
	}
	if a.Owner == "" {
		return "\x00nobody", nil
	}
	return a.Owner, nil
}

// Awaits says whether a page that waits for a code may go on waiting.
func (s *Service) Awaits(kind LinkKind, sealed, browser string) error {
	_, err := s.awaited(kind, sealed, browser)
	return err
}

// MailCode sends a code and a link to sign in with. What it answers names the
// letter for the page that waits for the code: the same whether or not there was
// anybody to send it to. to is the path of ours to go on to.
func (s *Service) MailCode(ctx context.Context, name, app, to, browser, locale string, from Visitor) (string, error) {
	if !s.Post.Enabled() || !s.Offers(WayEmail, 1, nil) {
		return "", mail.ErrOff
	}
	defer s.evenOut(ctx, time.Now()) //nolint:forbidigo // how long the answer takes
	user, err := s.reachable(ctx, name, from)
	if err != nil {
		return "", err
	}
	if user.Subject != "" {
		if err := s.mailCode(ctx, user, app, to, browser, locale); err != nil {
			return "", err
		}
	}
	if user.Subject == "" {
		return s.await(LinkSignIn, "", browser)
	}
	return s.await(LinkSignIn, asker(user.Subject, browser), browser)
}

// asker owns a letter together with the browser that asked for it: tries that are
// made elsewhere are tries at another letter.
func asker(subject, browser string) string {
	return subject + "\n" + hex.EncodeToString(secret.Hash(browser)[:16])
}

func (s *Service) mailCode(ctx context.Context, user User, app, to, browser, locale string) error {
	l, token, err := s.newLink(LinkSignIn, asker(user.Subject, browser), about{
		Subject: user.Subject, Epoch: user.Epoch, Email: Canonical(user.Email), To: to, Browser: secret.Hash(browser),
	}, linkLife)
	if err != nil {
		return err
	}
	code := s.withCode(&l)
	return s.put(ctx, l, s.Post.SignInCode(s.reader(user, locale), code.Reveal(), s.address("/login/email/link", token), app, linkLife))
}

// ByMailCode finds who typed the code of a letter, on whichever device it was
// read.
func (s *Service) ByMailCode(ctx context.Context, sealed, code, browser string) (_ Evidence, err error) {
	defer s.judged(WayEmail, &err)
	owner, err := s.awaited(LinkSignIn, sealed, browser)
	if err != nil {
		return Evidence{}, err
	}
	l, what, err := s.findByCode(ctx, LinkSignIn, owner, code)
	if err != nil {
		return Evidence{}, err
	}
	return s.byLetter(ctx, l, what)
}

// MailLink is a link to sign in that was opened.
type MailLink struct {
	User User
	To   string // path of ours
	Here bool   // it was opened in the browser that asked for it

	link Link
	what about
}

// OpenMailLink looks at such a link. It signs in only where it was asked for: in
// another browser it could sign a stranger's sign-in in.
func (s *Service) OpenMailLink(ctx context.Context, token, browser string) (MailLink, error) {
	l, what, err := s.openLink(ctx, LinkSignIn, token)
	if err != nil {
		return MailLink{}, err
	}
	user, err := s.holds(ctx, what)
	if err != nil {
		return MailLink{}, err
	}
	return MailLink{User: user, To: what.To, Here: browser != "" && secret.Equal(what.Browser, secret.Hash(browser)), link: l, what: what}, nil
}

// ByMailLink finds who pressed the button behind a link.
func (s *Service) ByMailLink(ctx context.Context, m MailLink) (_ Evidence, err error) {
	defer s.judged(WayEmail, &err)
	if !m.Here {
		return Evidence{}, ErrStale
	}
	return s.byLetter(ctx, m.link, m.what)
}

// byLetter: whoever reads the mail of an address is who proved it before. It is
// one factor, however it came.
func (s *Service) byLetter(ctx context.Context, l Link, what about) (Evidence, error) {
	user, err := s.holds(ctx, what)
	switch {
	case err != nil:
		return Evidence{}, err
	case what.Email != Canonical(user.Email) || !user.EmailVerified:
		return Evidence{}, ErrStale
	}
	return Evidence{user: user, way: WayEmail, amr: []string{"otp"}, at: s.Now(), spent: []Spent{{Link: &l}}}, nil
}
