package oauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How long a predecessor is accepted until its successor is used, and how long
// an older token is only refused: CONTRACT §4, decision 5.
const (
	graceConfidential = 60 * time.Second
	gracePublic       = 10 * time.Second
	parallelWindow    = 10 * time.Second
	maxRepeats        = 3
)

// redeemRefreshToken: RFC 6749 §6, RFC 9700 §4.14.
func redeemRefreshToken(ctx context.Context, s *Server, call *TokenCall) (*TokenResponse, error) {
	sent := call.Request.Get("refresh_token")
	if sent == "" {
		return nil, invalidRequest("refresh_token is missing").about("refresh_token")
	}
	token, ok := s.openRefresh(sent, call.Client.ID)
	if !ok {
		return nil, invalidGrant("refresh_token is not valid for this app").about("refresh_token")
	}
	if err := checkBound(token, call); err != nil {
		return nil, err
	}
	auth, err := s.Store.Authorization(ctx, token.ID)
	if errors.Is(err, ErrNotFound) {
		return nil, endedGrant("", nil)
	}
	if err != nil {
		return nil, err
	}
	is, err := s.refreshIssuance(ctx, call, auth)
	if err != nil {
		return nil, err
	}
	if call.Client.Profile == ProfileFAPI2 {
		return s.renewInPlace(ctx, call, token, is)
	}
	return s.renew(ctx, call, token, is)
}

// checkBound: RFC 9449 §5 and RFC 8705 §4, a public client's refresh token works
// only with the key that it was issued to.
func checkBound(token refreshToken, call *TokenCall) *Error {
	switch {
	case token.Bound == (Confirmation{}), token.Bound == call.sender.Confirmation:
		return nil
	case token.Bound.JKT != "" && call.sender.JKT == "":
		return newError(CodeInvalidDPoPProof, "this refresh_token is bound by DPoP, and the request has no proof")
	}
	return invalidGrant("refresh_token is bound to another key").about("refresh_token")
}

// prolongAfter is how much of a refresh token's life has to be gone before a
// use of it is written down, where nothing rotates.
const prolongAfter = 24 * time.Hour

// renewInPlace: FAPI 2.0 Security Profile §5.3.2.1, refresh tokens don't rotate: they
// are worth nothing without the client's own key.
func (s *Server) renewInPlace(ctx context.Context, call *TokenCall, token refreshToken, is issuance) (*TokenResponse, error) {
	now, auth := s.Now(), &is.auth
	if int64(token.Generation) < auth.Generation || !sameSeed(token, *auth) || !now.Before(auth.RefreshUntil) {
		return nil, endedGrant("", nil)
	}
	if err := s.useProofs(ctx, call.sender.proofs); err != nil {
		return nil, err
	}
	if until := now.Add(s.RefreshIdle); until.Sub(auth.RefreshUntil) > prolongAfter {
		err := s.Store.Prolong(ctx, token.ID, token.seedHash(), until, until.Add(s.AccessLifetime))
		if errors.Is(err, ErrEnded) {
			return nil, endedGrant("", err)
		}
		if err != nil {
			return nil, err
		}
	}
	// The same token; only its tag is new once another master key seals.
	is.refresh = s.sealRefresh(token, call.Client.ID)
	s.notify(ctx, Event{Kind: EventRefreshed, ClientID: auth.ClientID, Subject: auth.Subject, Session: auth.SessionID, Scopes: is.scopes, GrantType: GrantRefreshToken})
	return s.tokens(ctx, is)
}

func endedGrant(reason string, cause error) *Error {
	if reason == "" {
		return invalidGrant("refresh_token has expired or was revoked").about("refresh_token").because(cause)
	}
	return invalidGrant("refresh_token was revoked: %s", printable(reason)).about("refresh_token").because(cause)
}

// refreshIssuance reads what is asked of an authorization, before anything
// changes: a request that is refused rotates nothing.
func (s *Server) refreshIssuance(ctx context.Context, call *TokenCall, auth Authorization) (issuance, error) {
	switch {
	case !auth.Live || auth.ClientID != call.Client.ID:
		return issuance{}, endedGrant(auth.EndReason, nil)
	case auth.Offline && !contains(auth.Scopes, ScopeOfflineAccess):
		return issuance{}, endedGrant("the user took back access while away", nil)
	}
	catalog, fault := s.Store.Catalog(ctx)
	if fault != nil {
		return issuance{}, fault
	}
	// What the app may no longer ask for is not renewed either.
	allowed, fault := s.stillAdmitted(ctx, call.Client, auth.Subject, call.Client.stillMayAsk(auth.Scopes, catalog), catalog)
	if fault != nil {
		return issuance{}, fault
	}
	scopes, err := narrowed(call.Request, allowed)
	if err != nil {
		return issuance{}, err
	}
	resources, err := s.narrowedResources(ctx, call.Request, auth.Resources)
	if err != nil {
		return issuance{}, err
	}
	return issuance{client: call.Client, auth: auth, scopes: scopes, resources: resources, sender: call.sender}, nil
}

