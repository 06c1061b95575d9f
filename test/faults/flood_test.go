//go:build linux

package faults

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// visitor is a browser at an address of its own, with the sign-in form open.
type visitor struct {
	address, cookies string
	form             url.Values
}

func visit(t *testing.T, target *loadgen.Target, address string) visitor {
	t.Helper()
	b := harness.NewBrowser(t, target.URL)
	b.Header.Set("X-Forwarded-For", address)
	page, err := b.Get("/login")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(page.Body, `name="form" value="`)
	token, _, found := strings.Cut(after, `"`)
	if !found {
		t.Fatalf("no form at %s: %s", page.URL, page.Text())
	}
	var cookies []string
	for _, c := range b.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return visitor{address, strings.Join(cookies, "; "), url.Values{"form": {token}}}
}

// try sends the form and answers the status.
func (v visitor) try(c *http.Client, target *loadgen.Target, username, password string) (int, http.Header, error) {
	form := url.Values{"form": v.form["form"], "username": {username}, "password": {password}}
	req, err := http.NewRequest(http.MethodPost, target.URL+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-For", v.address)
	req.Header.Set("Cookie", v.cookies)
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header, resp.Body.Close()
}

// deviceOf signs in with a new browser and answers the cookie that names it.
func deviceOf(t *testing.T, p *harness.Process) string {
	t.Helper()
	b := harness.NewBrowser(t, "http://"+p.Address)
	if _, err := b.SignIn("/login", "ada", harness.Password); err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Cookies() {
		if strings.HasSuffix(c.Name, "device") {
			return c.Name + "=" + c.Value
		}
	}
	t.Fatalf("no cookie names the browser: %v", b.Cookies())
	return ""
}

// enters is somebody who knows the password and presses the button again when
// the server is busy; it answers how many tries it took.
func enters(t *testing.T, v visitor, target *loadgen.Target) int {
	t.Helper()
	for tries := 1; ; tries++ {
		status, _, err := v.try(target.HTTP, target, "ada", harness.Password)
		switch {
		case err == nil && status == http.StatusSeeOther:
			return tries
		case err != nil, status != http.StatusServiceUnavailable, tries == 10:
			t.Fatalf("somebody from elsewhere who knows the password: %d %v", status, err)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// flood counts what strangers are told, and after how long.
type flood struct {
	mu      sync.Mutex
	said    map[int]int
	refused []time.Duration
}

func (f *flood) note(status int, header http.Header, took time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said[status]++
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		f.refused = append(f.refused, took)
		if header.Get("Retry-After") == "" {
			return fmt.Errorf("%d without Retry-After", status)
		}
	case http.StatusUnauthorized:
	default:
		return fmt.Errorf("a stranger was told %d", status)
	}
	return nil
}

// patience is for a load that shares the server's cores: twice the time, and in
// the short form, whose seconds others on the machine may take, twelve. Behind
// hashes that don't give way it would be hundreds.
func patience(d time.Duration) time.Duration { return either[time.Duration](12, 2) * d }

// most is the part of all answers whose time is judged. The short form leaves a
// tenth out: who waits in line and is sent away when their five seconds are over
// was not refused slowly, and a slow machine has more of them.
func most() float64 { return either(0.9, 0.99) }

// TestSignInFlood: 3.7. Strangers from many addresses try names and passwords
// without end. They cost bounded memory and are refused at once; who has signed
// in before in the same browser does so again, and who comes from elsewhere too,
// once the flood's addresses have had their turns; and the apps of those who are
// signed in go on.
func TestSignInFlood(t *testing.T) {
	p := harness.NewProcess(t, harness.Binary(t), "VALETKEY_THROTTLE=on", "VALETKEY_TRUSTED_PROXIES=127.0.0.1/32")
	p.Start(t)
	target := p.Target(t)
	target.HTTP.Timeout = 20 * time.Second
	ctx := context.Background()
	strangers := make([]visitor, either(40, 100))
	for i := range strangers {
		strangers[i] = visit(t, target, fmt.Sprintf("192.0.2.%d", i+1))
	}
	var known []string // browsers in which ada has signed in before
	for range 8 {
		known = append(known, deviceOf(t, p))
	}
	const lines = 8
	tokens := make([]loadgen.Tokens, lines)
	for i := range tokens {
		var err error
		if tokens[i], err = target.Flow(ctx); err != nil {
			t.Fatal(err)
		}
	}
	pid := p.Cmd.Process.Pid
	idle, err := loadgen.Memory(pid)
	if err != nil {
		t.Fatal(err)
	}
	during := either(5*time.Second, 5*time.Minute)
	f := &flood{said: map[int]int{}}
	crowd := &http.Client{Timeout: 20 * time.Second, CheckRedirect: target.HTTP.CheckRedirect, Transport: &http.Transport{MaxIdleConnsPerHost: 512}}
	var meter loadgen.Meter
	var running sync.WaitGroup
	open := func(name string, rate float64, into *loadgen.Result, do loadgen.Operation) {
		running.Go(func() {
			var first error
			var once sync.Once
			r, err := meter.Open(ctx, name, rate, during, func(ctx context.Context, i int) error {
				err := do(ctx, i)
				if err != nil {
					once.Do(func() { first = err })
				}
				return err
			})
			if err != nil || r.Failed > 0 {
				t.Errorf("%s: %d of %d failed, the first: %v, %v", name, r.Failed, r.Count, first, err)
			}
			*into = r
		})
	}
	var tries, refreshes, introspections loadgen.Result
	open("sign-in", 500, &tries, func(_ context.Context, i int) error {
		began := time.Now()
		status, header, err := strangers[i%len(strangers)].try(crowd, target, rand.Text(), rand.Text())
		if err != nil {
			return err
		}
		return f.note(status, header, time.Since(began))
	})
	var turns [lines]sync.Mutex
	open("refresh", 50, &refreshes, func(ctx context.Context, i int) error {
		turns[i%lines].Lock()
		defer turns[i%lines].Unlock()
		fresh, err := target.Refresh(ctx, tokens[i%lines].Refresh)
		if err == nil {
			tokens[i%lines].Refresh = fresh.Refresh
		}
		return err
	})
	access := tokens[0].Access
	open("introspect", 200, &introspections, func(ctx context.Context, _ int) error { return target.Introspect(ctx, access) })

	peak, again, took := idle, 0, []time.Duration(nil)
	for began := time.Now(); time.Since(began) < during; time.Sleep(200 * time.Millisecond) {
		rss, err := loadgen.Memory(pid)
		if err != nil {
			t.Fatal(err)
		}
		peak = max(peak, rss)
		v := visit(t, target, fmt.Sprintf("198.51.100.%d", len(took)%250+1))
		mine := len(took)%2 == 1 || time.Since(began) < during/10
		if mine {
			v.cookies += "; " + known[len(took)%len(known)]
		}
		asked := time.Now()
		tries := enters(t, v, target)
		took, again = append(took, time.Since(asked)), again+tries-1
		if mine && tries > 1 {
			t.Errorf("a known browser was refused %d times", tries-1)
		}
	}
	running.Wait()
	slices.Sort(f.refused)
	at := func(part float64) time.Duration { return f.refused[int(part*float64(len(f.refused)-1))] }
	t.Logf("%d tries in %s, told %v; refused within %s (50 of 100) %s (90) %s (99) %s", tries.Count, tries.Elapsed.Round(time.Millisecond), f.said, at(0.5), at(0.9), at(0.99), at(1))
	slowest := slices.Max(took)
	t.Logf("%d signed in from elsewhere, the slowest within %s, %d of their tries were refused; refresh p50 %s p99 %s; introspection p50 %s p99 %s; idle %.0f MiB, at most %.0f",
		len(took), slowest, again, refreshes.Quantile(0.5), refreshes.Quantile(0.99), introspections.Quantile(0.5), introspections.Quantile(0.99), idle, peak)
	for _, row := range []struct {
		what      string
		took, may time.Duration
	}{
		{"a sign-in from elsewhere", slowest, either(9*time.Second, 3*time.Second)},
		{"a refusal", at(most()), patience(100 * time.Millisecond)},
		{"refresh", refreshes.Quantile(most()), patience(250 * time.Millisecond)},
		{"introspection", introspections.Quantile(most()), patience(50 * time.Millisecond)},
	} {
		if row.took > row.may {
			t.Errorf("%s takes %s, and may take %s", row.what, row.took, row.may)
		}
	}
	if peak > idle+200 {
		t.Errorf("%.0f MiB, idle %.0f", peak, idle)
	}
}
