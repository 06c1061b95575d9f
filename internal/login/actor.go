package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
)

// Actor is somebody who has proved just now that the account is theirs. Every
// change to how it is proven needs one, and only Fresh makes them.
type Actor struct {
	user User
	keep string // the session that goes on
	from Visitor
}

// User is whose account it is.
func (a Actor) User() User { return a.user }

// freshFor is how long a proof is fresh.
const freshFor = 5 * time.Minute

// Fresh lets somebody change how they prove themselves: ErrStale unless they
// proved it in this session just now, by the best that they have. A link from a
// mail is not enough for who has anything better.
func (s *Service) Fresh(ctx context.Context, rec Record, from Visitor) (Actor, error) {
	user, err := s.Store.User(ctx, rec.Subject)
	if err != nil {
		return Actor{}, err
	}
	has, err := s.secondFactors(ctx, user.Subject, nil)
	if err != nil {
		return Actor{}, err
	}
	proven := rec.ProvenAt
	if proven.IsZero() && user.Password == "" && !has.any() { // there is no better proof to be had
		proven = rec.AuthTime
	}
	switch {
	case s.Now().Sub(proven) > freshFor:
		return Actor{}, ErrStale
	case has.any() && rec.ACR != "2":
		return Actor{}, ErrStale
	case rec.Way == WayEmail && user.Password != "" && !has.any():
		return Actor{}, ErrStale
	}
	return Actor{user: user, keep: rec.ID, from: from}, nil
}

// ProvesBy says by which ways somebody can prove themselves once more, so that
// Fresh takes it. It knows nothing of an embedder's own ways: they always can.
func (s *Service) ProvesBy(ctx context.Context, user User) (func(way string) bool, error) {
	keys, err1 := s.Store.Passkeys(ctx, user.Subject)
	linked, err2 := s.Store.Identities(ctx, user.Subject)
	has, err3 := s.secondFactors(ctx, user.Subject, nil)
	return func(way string) bool {
		switch way {
		case WayPassword:
			return user.Password != "" || s.Elsewhere(user)
		case WayPasskey:
			return len(keys) > 0
		case WayEmail:
			return user.EmailVerified && (user.Password == "" || has.any())
		case WayConnector:
			return len(linked) > 0
		}
		return true
	}, errors.Join(err1, err2, err3)
}

// change begins a change by somebody who may make it. What ends other sessions
// keeps the one that it was made in.
func (s *Service) change(a Actor, ends bool) Change {
	return Change{Subject: a.user.Subject, Epoch: a.user.Epoch, At: s.Now(), Ends: ends, Keep: a.keep}
}

// apply makes a change together with what the owner hears of it.
func (s *Service) apply(ctx context.Context, c Change, user User, kind ActivityKind, detail string, from Visitor) (epoch int64, err error) {
	t, err := s.tell(user, kind, detail, from, mail.Happening{})
	if err != nil {
		return 0, err
	}
	c.Activity, c.Letters = &t.activity, append(c.Letters, t.letters...)
	epoch, err = s.Store.Apply(ctx, c)
	if err == nil {
		s.wake(c.Letters)
	}
	return epoch, err
}

// leaves says what counts as a way in when one is taken away.
func (s *Service) leaves() *Ways {
	w := Ways{
		Password: s.Offers(WayPassword, 1, nil), Passkey: s.keys != nil && s.Offers(WayPasskey, 1, nil),
		Mail: s.Offers(WayEmail, 1, nil) && s.Post.Enabled(),
	}
	if s.Connectors != nil {
		w.Connectors = s.Connectors()
	}
	return &w
}

// AddPasskey keeps a passkey that MakePasskey asked for. With a first factor come
// recovery codes, to be shown once: who loses it must still be able to prove
// themselves, if only to take it away.
func (s *Service) AddPasskey(ctx context.Context, a Actor, sealed, answer, browser, name string) (codes []string, err error) {
	key, _, err := s.madePasskey(a.user, sealed, answer, browser, name)
	if err != nil {
		return nil, err
	}
	have, err := s.Store.Passkeys(ctx, a.user.Subject)
	switch {
	case err != nil:
		return nil, err
	case len(have) >= maxFactors:
		return nil, &Invalid{Field: "passkey", Why: "You have as many passkeys as an account can have. Remove one first."}
	}
	asked, _ := s.openChallenge(sealed, forMaking, browser) // judged by madePasskey
	c := s.change(a, true)
	c.AddPasskey, c.Spent = key, []Spent{{Once: asked.once()}}
	if codes, err = s.firstCodes(ctx, a.user.Subject, &c); err != nil {
		return nil, err
	}
	_, err = s.apply(ctx, c, a.user, DidAddPasskey, key.Name, a.from)
	return codes, err
}

