package resource

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const (
	maxRevoked = 200_000
	// feedSkew is how much longer than a token's life a revocation is kept, for
	// the two clocks and the leeway.
	feedSkew = 2 * time.Minute
)

// revocation is an entry of the feed: one of the three names, and when.
type revocation struct {
	Authorization string           `json:"authorization"` // all tokens that hang off it
	Token         string           `json:"token"`         // the one with this jti
	ClientID      string           `json:"client_id"`     // all tokens made until then
	At            jose.NumericDate `json:"at"`
	// Narrowed: the authorization lives on with fewer scopes, and only its tokens
	// made until then are refused.
	Narrowed bool `json:"narrowed"`
}

func (e revocation) names() []revokedName {
	authorization := revokedAuthorization
	if e.Narrowed {
		authorization = narrowedAuthorization
	}
	return []revokedName{{authorization, e.Authorization}, {revokedToken, e.Token}, {revokedClient, e.ClientID}}
}

type revokedThing int

const (
	revokedAuthorization revokedThing = iota
	narrowedAuthorization
	revokedToken
	revokedClient
)

type revokedName struct {
	thing revokedThing
	name  string
}

// revocations are those of the longest life of a token. What is told again
// changes nothing.
type revocations struct {
	life time.Duration
	now  func() time.Time
	log  *slog.Logger

	mu     sync.RWMutex
	at     map[revokedName]int64
	pruned time.Time
	lost   int64 // the latest time of those that found no room
}

func newRevocations(c Config) *revocations {
	return &revocations{life: c.MaxTokenLife + feedSkew, now: c.Now, log: c.Log, at: map[revokedName]int64{}}
}

// add tells how many of the entries are news.
func (r *revocations) add(entries []revocation) (news int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune()
	for _, e := range entries {
		for _, what := range e.names() {
			if what.name != "" && r.keep(what, int64(e.At)) {
				news++
			}
		}
	}
	return news
}

func (r *revocations) keep(what revokedName, at int64) bool {
	known, ok := r.at[what]
	switch {
	case ok && at <= known, r.old(at):
		return false
	case !ok && len(r.at) >= maxRevoked:
		if r.old(r.lost) {
			r.log.Error("resource: there are more revocations than can be kept", "most", maxRevoked)
		}
		r.lost = max(r.lost, at)
		return false
	}
	r.at[what] = at
	return true
}

// prune forgets once a minute those whose tokens have all expired.
func (r *revocations) prune() {
	now := r.now()
	if now.Sub(r.pruned) < time.Minute {
		return
	}
	r.pruned = now
	for what, at := range r.at {
		if r.old(at) {
			delete(r.at, what)
		}
	}
}

func (r *revocations) old(at int64) bool { return r.now().Sub(time.Unix(at, 0)) > r.life }

// incomplete: some found no room, and their tokens may still live.
func (r *revocations) incomplete() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.old(r.lost)
}

// covers tells whether a token was revoked: by its own name, with its
// authorization, whose name its jti begins with, or with its client.
func (r *revocations) covers(c *claims) bool {
	authorization, _, hangs := strings.Cut(c.ID, ".")
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !hangs {
		authorization = ""
	}
	if r.has(revokedToken, c.ID) || r.has(revokedAuthorization, authorization) {
		return true
	}
	// A token that doesn't say when it was made comes from introspection, which knows.
	until := max(r.at[revokedName{revokedClient, c.ClientID}], r.at[revokedName{narrowedAuthorization, authorization}])
	return c.IssuedAt != 0 && int64(c.IssuedAt) <= until
}

func (r *revocations) has(thing revokedThing, name string) bool {
	_, ok := r.at[revokedName{thing, name}]
	return ok
}
