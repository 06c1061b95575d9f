package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// Arrival is somebody who comes from another provider.
type Arrival struct {
	upstream.Identity

	Create bool        // an account is made for who has none here
	Once   *oauth.Once // what the provider's answer used up
}

// upstreamSession is what a session remembers of its provider: enough to end it
// there too, and to be ended from there.
type upstreamSession struct {
	Connector string `json:"c"`
	IDToken   string `json:"t,omitempty"`
	SID       string `json:"k,omitempty"`
	Sub       string `json:"s,omitempty"`
}

// UpstreamKey names a session of a provider's: OpenID Connect Back-Channel Logout
// §2.4, sid and sub are the provider's own.
func UpstreamKey(issuer, name string) string {
	return fmt.Sprintf("%x", secret.Hash(issuer + "\n" + name)[:16])
}

// maxKept is how long an ID token may be that is kept for the provider's logout: it
// travels in an address while a second factor is asked for.
const maxKept = 3 << 10

func (s *Service) arrivedFrom(a Arrival) *upstreamSession {
	u := &upstreamSession{Connector: a.Connector}
	if len(a.IDToken) <= maxKept {
		u.IDToken = a.IDToken
	}
	u.Sub = UpstreamKey(a.Issuer, "sub\n"+a.Subject)
	if a.Session != "" {
		u.SID = UpstreamKey(a.Issuer, "sid\n"+a.Session)
	}
	return u
}

func (s *Service) keepUpstream(rec *Record, u *upstreamSession) error {
	if u == nil {
		return nil
	}
	content, err := json.Marshal(u)
	rec.UpstreamSID, rec.UpstreamSub = u.SID, u.Sub
	rec.Upstream = []byte(s.box.upstream.Seal(content, []byte(rec.Subject)))
	return err
}

// CameFrom tells at which connector a session began, with the ID token that its
// logout wants.
func (s *Service) CameFrom(rec Record) (connector, idToken string) {
	if len(rec.Upstream) == 0 {
		return "", ""
	}
	var u upstreamSession
	content, err := s.box.upstream.Open(string(rec.Upstream), []byte(rec.Subject))
	if err != nil || json.Unmarshal(content, &u) != nil {
		return "", ""
	}
	return u.Connector, u.IDToken
}

// SignOutUpstream ends the sessions that a provider says are over: those under
// its sid, or without one all that its subject began.
func (s *Service) SignOutUpstream(ctx context.Context, issuer, subject, sid string) ([]Record, error) {
	key := UpstreamKey(issuer, "sub\n"+subject)
	if sid != "" {
		key = UpstreamKey(issuer, "sid\n"+sid)
	}
	ended, err := s.Store.UpstreamSessions(ctx, key, s.Now())
	for _, rec := range ended {
		if err == nil {
			err = s.Store.EndSession(ctx, rec.ID, s.Now())
		}
	}
	return ended, err
}

// Unlinked says that nobody here is linked to who arrived. Existing is set when
// an account has the address that they proved there: it is theirs only when they
// sign in to it.
type Unlinked struct {
	Existing bool
	Create   bool
}

func (*Unlinked) Error() string { return "nobody is linked to this account of another provider" }

// ByIdentity finds who is linked to somebody from another provider, by issuer and
// subject and nothing else; where that is allowed it makes an account. The error
// for who is not linked is *Unlinked.
func (s *Service) ByIdentity(ctx context.Context, a Arrival) (_ Evidence, err error) {
	defer s.judged(a.Connector, &err)
	linked, err := s.Store.Identity(ctx, a.Issuer, a.Subject)
	switch {
	case errors.Is(err, oauth.ErrNotFound):
		return s.newcomer(ctx, a)
	case err != nil:
		return Evidence{}, err
	}
	user, err := s.Store.User(ctx, linked.Subject)
	if err != nil {
		return Evidence{}, unknownIsWrong(err)
	}
	if user, err = s.groupsFrom(ctx, user, a); err != nil {
		return Evidence{}, err
	}
	return s.arrived(user, a), nil
}

