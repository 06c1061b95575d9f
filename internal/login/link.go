package login

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"
	"net/url"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// How long a link works, and what is for its code.
const (
	linkLife   = 30 * time.Minute
	inviteLife = 7 * 24 * time.Hour
	lockLife   = 7 * 24 * time.Hour
	codeTries  = 5
	codeDigits = 8
)

// about is what a link is about. It is sealed in the row: a copy of the database
// tells nobody who asked for what.
type about struct {
	Subject string   `json:"s,omitempty"`
	Epoch   int64    `json:"e,omitempty"` // a link dies with what it was made under
	Email   string   `json:"m,omitempty"`
	To      string   `json:"t,omitempty"` // path of ours to go on to
	Browser []byte   `json:"b,omitempty"` // hash of the browser that began
	Factors bool     `json:"f,omitempty"` // second factors are taken away too
	New     *signUp  `json:"n,omitempty"`
	Groups  []string `json:"g,omitempty"`
}

// newLink makes the row and the token of a link.
func (s *Service) newLink(kind LinkKind, owner string, what about, life time.Duration) (Link, secret.Secret, error) {
	token := secret.New()
	l := Link{Kind: kind, Owner: owner, Hash: linkHash(kind, token.Reveal()), CreatedAt: s.Now(), ExpiresAt: s.Now().Add(life)}
	content, err := json.Marshal(what)
	if err != nil {
		return l, "", err
	}
	l.Content = []byte(s.box.link.Seal(content, l.bind()))
	return l, token, nil
}

// withCode adds a code to type, for who reads mail on another device.
func (s *Service) withCode(l *Link) secret.Secret {
	n, _ := rand.Int(rand.Reader, big.NewInt(100_000_000)) // crypto/rand doesn't fail
	code := pad(n.String(), codeDigits)
	l.CodeHash, l.TriesLeft = linkHash(l.Kind, l.Owner+"\n"+code), codeTries
	return secret.Secret(code)
}

func pad(s string, n int) string {
	for len(s) < n {
		s = "0" + s
	}
	return s
}

func linkHash(kind LinkKind, token string) []byte { return secret.Hash(string(kind) + "\n" + token) }

func (l Link) bind() []byte { return []byte(string(l.Kind) + "\n" + l.Owner) }

// address is the link itself.
func (s *Service) address(path string, token secret.Secret) string {
	return s.Issuer + path + "?t=" + url.QueryEscape(token.Reveal())
}

// openLink opens a link that still works; ErrStale for any other. It uses nothing
// up: mail scanners open links too.
func (s *Service) openLink(ctx context.Context, kind LinkKind, token string) (Link, about, error) {
	if len(token) > 100 {
		return Link{}, about{}, ErrStale
	}
	l, err := s.Store.Link(ctx, kind, linkHash(kind, token), s.Now())
	if errors.Is(err, oauth.ErrNotFound) {
		return l, about{}, ErrStale
	}
	if err != nil {
		return l, about{}, err
	}
	what, err := s.content(l)
	return l, what, err
}

func (s *Service) content(l Link) (what about, err error) {
	text, err := s.box.link.Open(string(l.Content), l.bind())
	if err != nil || json.Unmarshal(text, &what) != nil {
		return what, ErrStale
	}
	return what, nil
}

// findByCode opens a link by the code beside it: ErrWrong for another code, and
// when its tries are used up.
func (s *Service) findByCode(ctx context.Context, kind LinkKind, owner, code string) (Link, about, error) {
	l, err := s.Store.TryCode(ctx, kind, owner, s.Now())
	if err != nil {
		return l, about{}, unknownIsWrong(err)
	}
	if l.CodeHash == nil || !secret.Equal(l.CodeHash, linkHash(kind, owner+"\n"+digits(code))) {
		return l, about{}, ErrWrong
	}
	what, err := s.content(l)
	return l, what, err
}

// holds reads the person of a link, whose account must not have moved on.
func (s *Service) holds(ctx context.Context, what about) (User, error) {
	user, err := s.Store.User(ctx, what.Subject)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return user, ErrStale
	case err != nil:
		return user, err
	case user.Epoch != what.Epoch || user.Disabled:
		return user, ErrStale
	}
	return user, nil
}

// staleIfReplayed: of two that use a link at once one is too late.
func staleIfReplayed(err error) error {
	if errors.Is(err, oauth.ErrReplayed) || errors.Is(err, oauth.ErrEnded) {
		return ErrStale
	}
	return err
}

// put keeps a link with the letter that carries it.
func (s *Service) put(ctx context.Context, l Link, letter mail.Letter) error {
	rows, err := s.seal(letter)
	if err != nil || rows == nil {
		return err
	}
	if err := s.Store.PutLink(ctx, l, rows...); err != nil {
		return err
	}
	s.wake(rows)
	return nil
}
