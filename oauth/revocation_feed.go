package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"time"
)

// ScopeRevocations lets a resource's client read the revocation feed.
const ScopeRevocations = "revocations:read"

// The feed tells APIs which tokens must not be accepted any more although their
// time has not come. Entries may come twice; none may be missed.
const (
	feedPoll    = 500 * time.Millisecond
	feedSpare   = 2 * time.Minute  // for clocks that differ
	feedOverlap = 30 * time.Second // for commits that come late
	feedMaxWait = 30 * time.Second
)

// RevocationEntry is one entry of the feed: Revocation in JSON.
type RevocationEntry struct {
	Authorization string `json:"authorization,omitempty"`
	Token         string `json:"token,omitempty"`
	ClientID      string `json:"client_id,omitempty"`
	At            int64  `json:"at"`
	Narrowed      bool   `json:"narrowed,omitempty"` // of Authorization: only tokens issued until At
}

// RevocationFeed is an answer of the feed.
type RevocationFeed struct {
	Now     int64             `json:"now"`
	Since   int64             `json:"since"`
	Cursor  string            `json:"cursor"` // to be sent as seen
	Entries []RevocationEntry `json:"entries"`
}

// FeedCall is a request for the feed.
type FeedCall struct {
	Since time.Time     // zero: all that may matter
	Seen  string        // Cursor of the answer before
	Wait  time.Duration // for something new
}

// feed is one look at the database for all who wait.
type feed struct {
	mu      *sync.Mutex
	entries []Revocation
	cursor  string
	read    time.Time // when entries were read
	err     error
	loading chan struct{}
}

func newFeed() feed { return feed{mu: new(sync.Mutex)} }

// ReadFeed answers at once when it is asked for everything or there is something
// that the caller hasn't seen, else when there is, or when Wait has passed.
func (s *Server) ReadFeed(ctx context.Context, call FeedCall) (*RevocationFeed, error) {
	horizon := s.Now().Add(-s.AccessLifetime - feedSpare)
	since := call.Since
	if since.Before(horizon) {
		since = horizon
	}
	enough := time.NewTimer(min(call.Wait, feedMaxWait))
	defer enough.Stop()
	for {
		entries, cursor, err := s.revocations(ctx)
		if err != nil {
			return nil, err
		}
		answer := s.feedAnswer(entries, since)
		if answer.Cursor = cursor; call.Since.IsZero() || cursor != call.Seen {
			return answer, nil
		}
		select {
		case <-enough.C:
			return answer, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(feedPoll):
		}
	}
}

func (s *Server) feedAnswer(entries []Revocation, since time.Time) *RevocationFeed {
	answer := &RevocationFeed{Now: s.Now().Unix(), Since: since.Unix(), Entries: []RevocationEntry{}}
	for _, e := range entries {
		if e.At.Before(since) {
			continue
		}
		answer.Entries = append(answer.Entries, RevocationEntry{
			Authorization: e.Authorization, Token: e.Token, ClientID: e.ClientID, At: e.At.Unix(), Narrowed: e.Narrowed,
		})
	}
	return answer
}

// cursorOf names what a caller has seen: all of it, since a commit may come late
// and bring an entry that isn't the newest. Old entries that go make a new
// cursor too, which costs an answer without news.
func cursorOf(entries []Revocation) string {
	h := sha256.New()
	for _, e := range entries {
		fmt.Fprintf(h, "%d\x00%s\x00%s\x00%s\x00%t\n", e.At.Unix(), e.Authorization, e.Token, e.ClientID, e.Narrowed)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// revocations reads at most twice a second, however many wait.
func (s *Server) revocations(ctx context.Context) (entries []Revocation, cursor string, err error) {
	f := &s.feed
	f.mu.Lock()
	now := s.Now()
	if age := now.Sub(f.read); f.err == nil && age >= 0 && age < feedPoll && f.loading == nil && !f.read.IsZero() {
		defer f.mu.Unlock()
		return f.entries, f.cursor, nil
	}
	if f.loading == nil {
		f.loading = make(chan struct{})
		go s.loadFeed(context.WithoutCancel(ctx), now)
	}
	loading := f.loading
	f.mu.Unlock()
	select {
	case <-loading:
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.entries, f.cursor, f.err
}

func (s *Server) loadFeed(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entries, err := s.Store.Revocations(ctx, now.Add(-s.AccessLifetime-feedSpare-feedOverlap))
	f := &s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries, f.cursor, f.err, f.read = entries, cursorOf(entries), err, now
	close(f.loading)
	f.loading = nil
}

// FeedReader proves that a token may read the feed: one of ours, for this
// server, of a client itself, with the scope.
func (s *Server) FeedReader(ctx context.Context, call ResourceCall) error {
	t, err := s.resourceToken(ctx, call)
	switch {
	case err != nil:
		return err
	case t.person() || !contains(t.Audience, s.Issuer):
		return invalidToken("the access token is not for this server")
	case !contains(t.scopes, ScopeRevocations):
		return newError(CodeInsufficientScope, "the access token was not granted %s", ScopeRevocations).about(ScopeRevocations)
	}
	return nil
}
