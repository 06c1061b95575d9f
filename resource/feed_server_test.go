package resource_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/resource"
)

// fakeFeed is a server's revocation feed and the token endpoint before it.
type fakeFeed struct {
	mu      sync.Mutex
	entries []map[string]any
	news    chan struct{} // closed when an entry comes
	epoch   int           // a cursor of another one isn't understood
	tokens  map[string]bool
	asked   []string // the queries, in order
	given   int      // access tokens
	life    int
	status  int    // instead of an answer
	raw     string // instead of an answer
	now     func() time.Time
}

func newFakeFeed() *fakeFeed {
	return &fakeFeed{news: make(chan struct{}), tokens: map[string]bool{}, life: 600, now: func() time.Time { return start }}
}

func (f *fakeFeed) serveToken(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, secret, _ := r.BasicAuth(); id != "api%3A1" || secret != "s%2Fcret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("scope") != "revocations:read" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.given++
	token := fmt.Sprintf("feed-token-%d", f.given)
	f.tokens[token] = true
	writeJSON(w, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": f.life, "scope": "revocations:read"})
}

func (f *fakeFeed) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.URL.RawQuery)
	switch token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
	case !f.tokens[token]:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case f.status != 0:
		w.WriteHeader(f.status)
		return
	case f.raw != "":
		_, _ = w.Write([]byte(f.raw))
		return
	}
	q := r.URL.Query()
	since, _ := strconv.ParseInt(q.Get("since"), 10, 64)
	wait, _ := strconv.Atoi(q.Get("wait"))
	if q.Get("seen") == f.cursor() {
		f.waitForNews(r, time.Duration(wait)*time.Second)
	}
	var list []map[string]any
	for _, e := range f.entries {
		if e["at"].(int64) >= since {
			list = append(list, e)
		}
	}
	writeJSON(w, map[string]any{"now": f.now().Unix(), "since": since, "entries": list, "cursor": f.cursor()})
}

func (f *fakeFeed) cursor() string { return fmt.Sprintf("%d/%d", f.epoch, len(f.entries)) }

func (f *fakeFeed) waitForNews(r *http.Request, d time.Duration) {
	news := f.news
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-news:
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// revoke writes an entry: "token", "authorization" or "client_id", and when.
func (f *fakeFeed) revoke(what, name string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, map[string]any{what: name, "at": at.Unix()})
	close(f.news)
	f.news = make(chan struct{})
}

// restart forgets every access token and cursor.
func (f *fakeFeed) restart() { f.change(func() { f.epoch++; clear(f.tokens) }) }

func (f *fakeFeed) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

func (f *fakeFeed) state() (asked []string, given int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.asked...), f.given
}

func following(c *resource.Config) { introspecting(c); c.Revocations = true }

// direct is a connection without a network, for a bubble of fake time.
type direct struct{ s *authServer }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.Header = maps.Clone(r.Header)
	done := make(chan struct{})
	go func() { d.s.Handler.ServeHTTP(w, in); close(done) }()
	select {
	case <-done:
		return w.Result(), nil
	case <-r.Context().Done():
		<-done
		return nil, r.Context().Err()
	}
}