// renew rotates and answers. The successor is computed from the token itself,
// so a repeat of the predecessor gets the same one, without a write.
func (s *Server) renew(ctx context.Context, call *TokenCall, token refreshToken, is issuance) (*TokenResponse, error) {
	now := s.Now()
	successor := refreshToken{ID: token.ID, Seed: token.Seed, Generation: token.Generation + 1, Bound: token.Bound}
	is.refresh = s.sealRefresh(successor, call.Client.ID)
	auth, err := s.Store.Rotate(ctx, Rotation{
		ID: token.ID, SeedHash: token.seedHash(), From: int64(token.Generation), At: now,
		RefreshUntil: now.Add(s.RefreshIdle), ExpiresAt: now.Add(s.RefreshIdle + s.AccessLifetime),
		Proofs: call.sender.proofs,
	})
	switch {
	case errors.Is(err, ErrConflict):
		if auth, err = s.repeated(ctx, call, token); err != nil {
			return nil, err
		}
	case errors.Is(err, ErrEnded), errors.Is(err, ErrNotFound):
		return nil, endedGrant("", err)
	case err != nil:
		return nil, err
	}
	// A scope withdrawn between reading and rotating is gone from both.
	is.auth, is.scopes = auth, intersect(is.scopes, auth.Scopes)
	s.notify(ctx, Event{Kind: EventRefreshed, ClientID: auth.ClientID, Subject: auth.Subject, Session: auth.SessionID, Scopes: is.scopes, GrantType: GrantRefreshToken})
	return s.tokens(ctx, is)
}

// repeated judges a refresh token that has a successor already: CONTRACT §4,
// decision 5; RFC 9700 §4.14.2.
func (s *Server) repeated(ctx context.Context, call *TokenCall, token refreshToken) (Authorization, error) {
	c := call.Client
	auth, err := s.Store.Authorization(ctx, token.ID)
	if err != nil {
		return auth, err
	}
	age := s.Now().Sub(auth.RotatedAt)
	predecessor := int64(token.Generation) == auth.Generation-1
	switch {
	case !auth.Live:
		return auth, endedGrant(auth.EndReason, nil)
	case predecessor && age < grace(c, token):
		if err := s.useProofs(ctx, call.sender.proofs); err != nil {
			return auth, err
		}
		if s.repeats.count(token.ID, token.Generation) == maxRepeats+1 {
			s.notify(ctx, Event{Kind: EventRepeated, ClientID: c.ID, Subject: auth.Subject, Session: auth.SessionID})
		}
		return auth, nil
	case !predecessor && age < parallelWindow:
		return auth, invalidGrant("refresh_token was replaced by a newer one").about("refresh_token")
	}
	if err := s.Store.EndAuthorization(ctx, token.ID, "an old refresh token was used again", s.Now()); err != nil {
		return auth, err
	}
	s.notify(ctx, Event{Kind: EventReplayed, ClientID: c.ID, Subject: auth.Subject, Session: auth.SessionID})
	return auth, invalidGrant("refresh_token was used before; the access has ended and the user must allow it again").about("refresh_token")
}

func grace(c *Client, token refreshToken) time.Duration {
	if c.Confidential() || token.Bound != (Confirmation{}) {
		return graceConfidential
	}
	return gracePublic
}

// repeats counts how often a predecessor came again. It only informs, so it
// lives in memory, and is emptied before it grows large.
type repeats struct {
	mu   *sync.Mutex
	seen map[string]repeat
}

type repeat struct {
	generation uint32
	times      int
}

func newRepeats() repeats { return repeats{mu: new(sync.Mutex), seen: map[string]repeat{}} }

func (r *repeats) count(id string, generation uint32) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) > 4096 {
		clear(r.seen)
	}
	now := r.seen[id]
	if now.generation != generation {
		now = repeat{generation: generation}
	}
	now.times++
	r.seen[id] = now
	return now.times
}
