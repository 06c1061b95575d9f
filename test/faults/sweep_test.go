//go:build unix

package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// passing is something that is about to expire: it is good once at most, and
// only before its time.
type passing struct {
	use   func() (accepted bool, err error) // an error is what may never be said
	until time.Time
	taken atomic.Int64
}

// swept is a whole server and, on its database, another node that sweeps
// without end.
type swept struct {
	*harness.Server

	browser *harness.Browser
	other   *store.Store
	people  int // who got a letter
	hashing sync.Mutex
	pause   time.Duration // between two steps, for what takes long
}

func newSwept(t *testing.T, database string) *swept {
	t.Helper()
	s := &swept{Server: harness.Start(t, valetkey.Config{
		Database: database, MasterSecret: valetkey.NewMasterSecret(), ThrottleOff: true,
		Scopes:  []oauth.Scope{{Name: "orgs:read", Title: "See your organizations"}},
		Mailbox: true, Authenticators: append(valetkey.DefaultAuthenticators(), valetkey.Authenticator{Name: "email", Factor: 1, Order: 50}),
	})}
	if err := harness.Populate(s.Server); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: "tv", Metadata: oauth.Metadata{
		Name: "Television", Type: oauth.TypeNative, AuthMethod: oauth.AuthNone, GrantTypes: []string{oauth.GrantDeviceCode, oauth.GrantRefreshToken},
	}}); err != nil {
		t.Fatal(err)
	}
	s.browser = s.Browser(t)
	if page, err := s.browser.SignIn(s.authorize(""), "ada", harness.Password); err != nil || codeOf(page) == "" {
		t.Fatalf("sign-in: %v %+v", err, page)
	}
	var err error
	if s.other, err = store.Open(context.Background(), store.Config{Database: database, Issuer: s.URL, Now: s.Clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.other.Close() })
	return s
}

func codeOf(p *harness.Page) string {
	if p == nil || p.Location == nil {
		return ""
	}
	return p.Location.Query().Get("code")
}

func (s *swept) request(nonce string) url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {harness.Callback}, "scope": {"orgs:read"}, "nonce": {nonce},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
}

func (s *swept) authorize(nonce string) string { return "/authorize?" + s.request(nonce).Encode() }

// token asks at the token endpoint. Yes and no are answers, all else is wrong.
func (s *swept) token(form url.Values) (*harness.Answer, bool, error) {
	a, err := s.Call("/token", "web:"+harness.Secret, form)
	switch {
	case err != nil:
		return nil, false, err
	case a.Status == http.StatusOK || a.Status == http.StatusBadRequest && a.String("error") == "invalid_grant":
		return a, a.Status == http.StatusOK, nil
	}
	return nil, false, fmt.Errorf("%d %s", a.Status, a.Body)
}

func (s *swept) code(nonce string) (string, error) {
	page, err := s.browser.Get(s.authorize(nonce))
	if err != nil || codeOf(page) == "" {
		return "", fmt.Errorf("no code: %w %+v", err, page)
	}
	return codeOf(page), nil
}

func redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}}
}

// parked is a code that is too long to carry its own content: a row.
func (s *swept) parked() (*passing, error) {
	code, err := s.code(strings.Repeat("n", 900))
	if err != nil || len(code) > 200 {
		return nil, fmt.Errorf("a code of %d characters: %w", len(code), err)
	}
	return &passing{use: func() (bool, error) {
		_, accepted, err := s.token(redemption(code))
		return accepted, err
	}, until: s.Clock.Now().Add(time.Minute)}, nil
}

// refreshed is a refresh token, whose row is the authorization.
func (s *swept) refreshed() (*passing, error) {
	code, err := s.code("")
	if err != nil {
		return nil, err
	}
	a, _, err := s.token(redemption(code))
	if err != nil {
		return nil, err
	}
	token := a.String("refresh_token")
	first := sync.OnceValues(func() (bool, error) {
		_, accepted, err := s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		return accepted, err
	})
	var used atomic.Bool
	return &passing{use: func() (bool, error) {
		if used.Swap(true) { // a retry is answered, and rightly so
			return false, nil
		}
		return first()
	}, until: s.Clock.Now().Add(refreshLife)}, nil
}