// RenamePasskey gives a passkey another name.
func (s *Service) RenamePasskey(ctx context.Context, subject string, id []byte, name string) error {
	_, err := s.Store.Apply(ctx, Change{Subject: subject, At: s.Now(), RenamePasskey: &Passkey{ID: id, Name: label(name, "Passkey")}})
	return err
}

// RemovePasskey takes one away; ErrLastWay when nothing else would be left to
// sign in with.
func (s *Service) RemovePasskey(ctx context.Context, a Actor, id []byte) error {
	keys, err := s.Store.Passkeys(ctx, a.user.Subject)
	if err != nil {
		return err
	}
	name := ""
	for _, k := range keys {
		if string(k.ID) == string(id) {
			name = k.Name
		}
	}
	c := s.change(a, true)
	c.RemovePasskey, c.Leaves = id, s.leaves()
	if err := s.endTwoStep(ctx, &c, a.user, func(h *Has) { h.Passkey = len(keys) > 1 }); err != nil {
		return err
	}
	_, err = s.apply(ctx, c, a.user, DidRemovePasskey, name, a.from)
	return err
}

// endTwoStep switches the second step off with the last factor for it, and takes
// the recovery codes, which are for it, away.
func (s *Service) endTwoStep(ctx context.Context, c *Change, user User, without func(*Has)) error {
	has, err := s.secondFactors(ctx, user.Subject, nil)
	if err != nil {
		return err
	}
	if without(&has); !has.any() {
		off := false
		c.TwoStep, c.Recovery = &off, [][]byte{}
	}
	return nil
}

// AddTOTP keeps an authenticator app whose first code is right, and from then on
// asks for a second factor. With the first one come recovery codes, to be shown
// once.
func (s *Service) AddTOTP(ctx context.Context, a Actor, sealed, code, name string) (codes []string, err error) {
	app, codes, c, err := s.newFactor(ctx, a, sealed, code, name)
	if err != nil {
		return nil, err
	}
	_, err = s.apply(ctx, c, a.user, DidAddTOTP, app.Name, a.from)
	return codes, err
}

func (s *Service) newFactor(ctx context.Context, a Actor, sealed, code, name string) (*TOTP, []string, Change, error) {
	app, err := s.confirmTOTP(a.user, sealed, code, name)
	if err != nil {
		return nil, nil, Change{}, err
	}
	have, err := s.Store.TOTPs(ctx, a.user.Subject)
	switch {
	case err != nil:
		return nil, nil, Change{}, err
	case len(have) >= maxFactors:
		return nil, nil, Change{}, &Invalid{Field: "otp", Why: "You have as many authenticator apps as an account can have. Remove one first."}
	}
	on, c := true, s.change(a, true)
	c.AddTOTP, c.TwoStep = app, &on
	codes, err := s.firstCodes(ctx, a.user.Subject, &c)
	return app, codes, c, err
}

// firstCodes makes recovery codes where there are none left.
func (s *Service) firstCodes(ctx context.Context, subject string, c *Change) (codes []string, err error) {
	left, err := s.RecoveryLeft(ctx, subject)
	if err != nil || left > 0 {
		return nil, err
	}
	codes, c.Recovery = s.newRecovery(subject)
	return codes, nil
}