// arrived: what an upstream did counts as one factor, unless its connector is
// trusted to tell of two.
func (s *Service) arrived(user User, a Arrival) Evidence {
	e := Evidence{
		user: user, way: a.Connector, amr: []string{"fed"}, at: a.AuthTime, upstream: s.arrivedFrom(a),
		identity: &Identity{Issuer: a.Issuer, Upstream: a.Subject, Label: identityLabel(a)},
	}
	if e.at.After(s.Now()) {
		e.at = s.Now()
	}
	if slices.Contains(a.AMR, "mfa") || a.ACR == oauth.TwoFactors {
		e.two = true
	}
	if a.Once != nil {
		e.spent = []Spent{{Once: a.Once}}
	}
	return e
}

func identityLabel(a Arrival) string {
	for _, name := range []string{a.Email, a.Username, a.Name} {
		if name != "" {
			return label(name, "")
		}
	}
	return label(a.Subject, "")
}

// groupsFrom takes over the groups that a connector tells of, at each sign-in:
// who left one there has left it here.
func (s *Service) groupsFrom(ctx context.Context, user User, a Arrival) (User, error) {
	if slices.Equal(user.Memberships[a.Connector], a.Groups) || len(user.Memberships[a.Connector])+len(a.Groups) == 0 {
		return user, nil
	}
	if err := s.Store.SetMemberships(ctx, user.Subject, a.Connector, a.Groups); err != nil {
		return user, err
	}
	return s.Store.User(ctx, user.Subject)
}

// newcomer makes an account for somebody from another provider. An address that
// is an account's already makes no account and no link: anybody could have it
// there.
func (s *Service) newcomer(ctx context.Context, a Arrival) (Evidence, error) {
	email := ""
	if checkEmail(a.Email) == nil {
		email = a.Email
	}
	existing := false
	if email != "" {
		other, err := s.Store.UserByEmail(ctx, Canonical(email))
		if err != nil && !errors.Is(err, oauth.ErrNotFound) {
			return Evidence{}, err
		}
		existing = err == nil && other.EmailVerified // anybody can write an address that they don't prove
	}
	if existing || !a.Create {
		return Evidence{}, &Unlinked{Existing: existing && a.EmailVerified, Create: a.Create}
	}
	now := s.Now()
	user := User{Subject: secret.NewID(), Email: email, EmailVerified: a.EmailVerified && email != "", Epoch: 1, CreatedAt: now, UpdatedAt: now}
	if err := user.take(allowed(a.Claims)); err != nil {
		return Evidence{}, err
	}
	user.Email, user.EmailVerified = email, a.EmailVerified && email != ""
	if checkName(a.Name) == nil {
		user.Name = a.Name
	}
	if len(a.Groups) > 0 {
		user.Memberships = map[string][]string{a.Connector: a.Groups}
	}
	return s.settle(ctx, user, a)
}

// allowed leaves out what a column of the account says, and what is no claim of
// an account's.
func allowed(claims map[string]any) oauth.Claims {
	out := oauth.Claims{}
	for name, value := range claims {
		switch name {
		case "email", "email_verified", "name", "preferred_username", "sub":
			continue
		}
		if checkClaim(name, value) == nil {
			out[name] = value
		}
	}
	return out
}

// settle finds a username that nobody has and stores account and link in one.
func (s *Service) settle(ctx context.Context, user User, a Arrival) (Evidence, error) {
	base := arrivalName(a)
	for i := range 50 {
		user.Username = base
		if i > 0 {
			user.Username = base + strconv.Itoa(i+1)
		}
		user.UsernameKey = Canonical(user.Username)
		link := &Identity{Issuer: a.Issuer, Upstream: a.Subject, Connector: a.Connector, Label: identityLabel(a)}
		err := s.Store.CreateUser(ctx, user, Change{Subject: user.Subject, At: s.Now(), AddIdentity: link})
		switch {
		case err == nil:
			return s.arrived(user, a), nil
		case errors.Is(err, ErrAddressTaken): // the same one may have come by another tab
		case !errors.Is(err, oauth.ErrConflict):
			return Evidence{}, err
		}
		if linked, err := s.Store.Identity(ctx, a.Issuer, a.Subject); err == nil { // another tab was first
			user, err := s.Store.User(ctx, linked.Subject)
			return s.arrived(user, a), err
		}
		if errors.Is(err, ErrAddressTaken) {
			return Evidence{}, &Unlinked{Existing: true, Create: a.Create}
		}
	}
	return Evidence{}, fmt.Errorf("no username is free for somebody from %s", a.Connector)
}

