package resource

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const (
	maxAnswers = 10_000
	// maxAsking bounds the questions that are open at once: made-up tokens
	// shall not turn this API into a weapon against the server.
	maxAsking = 32
)

// answers asks the introspection endpoint and remembers for a short while, the
// good and the bad. Tokens are remembered by their hash.
type answers struct {
	server     *server
	id, secret string
	life       time.Duration
	now        func() time.Time
	slots      chan struct{}

	mu    sync.Mutex
	known map[[32]byte]*answer
}

// answer is set when done is closed. claims is nil for an inactive token.
type answer struct {
	done   chan struct{}
	until  time.Time
	claims *claims
	all    map[string]any
	err    error
}

func newAnswers(s *server, c Config) *answers {
	return &answers{
		server: s, id: c.ClientID, secret: c.ClientSecret, life: c.IntrospectionCache, now: c.Now,
		slots: make(chan struct{}, maxAsking), known: map[[32]byte]*answer{},
	}
}

// introspect: RFC 7662 §2.2. What the server says is judged like a JWT's
// claims: an active token for another resource is not for us (§4).
func (a *API) introspect(ctx context.Context, token string, by caller) (*Token, error) {
	answer, err := a.answers.about(ctx, token)
	if err != nil {
		return nil, err
	}
	c := answer.claims
	switch {
	case c == nil:
		return nil, invalidToken("the access token is not active", nil)
	case c.Issuer != "" && c.Issuer != a.c.Issuer:
		return nil, invalidToken("the access token is another issuer's", nil)
	case !c.comesBy(by):
		return nil, invalidToken("the token is no access token, or one for another scheme", nil)
	}
	if err := a.judge(c, by); err != nil {
		return nil, err
	}
	if a.feed != nil && a.feed.revoked.covers(c) { // quicker than an answer that is kept
		return nil, errRevoked
	}
	t := c.token(answer.all)
	t.Issuer = a.c.Issuer
	if c.Expires == 0 {
		t.Expires = time.Time{}
	}
	return t, nil
}

// comesBy compares token_type (RFC 7662 §2.2), if it is told: a refresh token is
// active, too. A token bound to a key may be called Bearer by its server.
func (c *claims) comesBy(by caller) bool {
	return c.TokenType == "" || strings.EqualFold(c.TokenType, schemeBearer) ||
		strings.EqualFold(c.TokenType, schemeDPoP) && by.proof != nil
}

// about returns what is known of a token, asking if it must. Requests that
// bring the same token at once wait for one answer.
func (a *answers) about(ctx context.Context, token string) (*answer, error) {
	id := sha256.Sum256([]byte(token))
	a.mu.Lock()
	known := a.known[id]
	if known == nil || known.over(a.now()) {
		known = &answer{done: make(chan struct{})}
		a.makeRoom()
		a.known[id] = known
		go a.ask(context.WithoutCancel(ctx), token, id, known)
	}
	a.mu.Unlock()
	select {
	case <-known.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if known.err != nil {
		return nil, unavailable(known.err)
	}
	return known, nil
}

// over: it is answered, and too long ago.
func (n *answer) over(now time.Time) bool {
	select {
	case <-n.done:
		return !now.Before(n.until)
	default:
		return false
	}
}

// makeRoom drops answers when there are too many: those among a few that are
// old, and if none of them is, any that has come. It looks at no more, or each
// made-up token would cost a look at all.
func (a *answers) makeRoom() {
	if len(a.known) < maxAnswers {
		return
	}
	now, looked := a.now(), 0
	var last [32]byte
	for id, n := range a.known {
		if last = id; n.over(now) {
			delete(a.known, id)
		}
		if looked++; looked == 16 {
			break
		}
	}
	if len(a.known) >= maxAnswers {
		delete(a.known, last) // who waits for it holds it
	}
}

// ask fills in n. A failure isn't remembered beyond those who wait.
func (a *answers) ask(ctx context.Context, token string, id [32]byte, n *answer) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	n.claims, n.all, n.err = a.fetch(ctx, token)
	a.mu.Lock()
	defer a.mu.Unlock()
	if n.err == nil && a.life > 0 {
		n.until = a.now().Add(a.life)
	} else if a.known[id] == n {
		delete(a.known, id)
	}
	close(n.done)
}

func (a *answers) fetch(ctx context.Context, token string) (*claims, map[string]any, error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, nil, errors.New("too many tokens are being introspected at once")
	}
	doc, err := a.server.metadata(ctx)
	if err != nil {
		return nil, nil, err
	}
	if doc.IntrospectionEndpoint == "" {
		return nil, nil, errors.New("the authorization server has no introspection endpoint")
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	data, err := a.server.post(ctx, doc.IntrospectionEndpoint, a.id, a.secret, form)
	if err != nil {
		return nil, nil, fmt.Errorf("introspection as client %q: %w", a.id, err)
	}
	return parseAnswer(data)
}

// parseAnswer reads no more than "active" of an inactive token's answer.
func parseAnswer(data []byte) (*claims, map[string]any, error) {
	var state struct {
		Active *bool `json:"active"`
	}
	if err := jose.Decode(data, &state); err != nil {
		return nil, nil, fmt.Errorf("introspection answer: %w", err)
	}
	switch {
	case state.Active == nil:
		return nil, nil, errors.New(`introspection answer: no "active" in it`)
	case !*state.Active:
		return nil, nil, nil
	}
	c, all := &claims{}, map[string]any{}
	if err := errors.Join(jose.Decode(data, c), jose.Decode(data, &all)); err != nil {
		return nil, nil, fmt.Errorf("introspection answer: %w", err)
	}
	return c, all, nil
}
