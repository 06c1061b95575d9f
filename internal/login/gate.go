package login

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// Evidence says that one way of signing in found somebody to be a user. Only
// this package makes one, each way in its own file; it is worth nothing before
// Authenticate has judged it.
type Evidence struct {
	user     User
	way      string   // the authenticator's name
	amr      []string // RFC 8176
	two      bool     // it is two factors in one: something held, and who holds it
	spent    []Spent
	identity *Identity
	upstream *upstreamSession
	at       time.Time // when it was proven; zero when another provider doesn't say
}

// Subject tells whom the evidence is about.
func (e Evidence) Subject() string { return e.user.Subject }

// Proof says that somebody proved to be a user, and how. Only this package
// makes one, and no session is made without.
type Proof struct {
	user     User
	acr      string
	amr      []string
	way      string
	spent    []Spent
	identity *Identity
	upstream *upstreamSession
	at       time.Time
	next     Next  // what is still to do; then it is no proof yet
	step     bool  // it raises the session that is there, and is no new login
	trust    bool  // no second factor is asked in this browser for a while
	note     *told // what the owner hears of it
	ok       bool
}

// Subject tells whose proof it is.
func (p Proof) Subject() string { return p.user.Subject }

// Want is what a sign-in is for.
type Want struct {
	ACR     string   // that it must reach, "" for any
	Ways    []string // the authenticators that may be used; nil: all that are switched on
	Again   bool     // the person is signed in and proves it once more, by the best they have
	Bind    string   // the browser that a half belongs to
	Browser string   // the cookie that names the browser among the person's
}

// Verdict is what the gate says of evidence that holds: either a Proof, or what
// is still to do, with a token that lets it be done in this browser.
type Verdict struct {
	Proof Proof
	Next  Next
	Half  string // sealed, for a while; "" beside a Proof
}

// Next is what a sign-in still needs.
type Next string

// What may be needed besides a first factor.
const (
	NextNothing  Next = ""
	NextFactor   Next = "factor"   // a second factor that the person has
	NextEnrol    Next = "enrol"    // a second factor, and the person has none yet
	NextPassword Next = "password" // a new password
)

// Authenticate is the one gate that every way of signing in passes: whether the
// account may be used, whether this way may be used here, and which further
// factors are asked. A session can't be made without its Proof.
func (s *Service) Authenticate(ctx context.Context, e Evidence, want Want) (Verdict, error) {
	switch {
	case e.user.Subject == "":
		return Verdict{}, errors.New("evidence about nobody")
	case e.user.Disabled, e.user.Locked:
		return Verdict{}, ErrWrong
	case !e.among(want.Ways):
		return Verdict{}, ErrWrong
	}
	next, err := s.further(ctx, e, want)
	if err == nil && next == NextNothing && e.user.MustChange && e.way == WayPassword {
		next = NextPassword // last, so that whoever knows an old password alone can't set a new one
	}
	if err != nil || next != NextNothing {
		if err != nil {
			return Verdict{}, err
		}
		return s.half(ctx, e, next, want.Bind)
	}
	return Verdict{Proof: e.proof()}, nil
}

// among says whether the way is in a list; in none it always is.
func (e Evidence) among(ways []string) bool {
	return ways == nil || slices.Contains(ways, e.way) || e.identity != nil && slices.Contains(ways, WayConnector)
}

// further says which factor is still to be asked. That a browser is trusted
// counts against the person's own wish only: it is no factor.
func (s *Service) further(ctx context.Context, e Evidence, want Want) (Next, error) {
	demanded := want.ACR == oauth.TwoFactors || s.Demand(e.user.Groups()) == oauth.TwoFactors
	if e.two || !demanded && !want.Again && !e.user.TwoStep {
		return NextNothing, nil
	}
	has, err := s.secondFactors(ctx, e.user.Subject, want.Ways)
	switch {
	case err != nil:
		return "", err
	case !has.any() && demanded:
		return NextEnrol, nil
	case !has.any():
		return NextNothing, nil
	case demanded || want.Again:
		return NextFactor, nil
	}
	trusted, err := s.trusts(ctx, e.user.Subject, want.Browser)
	if err != nil || trusted {
		return NextNothing, err
	}
	return NextFactor, nil
}

// proof: RFC 8176 §2 "mfa" goes with two factors, and never with one.
func (e Evidence) proof() Proof {
	p := Proof{user: e.user, acr: "1", amr: e.amr, way: e.way, spent: e.spent, identity: e.identity, upstream: e.upstream, at: e.at, ok: true}
	if e.two {
		p.acr, p.amr = oauth.TwoFactors, append(slices.Clone(e.amr), "mfa")
	}
	return p
}