// refreshLife is how long the refresh tokens of an app without offline_access
// last when nobody uses them.
const refreshLife = 90 * 24 * time.Hour

// pushed is a request that was pushed: RFC 9126 §2.2.
func (s *swept) pushed() (*passing, error) {
	a, err := s.Call("/par", "web:"+harness.Secret, s.request(""))
	if err != nil || a.Status != http.StatusCreated {
		return nil, fmt.Errorf("%+v %w", a, err)
	}
	open := "/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {a.String("request_uri")}}.Encode()
	return &passing{use: func() (bool, error) {
		page, err := s.browser.Get(open)
		switch {
		case err != nil:
			return false, err
		case codeOf(page) != "":
			return true, nil
		case page.Status == http.StatusBadRequest:
			return false, nil
		}
		return false, fmt.Errorf("%d %s", page.Status, page.Text())
	}, until: s.Clock.Now().Add(90 * time.Second)}, nil
}

// TestSweepBesideRedemption: case 336. While things expire and another node
// sweeps them away, each is either still taken or refused; none after its time,
// none twice, and nothing fails.
func TestSweepBesideRedemption(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "valetkey.db") },
		"postgres": func(t *testing.T) string { return testkit.Postgres(t) },
	} {
		if name == "postgres" && skips("postgres") {
			continue
		}
		for what, kind := range map[string]struct {
			begin func(*swept) (*passing, error)
			count int
		}{
			"code":    {(*swept).parked, either(60, 1000)},
			"pushed":  {(*swept).pushed, either(60, 1000)},
			"refresh": {(*swept).refreshed, either(60, 1000)},
			"device":  {(*swept).device, either(60, 1000)},
			"sign-in": {(*swept).emailed, either(30, 300)}, // an account each
			"reset":   {(*swept).reset, either(30, 120)},   // and a password
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				s, begin := newSwept(t, database(t)), kind.begin
				s.pause = 20 * time.Millisecond
				if what == "reset" {
					s.pause = 150 * time.Millisecond
				}
				all := make([]*passing, kind.count)
				for i := range all {
					one, err := begin(s)
					if err != nil {
						t.Fatal(err)
					}
					all[i] = one
				}
				s.expire(t, all)
			})
		}
	}
}

// expire moves the clock over the time of all, some at a time.
func (s *swept) expire(t *testing.T, all []*passing) {
	t.Helper()
	const steps = 30
	s.Clock.Advance(all[0].until.Sub(s.Clock.Now()) - 4*time.Second)
	stop := make(chan struct{})
	var sweeping, using sync.WaitGroup
	sweeps := 0
	sweeping.Go(func() {
		for ; ; sweeps++ {
			if err := s.other.Sweep(context.Background()); err != nil {
				t.Errorf("sweep: %v", err)
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	for step := range steps {
		for i, p := range all {
			if i%steps != step && i%steps != step-2 { // and once more
				continue
			}
			using.Go(func() {
				before := s.Clock.Now()
				accepted, err := p.use()
				switch {
				case err != nil:
					t.Errorf("%s before its time: %v", p.until.Sub(before), err)
				case accepted && before.After(p.until):
					t.Errorf("taken %s after its time", before.Sub(p.until))
				case accepted:
					p.taken.Add(1)
				}
			})
		}
		s.Clock.Advance(250 * time.Millisecond)
		if step > steps*3/4 {
			s.Clock.Advance(7 * time.Minute) // its row goes
		}
		time.Sleep(s.pause)
	}
	using.Wait()
	close(stop)
	sweeping.Wait()
	taken := 0
	for _, p := range all {
		switch p.taken.Load() {
		case 0:
		case 1:
			taken++
		default:
			t.Error("taken twice")
		}
	}
	if taken == 0 || taken == len(all) {
		t.Errorf("%d of %d were taken: none was near its time", taken, len(all))
	}
	t.Logf("%d of %d were taken beside %d sweeps", taken, len(all), sweeps)
}
