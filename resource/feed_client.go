package resource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const (
	feedPath  = "/api/v1/revocations"
	feedScope = "revocations:read"
	feedWait  = 25 * time.Second // how long the server may hold a question back
	maxFeed   = 8 << 20

	// feedOverlap, in seconds, is asked for again: an entry may be written later
	// than one with a later time.
	feedOverlap = 30
)

// cursor is how far the feed was read: the server's clock, and what it gave us
// to tell it by.
type cursor struct {
	now  int64
	seen string
}

// ask asks once, with a new access token if the one in hand is refused. The
// first question is answered at once; so is one without patience, by which we
// learn after a failure that the server is there.
func (f *feed) ask(ctx context.Context, at cursor, patient bool) (cursor, int, error) {
	next, news, err := f.poll(ctx, at, patient)
	if status := (*statusError)(nil); errors.As(err, &status) && status.status == http.StatusUnauthorized {
		f.forgetToken()
		return f.poll(ctx, at, patient)
	}
	return next, news, err
}

func (f *feed) poll(ctx context.Context, at cursor, patient bool) (next cursor, news int, err error) {
	wait := time.Duration(0)
	if patient && at.now != 0 {
		wait = feedWait
	}
	ctx, cancel := context.WithTimeout(ctx, wait+fetchTimeout)
	defer cancel()
	token, err := f.accessToken(ctx)
	if err != nil {
		return at, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.address(at, wait), nil)
	if err != nil {
		return at, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	data, _, err := f.server.do(f.server.patient, req, maxFeed)
	if err != nil {
		return at, 0, err
	}
	return f.read(data)
}

func (f *feed) address(at cursor, wait time.Duration) string {
	address := strings.TrimSuffix(f.c.Issuer, "/") + feedPath
	if at.now == 0 {
		return address
	}
	query := url.Values{"since": {strconv.FormatInt(at.now-feedOverlap, 10)}, "wait": {strconv.Itoa(int(wait / time.Second))}}
	if at.seen != "" {
		query.Set("seen", at.seen)
	}
	return address + "?" + query.Encode()
}

func (f *feed) read(data []byte) (next cursor, news int, err error) {
	var answer struct {
		Now     jose.NumericDate `json:"now"`
		Cursor  string           `json:"cursor"`
		Entries []revocation     `json:"entries"`
	}
	if err := jose.DecodeUpTo(maxFeed, data, &answer); err != nil {
		return next, 0, fmt.Errorf("revocation feed: %w", err)
	}
	if answer.Now == 0 {
		return next, 0, errors.New(`revocation feed: no "now" in the answer`)
	}
	news = f.revoked.add(answer.Entries)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answered = f.c.Now()
	return cursor{int64(answer.Now), answer.Cursor}, news, nil
}

// try asks once beside the goroutine, for Check.
func (f *feed) try(ctx context.Context) error {
	_, _, err := f.ask(ctx, cursor{}, false)
	return err
}

// accessToken is got by client_credentials (RFC 6749 §4.4) and renewed before
// it expires.
func (f *feed) accessToken(ctx context.Context) (string, error) {
	f.mu.Lock()
	token, renew := f.token, f.renew
	f.mu.Unlock()
	if token != "" && f.c.Now().Before(renew) {
		return token, nil
	}
	doc, err := f.server.metadata(ctx)
	switch {
	case err != nil:
		return "", err
	case doc.TokenEndpoint == "":
		return "", errors.New("the authorization server has no token endpoint")
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {feedScope}}
	data, err := f.server.post(ctx, doc.TokenEndpoint, f.c.ClientID, f.c.ClientSecret, form)
	if err != nil {
		return "", fmt.Errorf("access token for the revocation feed, as client %q: %w", f.c.ClientID, err)
	}
	return f.keepToken(data)
}

// keepToken reads RFC 6749 §5.1. A token goes at four fifths of its life.
func (f *feed) keepToken(data []byte) (string, error) {
	var answer struct {
		Token string           `json:"access_token"`
		Type  string           `json:"token_type"`
		Life  jose.NumericDate `json:"expires_in"`
	}
	if err := jose.Decode(data, &answer); err != nil {
		return "", fmt.Errorf("access token for the revocation feed: %w", err)
	}
	if !isB64Token(answer.Token) || !strings.EqualFold(answer.Type, schemeBearer) {
		return "", errors.New("access token for the revocation feed: the answer has no bearer token")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token, f.renew = answer.Token, f.c.Now().Add(time.Duration(answer.Life)*time.Second*4/5)
	return f.token, nil
}

func (f *feed) forgetToken() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token = ""
}
