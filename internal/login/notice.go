package login

import (
	"context"
	"errors"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
)

// told is what the owner of an account hears of a change: a line in the
// account's history, and a letter.
type told struct {
	activity Activity
	letters  []mail.Row
}

// letterOf says which letter goes with what happened; the rest is history only.
var letterOf = map[ActivityKind]mail.NoticeKind{
	DidChangePassword: mail.PasswordChanged, DidSetPassword: mail.PasswordSet, DidRemovePassword: mail.PasswordRemoved, DidResetPassword: mail.PasswordReset, DidEnterByOperator: mail.PasswordReset, DidAddPasskey: mail.PasskeyAdded,
	DidRemovePasskey: mail.PasskeyRemoved, DidAddTOTP: mail.AuthenticatorAdded, DidRemoveTOTP: mail.AuthenticatorRemoved,
	DidMakeCodes: mail.RecoveryCodesMade, DidUseCode: mail.RecoveryCodeUsed, DidLink: mail.AccountLinked, DidUnlink: mail.AccountUnlinked,
	DidChangeEmail: mail.EmailChanged, DidLock: mail.AccountLocked, DidSignInNew: mail.NewDevice, DidDownload: mail.DataDownloaded,
}

func (s *Service) activity(user User, kind ActivityKind, detail string, from Visitor) Activity {
	return Activity{
		ID: secret.NewID(), Subject: user.Subject, Kind: kind, At: s.Now(), Detail: label(detail, ""),
		UserAgent: cut(from.Agent, 400), Address: from.Address,
	}
}

// tell makes both. A letter goes to an address that is proven to be the
// person's; without one, or without mail, there is the history.
func (s *Service) tell(user User, kind ActivityKind, detail string, from Visitor, e mail.Happening) (*told, error) {
	t := &told{activity: s.activity(user, kind, detail, from)}
	letter, ok := letterOf[kind]
	switch {
	case kind == DidSwitchTwoStep && detail == stateOff:
		letter, ok = mail.TwoStepOff, true
	case kind == DidSwitchTwoStep:
		letter, ok = mail.TwoStepOn, true
	case kind == DidEnterByOperator && user.Password == "":
		letter = mail.PasswordSet
	}
	if !ok || !s.Post.Enabled() || user.Email == "" || !user.EmailVerified {
		return t, nil
	}
	e.At, e.What, e.Address, e.Link = s.Now(), detail, from.Address, s.lockLink(user, kind)
	if s.Device != nil && from.Agent != "" {
		e.Device = s.Device(user.Locale(), from.Agent)
	}
	row, err := s.seal(s.Post.Notice(s.person(user), letter, e))
	if err != nil {
		return nil, err
	}
	t.letters = row
	return t, nil
}

// seal makes the rows of a letter. An address that no letter can go to stops
// nothing else.
func (s *Service) seal(l mail.Letter) ([]mail.Row, error) {
	row, err := s.Post.Seal(l, 0)
	switch {
	case errors.Is(err, mail.ErrAddress):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []mail.Row{row}, nil
}

func (s *Service) person(user User) mail.Person {
	return mail.Person{Address: user.Email, Name: user.Name, Locale: user.Locale()}
}

// Locale is the language that the person wants, "" for any: OpenID Connect Core
// §5.1.
func (u User) Locale() string {
	tag, _ := u.Claims["locale"].(string)
	if tag == "" {
		return ""
	}
	return locale.Match([]string{tag}, "", "").Tag
}

// note writes what happened where nothing else is written.
func (s *Service) note(ctx context.Context, user User, kind ActivityKind, detail string, from Visitor) error {
	t, err := s.tell(user, kind, detail, from, mail.Happening{})
	if err != nil {
		return err
	}
	if err := s.Store.Note(ctx, t.activity, t.letters...); err != nil {
		return err
	}
	s.wake(t.letters)
	return nil
}

// wake has letters sent at once, when they are stored.
func (s *Service) wake(letters []mail.Row) {
	if len(letters) > 0 && s.Post.Enabled() {
		s.Post.Wake()
	}
}

// evenOut makes an answer take the same time whether or not there was an account
// to write to: what is written for one takes a small part of it.
func (s *Service) evenOut(ctx context.Context, begun time.Time) {
	whole := s.Even
	if whole == 0 {
		whole = evenTime
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(begun.Add(whole))):
	}
}

const evenTime = 300 * time.Millisecond