// RemoveTOTP takes an authenticator app away.
func (s *Service) RemoveTOTP(ctx context.Context, a Actor, id string) error {
	apps, err := s.Store.TOTPs(ctx, a.user.Subject)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(apps, func(t TOTP) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	c := s.change(a, true)
	c.RemoveTOTP = id
	if err := s.endTwoStep(ctx, &c, a.user, func(h *Has) { h.TOTP = len(apps) > 1 }); err != nil {
		return err
	}
	_, err = s.apply(ctx, c, a.user, DidRemoveTOTP, apps[i].Name, a.from)
	return err
}

// NewRecoveryCodes replaces a person's codes; they are shown once.
func (s *Service) NewRecoveryCodes(ctx context.Context, a Actor) ([]string, error) {
	has, err := s.secondFactors(ctx, a.user.Subject, nil)
	if err != nil {
		return nil, err
	}
	if !has.any() {
		return nil, &Invalid{Field: "recovery", Why: "Recovery codes stand in for a second factor. Add one first."}
	}
	c := s.change(a, false)
	codes, hashes := s.newRecovery(a.user.Subject)
	c.Recovery = hashes
	_, err = s.apply(ctx, c, a.user, DidMakeCodes, "", a.from)
	return codes, err
}

// stateOff is the detail of a second step that was switched off.
const stateOff = "off"

// SwitchTwoStep says whether a second factor is asked for after a password. It
// can be switched on only by who has one; with it come recovery codes.
func (s *Service) SwitchTwoStep(ctx context.Context, a Actor, on bool) (codes []string, err error) {
	has, err := s.secondFactors(ctx, a.user.Subject, nil)
	switch {
	case err != nil:
		return nil, err
	case on && !has.any():
		return nil, &Invalid{Field: "two_step", Why: "Add a passkey or an authenticator app first."}
	}
	c := s.change(a, true)
	c.TwoStep = &on
	if on {
		if codes, err = s.firstCodes(ctx, a.user.Subject, &c); err != nil {
			return nil, err
		}
	}
	state := stateOff
	if on {
		state = "on"
	}
	_, err = s.apply(ctx, c, a.user, DidSwitchTwoStep, state, a.from)
	return codes, err
}

// RemovePassword leaves an account to its other ways in.
func (s *Service) RemovePassword(ctx context.Context, a Actor) error {
	none, c := "", s.change(a, true)
	c.Password, c.Leaves = &none, s.leaves()
	_, err := s.apply(ctx, c, a.user, DidRemovePassword, "", a.from)
	return err
}

// ForgetBrowsers has a second factor asked for everywhere again.
func (s *Service) ForgetBrowsers(ctx context.Context, user User, from Visitor) error {
	t, err := s.tell(user, DidForgetBrowsers, "", from, mail.Happening{})
	if err != nil {
		return err
	}
	_, err = s.Store.Apply(ctx, Change{Subject: user.Subject, At: s.Now(), ForgetBrowsers: true, Activity: &t.activity, Letters: t.letters})
	return err
}

// EnrolTOTP is AddTOTP for somebody who must have a second factor before they are
// signed in: the code just given is the proof of it.
func (s *Service) EnrolTOTP(ctx context.Context, h HalfDone, sealed, code, name string, from Visitor) (Proof, []string, error) {
	if err := s.mayEnrol(ctx, h); err != nil {
		return Proof{}, nil, err
	}
	a := Actor{user: h.User, from: from, keep: h.session}
	app, codes, c, err := s.newFactor(ctx, a, sealed, code, name)
	if err != nil {
		return Proof{}, nil, err
	}
	return s.enrolled(ctx, h, c, DidAddTOTP, app.Name, []string{"otp"}, codes, from)
}

// EnrolPasskey is AddPasskey likewise: whoever made it was there and verified.
func (s *Service) EnrolPasskey(ctx context.Context, h HalfDone, sealed, answer, browser, name string, from Visitor) (Proof, []string, error) {
	if err := s.mayEnrol(ctx, h); err != nil {
		return Proof{}, nil, err
	}
	key, amr, err := s.madePasskey(h.User, sealed, answer, browser, name)
	if err != nil {
		return Proof{}, nil, err
	}
	asked, _ := s.openChallenge(sealed, forMaking, browser) // judged by madePasskey
	on, c := true, s.change(Actor{user: h.User, from: from, keep: h.session}, true)
	c.AddPasskey, c.Spent, c.TwoStep = key, []Spent{{Once: asked.once()}}, &on
	codes, err := s.firstCodes(ctx, h.User.Subject, &c)
	if err != nil {
		return Proof{}, nil, err
	}
	return s.enrolled(ctx, h, c, DidAddPasskey, key.Name, amr, codes, from)
}

// mayEnrol: who has any second factor proves it and doesn't set up another by the
// first alone.
func (s *Service) mayEnrol(ctx context.Context, h HalfDone) error {
	has, err := s.secondFactors(ctx, h.User.Subject, nil)
	if err == nil && (h.Next != NextEnrol || has.any()) {
		err = ErrStale
	}
	return err
}

func (s *Service) enrolled(ctx context.Context, h HalfDone, c Change, kind ActivityKind, name string, amr, codes []string, from Visitor) (Proof, []string, error) {
	epoch, err := s.apply(ctx, c, h.User, kind, name, from)
	if err != nil {
		return Proof{}, nil, err
	}
	h.evidence.user.Epoch, h.evidence.at = epoch, s.Now()
	p := h.evidence.with(Spent{}, amr)
	p.step = h.session != ""
	return p, codes, nil
}
