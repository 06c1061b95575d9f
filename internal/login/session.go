package login

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

const idLength = 26

const defaultLifetime = 30 * 24 * time.Hour

// SignedIn is a session that was begun, with what its browser is to keep.
type SignedIn struct {
	Record  Record
	Cookie  string // the session's
	Browser string // names the browser among the person's, from now on
}

// SignIn makes a session of a proof. The same person signing in again in the
// same browser keeps the session and gets a new cookie; anybody else gets a new
// session and the old one ends. Either way the old cookie is dead: a planted
// one is worth nothing. All that the sign-in changes is one write.
func (s *Service) SignIn(ctx context.Context, p Proof, current *Record, browser string, from Visitor) (_ SignedIn, err error) {
	defer s.judged(p.way, &err)
	if !p.ok {
		return SignedIn{}, errors.New("sign-in without proof")
	}
	password := secret.New().Reveal()
	start, browser, err := s.start(ctx, p, password, browser, from)
	if err != nil {
		return SignedIn{}, err
	}
	if current != nil {
		start.Replaces = current.ID
	}
	rec, err := s.begin(ctx, p, start, current)
	if err != nil {
		return SignedIn{}, wrongIfReplayed(err)
	}
	s.wake(start.Letters)
	if s.Meter != nil {
		s.Meter.SignedIn(p.way, outcome(nil))
	}
	return SignedIn{Record: rec, Cookie: cookie(rec.ID, password), Browser: browser}, nil
}

// begin goes on with the session that is there, where it is the same person's.
func (s *Service) begin(ctx context.Context, p Proof, start Start, current *Record) (Record, error) {
	if current != nil && current.Subject == p.user.Subject {
		fresh := start
		fresh.ID = current.ID
		renew := s.Store.Relogin
		if p.step {
			renew = s.Store.StepUp
		}
		again, err := renew(ctx, fresh)
		if !errors.Is(err, oauth.ErrNotFound) {
			again.Groups, again.Demand = start.Groups, start.Demand
			return again, err
		}
	}
	if p.step { // the session that was to be raised is gone
		return Record{}, ErrStale
	}
	return start.Record, s.Store.StartSession(ctx, start)
}

// start gathers all that is written with a session.
func (s *Service) start(ctx context.Context, p Proof, password, browser string, from Visitor) (Start, string, error) {
	now, authenticated := s.Now(), s.Now()
	if p.upstream != nil && !p.at.IsZero() {
		authenticated = p.at // OpenID Connect Core §2: auth_time is when the person proved it, there
	}
	groups := p.user.Groups()
	start := Start{
		Record: Record{
			Session: oauth.Session{
				ID: secret.NewID(), Subject: p.user.Subject, UserEpoch: p.user.Epoch, Logins: 1,
				AuthTime: authenticated, Way: p.way, ACR: p.acr, AMR: p.amr, Groups: groups, Demand: s.Demand(groups),
			},
			SecretHash: secret.Hash(password), CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(s.lifetime()),
			ProvenAt: p.at, UserAgent: cut(from.Agent, 400), Address: from.Address,
		},
		Spent: p.spent, Identity: p.identity,
	}
	if err := s.keepUpstream(&start.Record, p.upstream); err != nil {
		return Start{}, "", err
	}
	known, err := s.browser(ctx, &start, p, browser, from)
	if err != nil {
		return Start{}, "", err
	}
	return start, known, s.tellOfSignIn(&start, p, browser == known, from)
}

// browser remembers where a person signs in. It answers the browser's cookie:
// the same, or one with a new name in front for a browser that this person never
// signed in with. A name that came from elsewhere is never taken over: whoever
// planted it would know it.
func (s *Service) browser(ctx context.Context, start *Start, p Proof, cookie string, from Visitor) (string, error) {
	name, err := s.knownBrowser(ctx, p.user.Subject, cookie)
	if err != nil {
		return "", err
	}
	if name == "" {
		name = secret.New().Reveal()
		names := append([]string{name}, browserNames(cookie)...)
		cookie = strings.Join(names[:min(len(names), maxNames)], ".")
	}
	start.Browser = Browser{Subject: p.user.Subject, Hash: secret.Hash(name), UserAgent: cut(from.Agent, 400), Address: from.Address}
	if p.trust {
		start.Browser.TrustedUntil = s.Now().Add(trustLife)
	}
	return cookie, nil
}

// A browser's cookie has a name for each person who signs in there, the newest
// first: families share one.
const (
	maxNames   = 5
	nameLength = 43
)

func browserNames(cookie string) []string {
	var names []string
	for name := range strings.SplitSeq(cookie, ".") {
		if len(name) == nameLength && len(names) < maxNames {
			names = append(names, name)
		}
	}
	return names
}

// knownBrowser is the name by which a person's account knows the browser, ""
// when it doesn't.
func (s *Service) knownBrowser(ctx context.Context, subject, cookie string) (string, error) {
	if subject == "" {
		return "", nil
	}
	for _, name := range browserNames(cookie) {
		_, err := s.Store.Browser(ctx, subject, secret.Hash(name))
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, oauth.ErrNotFound) {
			return "", err
		}
	}
	return "", nil
}

// tellOfSignIn: a sign-in from a browser that the account doesn't know is told
// to its owner, unless the account itself is new.
func (s *Service) tellOfSignIn(start *Start, p Proof, known bool, from Visitor) error {
	note := p.note
	if note == nil && !known && !p.step && s.Now().Sub(p.user.CreatedAt) > newAccount {
		var err error
		if note, err = s.tell(p.user, DidSignInNew, "", from, mail.Happening{}); err != nil {
			return err
		}
	}
	if note != nil {
		start.Activity, start.Letters = &note.activity, note.letters
	}
	return nil
}

// newAccount is how long nobody is told of the first browsers of an account.
const newAccount = 5 * time.Minute

func (s *Service) lifetime() time.Duration {
	if s.Lifetime > 0 {
		return s.Lifetime
	}
	return defaultLifetime
}

func cookie(id, password string) string { return id + "." + password }

// Session returns the session that a cookie opens, else oauth.ErrNotFound.
func (s *Service) Session(ctx context.Context, value string) (Record, error) {
	id, password, found := strings.Cut(value, ".")
	if !found || len(id) != idLength || len(value) > 200 {
		return Record{}, oauth.ErrNotFound
	}
	rec, err := s.Store.Session(ctx, id, s.Now())
	if err != nil {
		return Record{}, err
	}
	if !secret.Matches(password, rec.SecretHash) {
		return Record{}, oauth.ErrNotFound
	}
	s.Store.SessionSeen(id, s.Now())
	rec.Demand = s.Demand(rec.Groups)
	return rec, nil
}

// SignOut ends a session and what hangs off it.
func (s *Service) SignOut(ctx context.Context, rec Record) error {
	return s.Store.EndSession(ctx, rec.ID, s.Now())
}

// cut shortens what a browser sent and leaves out what is no text: PostgreSQL
// refuses a row that holds it.
func cut(text string, n int) string {
	return strings.ToValidUTF8(text[:min(n, len(text))], "")
}