// arrivalName is the username that somebody from elsewhere begins with.
func arrivalName(a Arrival) string {
	local, _, _ := strings.Cut(a.Email, "@")
	for _, name := range []string{a.Username, local, strings.ReplaceAll(strings.ToLower(a.Name), " ", ".")} {
		name, _, _ = strings.Cut(name, "@")
		if runes := []rune(name); len(runes) > 50 {
			name = string(runes[:50])
		}
		if name = strings.TrimRight(name, "."); checkUsername(name) == nil {
			return name
		}
	}
	return a.Connector + "-user"
}

// linkOffer is somebody from another provider who may be linked to an account
// that they have yet to sign in to. It is sealed, and bound to the browser.
type linkOffer struct {
	Identity Identity    `json:"i"`
	Groups   []string    `json:"g,omitempty"`
	Once     *oauth.Once `json:"o,omitempty"`
	At       int64       `json:"t"`
}

// OfferLink seals who arrived, for after they have signed in.
func (s *Service) OfferLink(a Arrival, browser string) (string, error) {
	content, err := json.Marshal(linkOffer{
		Identity: Identity{Issuer: a.Issuer, Upstream: a.Subject, Connector: a.Connector, Label: identityLabel(a)},
		Groups:   a.Groups, Once: a.Once, At: s.Now().Unix(),
	})
	return s.box.upstream.Seal(content, []byte("offer\n"+browser)), err
}

// OpenOffer looks at an offer that was sealed for this browser.
func (s *Service) OpenOffer(sealed, browser string) (Identity, error) {
	o, err := s.openOffer(sealed, browser)
	return o.Identity, err
}

func (s *Service) openOffer(sealed, browser string) (linkOffer, error) {
	var o linkOffer
	content, err := s.box.upstream.Open(sealed, []byte("offer\n"+browser))
	if err != nil || json.Unmarshal(content, &o) != nil || s.TooOld(o.At, halfLife) {
		return o, ErrStale
	}
	return o, nil
}

// Link makes an account of another provider a way in to this one. Actor has just
// proved to be the account's owner, and the offer came from the provider in this
// browser; each is used once. oauth.ErrConflict: it is another account's.
func (s *Service) Link(ctx context.Context, a Actor, sealed, browser string) error {
	o, err := s.openOffer(sealed, browser)
	if err != nil {
		return err
	}
	c := s.change(a, false)
	c.AddIdentity = &o.Identity
	if o.Once != nil {
		c.Spent = []Spent{{Once: o.Once}}
	}
	if len(o.Groups) > 0 {
		c.Memberships = &Membership{Source: o.Identity.Connector, Groups: o.Groups}
	}
	_, err = s.apply(ctx, c, a.user, DidLink, o.Identity.Connector, a.from)
	return staleIfReplayed(err)
}

// Unlink takes such a way in away, with the groups that came by it; ErrLastWay
// when it is the only one.
func (s *Service) Unlink(ctx context.Context, a Actor, issuer, name string) error {
	linked, err := s.Store.Identity(ctx, issuer, name)
	switch {
	case errors.Is(err, oauth.ErrNotFound) || err == nil && linked.Subject != a.user.Subject:
		return nil
	case err != nil:
		return err
	}
	c := s.change(a, true)
	c.RemoveIdentity, c.Leaves = &linked, s.leaves()
	all, err := s.Store.Identities(ctx, a.user.Subject)
	if err != nil {
		return err
	}
	of := func(i Identity) bool { return i.Connector == linked.Connector }
	if i := slices.IndexFunc(all, of); i >= 0 && !slices.ContainsFunc(all[i+1:], of) {
		c.Memberships = &Membership{Source: linked.Connector}
	}
	_, err = s.apply(ctx, c, a.user, DidUnlink, linked.Connector, a.from)
	return err
}
