//go:build unix

package faults

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// attend has a witness look at what a target is answered.
func attend(t *testing.T, target *loadgen.Target) {
	t.Helper()
	w := &witness{next: target.HTTP.Transport, said: map[int]int{}, firstOK: make(chan time.Time, 1)}
	target.HTTP.Transport = w
	t.Cleanup(func() {
		for _, text := range w.wrong {
			t.Error(text)
		}
	})
}

// TestNodesApart: case 328 and 3.5. Two nodes' clocks are 30 seconds apart, and
// nobody notices: codes, refresh tokens, access tokens and sessions of either
// are good at the other.
func TestNodesApart(t *testing.T) {
	t.Parallel()
	for _, offset := range []string{"30s", "-30s"} {
		t.Run(offset, func(t *testing.T) {
			t.Parallel()
			_, url := postgres(t)
			both := nodes(t, harness.Binary(t, "failpoints"), url, "--test-clock-offset="+offset)
			signedInAtSecond(t, both)
			attend(t, both[0])
			attend(t, both[1])
			var running sync.WaitGroup
			for worker := range 4 {
				running.Go(func() {
					for i := range either(10, 1000) {
						if err := across(both[(worker+i)%2], both[(worker+i+1)%2]); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
		})
	}
}

// signedInAtSecond has half of the workers use a session of the second node's.
func signedInAtSecond(t *testing.T, both [2]*loadgen.Target) {
	t.Helper()
	browser := harness.NewBrowser(t, both[1].URL)
	browser.Use(both[1].HTTP.Transport)
	page, err := browser.SignIn("/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {both[1].Client}, "redirect_uri": {both[1].Callback}, "scope": {both[1].Scope},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil || page.Location.Query().Get("code") == "" {
		t.Fatalf("sign-in at the second node: %v %+v", err, page)
	}
	both[0].Cookies = browser.Cookies() // each asks with the other's
}

// across is a flow of which each step is made at the other node.
func across(here, there *loadgen.Target) error {
	ctx := context.Background()
	code, err := here.Code(ctx)
	if err != nil {
		return err
	}
	tokens, err := there.Redeem(ctx, code)
	if err != nil {
		return fmt.Errorf("a code of the other node: %w", err)
	}
	for i := range 4 {
		at := []*loadgen.Target{here, there}[i%2]
		if err := at.Introspect(ctx, tokens.Access); err != nil {
			return fmt.Errorf("a token of the other node: %w", err)
		}
		if tokens, err = at.Refresh(ctx, tokens.Refresh); err != nil {
			return fmt.Errorf("a refresh token of the other node: %w", err)
		}
	}
	if err := here.Revoke(ctx, tokens.Refresh); err != nil {
		return err
	}
	if err := there.Introspect(ctx, tokens.Access); err == nil {
		return fmt.Errorf("a token that the other node revoked is active")
	}
	if _, err := there.Redeem(ctx, code); !refused(err) {
		return fmt.Errorf("a code was redeemed twice: %w", err)
	}
	return nil
}

// traveller is a server whose clock moves at each start, and what was used and
// given out so far.
type traveller struct {
	*harness.Process
	*loadgen.Target

	offset time.Duration
	key    *harness.Key
	totp   string // the key of bob's app
	used   []used
	tokens []loadgen.Tokens
}

// used is what must never be good again.
type used struct {
	what  string
	again func() error // nil when it was accepted
}

func (v *traveller) now() time.Time { return time.Now().Add(v.offset) }

// start moves the clock.
func (v *traveller) start(t *testing.T, offset time.Duration) {
	t.Helper()
	if v.Cmd != nil {
		if err := v.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	v.offset = offset
	v.Arguments = []string{"--test-clock-offset=" + offset.String()}
	v.Start(t)
}

// say posts a form and reads the answer. No answer may be a fault of the
// server's, and no time in it negative.
func (v *traveller) say(t *testing.T, path string, form url.Values, headers ...string) *harness.Answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, v.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if form.Get("client_assertion") == "" {
		req.SetBasicAuth(v.Client, v.Secret)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	a, err := harness.DoBy(v.HTTP, req)
	if err != nil {
		t.Fatal(err)
	}
	if in, given := a.JSON["expires_in"].(float64); given && (in <= 0 || in > 600) {
		t.Errorf("%s: %s: expires_in %v", v.offset, path, in)
	}
	return a
}

func errorOf(a *harness.Answer) error {
	if a.Status == http.StatusOK {
		return nil
	}
	return fmt.Errorf("%d %s", a.Status, a.Body)
}

// live does at this time everything that works once, and keeps it.
func (v *traveller) live(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	for range 3 {
		code, err := v.Code(ctx)
		if err != nil {
			t.Fatalf("%s: %v", v.offset, err)
		}
		proof, err := v.key.Proof(http.MethodPost, v.URL+"/token", v.now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := v.Redeem(ctx, code)
		if err != nil {
			t.Fatalf("%s: %v", v.offset, err)
		}
		v.spend(t, "code", func() error { _, err := v.Redeem(ctx, code); return err })
		// The code's second use ended all that came of it.
		if err := v.Introspect(ctx, tokens.Access); err == nil {
			t.Errorf("%s: a token of a code that was used twice is active", v.offset)
		}
		tokens, err = v.Flow(ctx)
		if err != nil {
			t.Fatalf("%s: %v", v.offset, err)
		}
		if tokens, err = v.Refresh(ctx, tokens.Refresh); err != nil {
			t.Fatalf("%s: %v", v.offset, err)
		}
		if err := v.Introspect(ctx, tokens.Access); err != nil {
			t.Fatalf("%s: %v", v.offset, err)
		}
		v.tokens = append(v.tokens, tokens)
		bound := func() error {
			return errorOf(v.say(t, "/token", v.asserted(t, nil), "DPoP", proof))
		}
		if err := bound(); err != nil {
			t.Fatalf("%s: a proof: %v", v.offset, err)
		}
		v.spend(t, "proof", bound)
		form := v.asserted(t, nil)
		byAssertion := func() error { return errorOf(v.say(t, "/token", form)) }
		if err := byAssertion(); err != nil {
			t.Fatalf("%s: an assertion: %v", v.offset, err)
		}
		v.spend(t, "assertion", byAssertion)
	}
}

// spend notes what was used, and that it is.
func (v *traveller) spend(t *testing.T, what string, again func() error) {
	t.Helper()
	v.used = append(v.used, used{fmt.Sprintf("%s of %s", what, v.offset), again})
	if again() == nil {
		t.Errorf("%s: a %s was good twice", v.offset, what)
	}
}

// asserted is a token request of the client that signs for itself.
func (v *traveller) asserted(t *testing.T, change map[string]any) url.Values {
	t.Helper()
	now := v.now()
	text, err := v.key.JWT("", harness.Merge(map[string]any{
		"iss": "job", "sub": "job", "aud": v.URL, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}, change))
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {text},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

// code is what an authenticator app shows: RFC 6238.
func (v *traveller) code(t *testing.T) string {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(v.totp, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, raw)
	_ = binary.Write(mac, binary.BigEndian, v.now().Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

func (v *traveller) twoFactors() string {
	return "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {v.Client}, "redirect_uri": {v.Callback}, "scope": {v.Scope}, "acr_values": {"2"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode()
}

// enrol gives bob an authenticator app; the code that proves it is used.
func (v *traveller) enrol(t *testing.T) {
	t.Helper()
	v.CLI(t, harness.Password+"\n", nil, "user", "create", "--username", "bob", "--password-stdin")
	browser := harness.NewBrowser(t, v.URL)
	page, err := browser.SignIn(v.twoFactors(), "bob", harness.Password)
	if err != nil {
		t.Fatal(err)
	}
	if v.totp = page.TextOf("totp-key"); v.totp == "" {
		t.Fatalf("no second factor is set up at %s: %s", page.URL, page.Text())
	}
	code := v.code(t)
	if page, err = browser.Submit(page, "totp-form", "totp-submit", url.Values{"otp": {code}}); err != nil || page.TextOf("recovery-codes") == "" {
		t.Fatalf("%v %s", err, page.Text())
	}
	v.spend(t, "one-time code", func() error { return v.secondFactor(t, code) })
}

// secondFactor is bob's sign-in with a code.
func (v *traveller) secondFactor(t *testing.T, code string) error {
	t.Helper()
	browser := harness.NewBrowser(t, v.URL)
	page, err := browser.SignIn(v.twoFactors(), "bob", harness.Password)
	if err != nil || page.ByID("otp-form") == nil {
		t.Fatalf("%s: no second factor is asked for: %v %s", v.offset, err, page.Text())
	}
	after, err := browser.Submit(page, "otp-form", "otp-submit", url.Values{"otp": {code}})
	switch {
	case err != nil:
		t.Fatal(err)
	case after.Status >= 500:
		t.Errorf("%s: the second factor: %d", v.offset, after.Status)
	case after.ByID("otp-form") == nil:
		return nil
	}
	return fmt.Errorf("refused: %d", after.Status)
}

// look compares the server with what is known.
func (v *traveller) look(t *testing.T) {
	t.Helper()
	for _, u := range v.used {
		if u.again() == nil {
			t.Errorf("%s: the %s is good again", v.offset, u.what)
		}
	}
	for _, tokens := range v.tokens {
		exp := expiryOf(t, tokens.Access)
		active := v.Introspect(context.Background(), tokens.Access) == nil
		if over := v.now().Sub(exp); active && over > time.Minute {
			t.Errorf("%s: a token is active %s after its exp", v.offset, over)
		}
		a := v.say(t, "/introspect", url.Values{"token": {tokens.Access}})
		if a.Status != http.StatusOK {
			t.Errorf("%s: %s", v.offset, a.Body)
		}
	}
	for i, tokens := range v.tokens { // a person's access outlives any of this
		fresh, err := v.Refresh(context.Background(), tokens.Refresh)
		if err != nil {
			t.Errorf("%s: a refresh token: %v", v.offset, err)
			continue
		}
		if exp := expiryOf(t, fresh.Access); !exp.After(v.now()) || exp.After(v.now().Add(11*time.Minute)) {
			t.Errorf("%s: exp %s", v.offset, exp)
		}
		v.tokens[i].Refresh = fresh.Refresh
	}
}

func expiryOf(t *testing.T, token string) time.Time {
	t.Helper()
	content, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Exp int64 }
	if err := json.Unmarshal(content, &claims); err != nil {
		t.Fatal(err)
	}
	return time.Unix(claims.Exp, 0)
}

// TestClockMoves: case 328 and 3.5. A server starts with its clock an hour ahead,
// an hour back and right again: nothing fails, what was used stays used, and no
// token is good longer than it says.
func TestClockMoves(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, p *harness.Process) {
		v := &traveller{Process: p}
		v.start(t, 0)
		v.Target = v.Process.Target(t)
		attend(t, v.Target)
		v.register(t)
		v.enrol(t)
		for i, offset := range []time.Duration{0, time.Hour, -time.Hour, 0, 90 * time.Second, -90 * time.Second} {
			if i > 0 {
				v.start(t, offset)
				v.look(t)
			}
			v.live(t)
			if long() {
				time.Sleep(65 * time.Second) // and is swept
			}
			v.quiet(t)
		}
	})
}

// register makes the client that signs for itself, and shows where the skew of
// its clock ends.
func (v *traveller) register(t *testing.T) {
	t.Helper()
	key, err := harness.NewKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	v.key = key
	file := filepath.Join(t.TempDir(), "job.json")
	if err := os.WriteFile(file, []byte(`{"token_endpoint_auth_method":"private_key_jwt","grant_types":["client_credentials"],"jwks":`+harness.JWKS(key)+`}`), 0o600); err != nil {
		t.Fatal(err)
	}
	v.CLI(t, "", nil, "client", "create", "--name", "Job", "--id", "job", "--type", "service", "--metadata", file, "--json")
	time.Sleep(time.Second)
	now := v.now()
	for ago, want := range map[time.Duration]int{57 * time.Second: http.StatusOK, 61 * time.Second: http.StatusUnauthorized} {
		form := v.asserted(t, map[string]any{"iat": now.Add(-ago - time.Minute).Unix(), "exp": now.Add(-ago).Unix()})
		if a := v.say(t, "/token", form); a.Status != want {
			t.Errorf("an assertion that ended %s ago: %d %s", ago, a.Status, a.Body)
		}
	}
}

// quiet: nothing in the log is a fault of the server's.
func (v *traveller) quiet(t *testing.T) {
	t.Helper()
	if err := v.Stop(); err != nil { // and its output is whole
		t.Error(err)
	}
	for line := range strings.Lines(v.Out.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") || strings.Contains(line, "failed") {
			t.Errorf("%s: %s", v.offset, line)
		}
	}
}
