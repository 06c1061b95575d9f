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
	return s.renew(ctx, call, token, is)
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
	scopes, err := narrowed(call.Request, call.Client.stillMayAsk(auth.Scopes, catalog))
	if err != nil {
		return issuance{}, err
	}
	resources, err := s.narrowedResources(ctx, call.Request, auth.Resources)
	if err != nil {
		return issuance{}, err
	}
	return issuance{client: call.Client, auth: auth, scopes: scopes, resources: resources}, nil
}

// renew rotates and answers. The successor is computed from the token itself,
// so a repeat of the predecessor gets the same one, without a write.
func (s *Server) renew(ctx context.Context, call *TokenCall, token refreshToken, is issuance) (*TokenResponse, error) {
	now := s.Now()
	successor := refreshToken{ID: token.ID, Seed: token.Seed, Generation: token.Generation + 1}
	is.refresh = s.sealRefresh(successor, call.Client.ID)
	auth, err := s.Store.Rotate(ctx, Rotation{
		ID: token.ID, SeedHash: token.seedHash(), From: int64(token.Generation), At: now,
		RefreshUntil: now.Add(s.RefreshIdle), ExpiresAt: now.Add(s.RefreshIdle + s.AccessLifetime),
	})
	switch {
	case errors.Is(err, ErrConflict):
		if auth, err = s.repeated(ctx, call.Client, token); err != nil {
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
func (s *Server) repeated(ctx context.Context, c *Client, token refreshToken) (Authorization, error) {
	auth, err := s.Store.Authorization(ctx, token.ID)
	if err != nil {
		return auth, err
	}
	age := s.Now().Sub(auth.RotatedAt)
	predecessor := int64(token.Generation) == auth.Generation-1
	switch {
	case !auth.Live:
		return auth, endedGrant(auth.EndReason, nil)
	case predecessor && age < grace(c):
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

func grace(c *Client) time.Duration {
	if c.Confidential() {
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