// Demand is the acr that the operator's policy asks of somebody in these
// groups: CONTRACT §4, decision 8.
func (s *Service) Demand(groups []string) string {
	for _, g := range groups {
		if s.Policy.Groups[g].Factors >= 2 {
			return oauth.TwoFactors
		}
	}
	return ""
}

// Next tells what is still to do before a proof is one: see Continue.
func (p Proof) Next() Next { return p.next }

// Continue seals a proof that is none yet, for the page that does what is left.
func (s *Service) Continue(ctx context.Context, p Proof, browser string) (Verdict, error) {
	if p.next == NextNothing {
		return Verdict{Proof: p}, nil
	}
	amr := slices.DeleteFunc(slices.Clone(p.amr), func(a string) bool { return a == "mfa" })
	return s.half(ctx, Evidence{
		user: p.user, way: p.way, amr: amr, two: p.acr == oauth.TwoFactors, spent: p.spent, identity: p.identity, upstream: p.upstream, at: p.at,
	}, p.next, browser)
}

// Administers says whether somebody administers the server: by their own account,
// or by a group whose members do.
func (s *Service) Administers(u User) bool {
	return u.Admin || slices.ContainsFunc(u.Groups(), func(g string) bool { return s.Policy.Groups[g].Admin })
}

// halfLife is how long a sign-in may stand at its second half.
const halfLife = 15 * time.Minute

// half is a sign-in at its second half, as the browser carries it. It names the
// epoch, so that whatever ends an account ends this too.
type half struct {
	Subject  string           `json:"s"`
	Epoch    int64            `json:"e"`
	Way      string           `json:"w"`
	AMR      []string         `json:"a"`
	Two      bool             `json:"2,omitempty"`
	At       int64            `json:"t"`
	Proven   int64            `json:"p,omitempty"`
	Next     Next             `json:"n"`
	Identity *Identity        `json:"i,omitempty"`
	Upstream *upstreamSession `json:"u,omitempty"`
}

// half seals what was proven. What proved it is used up now: it must not prove
// anything a second time while the rest is being done.
func (s *Service) half(ctx context.Context, e Evidence, next Next, browser string) (Verdict, error) {
	if err := s.Store.Spend(ctx, e.user.Subject, e.spent...); err != nil {
		return Verdict{}, wrongIfReplayed(err)
	}
	content, err := json.Marshal(half{
		Subject: e.user.Subject, Epoch: e.user.Epoch, Way: e.way, AMR: e.amr, Two: e.two,
		At: s.Now().Unix(), Proven: seconds(e.at), Next: next, Identity: e.identity, Upstream: e.upstream,
	})
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Next: next, Half: s.box.half.Seal(content, []byte(browser))}, nil
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

func wrongIfReplayed(err error) error {
	if errors.Is(err, oauth.ErrReplayed) {
		return ErrWrong
	}
	return err
}

// HalfDone is a sign-in at its second half.
type HalfDone struct {
	Next Next
	User User

	evidence Evidence
	session  string // that it is the second half of; "" for a sign-in
}

// OpenHalf opens what Authenticate sealed; ErrStale when its time is over or the
// account has moved on, and in every other browser.
func (s *Service) OpenHalf(ctx context.Context, sealed, browser string) (HalfDone, error) {
	content, err := s.box.half.Open(sealed, []byte(browser))
	if err != nil {
		return HalfDone{}, ErrStale
	}
	var h half
	if err := json.Unmarshal(content, &h); err != nil {
		return HalfDone{}, ErrStale
	}
	user, err := s.Store.User(ctx, h.Subject)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return HalfDone{}, ErrStale
	case err != nil:
		return HalfDone{}, err
	}
	if user.Epoch != h.Epoch || user.Disabled || user.Locked || s.TooOld(h.At, halfLife) {
		return HalfDone{}, ErrStale
	}
	return HalfDone{Next: h.Next, User: user, evidence: Evidence{
		user: user, way: h.Way, amr: h.AMR, two: h.Two, identity: h.Identity, upstream: h.Upstream, at: moment(h.Proven),
	}}, nil
}

// SecondHalf is the second half for somebody who has a session already, made by
// one factor: RFC 9470.
func (s *Service) SecondHalf(ctx context.Context, rec Record, next Next) (HalfDone, error) {
	if next != NextFactor && next != NextEnrol {
		return HalfDone{}, ErrStale // only the gate asks for anything else
	}
	user, err := s.Store.User(ctx, rec.Subject)
	if err != nil {
		return HalfDone{}, err
	}
	return HalfDone{Next: next, User: user, session: rec.ID, evidence: Evidence{user: user, way: rec.Way, amr: rec.AMR, at: rec.ProvenAt}}, nil
}
