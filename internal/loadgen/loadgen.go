// Package loadgen measures what operations cost a running server: whole code
// flows of a signed-in person, refreshes, introspections. It speaks HTTP to a
// process of its own and reads that process's CPU time from the kernel, so the
// generator's own work is not counted. A closed loop keeps so many requests
// under way and tells what an operation costs; an open loop sends at a rate,
// whatever comes back, and tells what people wait.
package loadgen

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Target is a running server and what is needed to use it.
type Target struct {
	URL      string
	Client   string // confidential, its redirect URI Callback, its consent remembered
	Secret   string
	Callback string
	Scope    string
	Cookies  []*http.Cookie // of the signed-in browser
	HTTP     *http.Client
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// Tokens are an answer of the token endpoint.
type Tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// Code asks for a code as the signed-in person.
func (t *Target) Code(ctx context.Context) (string, error) {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {t.Client}, "redirect_uri": {t.Callback}, "scope": {t.Scope}, "state": {"bench"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "nonce": {"bench"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL+"/authorize?"+q.Encode(), nil)
	if err != nil {
		return "", err
	}
	for _, c := range t.Cookies {
		req.AddCookie(c)
	}
	resp, err := t.HTTP.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || location.Query().Get("code") == "" {
		return "", fmt.Errorf("no code: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	return location.Query().Get("code"), nil
}

// Flow runs a whole code flow.
func (t *Target) Flow(ctx context.Context) (Tokens, error) {
	code, err := t.Code(ctx)
	if err != nil {
		return Tokens{}, err
	}
	return t.Redeem(ctx, code)
}

// Redeem turns a code into tokens.
func (t *Target) Redeem(ctx context.Context, code string) (Tokens, error) {
	return t.Token(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
}

// Refresh asks for a successor.
func (t *Target) Refresh(ctx context.Context, token string) (Tokens, error) {
	return t.Token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// Token posts to the token endpoint.
func (t *Target) Token(ctx context.Context, form url.Values) (out Tokens, err error) {
	return out, t.post(ctx, "/token", form, &out)
}

// Introspect asks about a token.
func (t *Target) Introspect(ctx context.Context, token string) error {
	var answer struct{ Active bool }
	err := t.post(ctx, "/introspect", url.Values{"token": {token}}, &answer)
	if err == nil && !answer.Active {
		return ErrInactive
	}
	return err
}

// ErrInactive is Introspect's answer for a token that doesn't count.
var ErrInactive = errors.New("the token is not active")

// Revoke ends a token.
func (t *Target) Revoke(ctx context.Context, token string) error {
	return t.post(ctx, "/revoke", url.Values{"token": {token}}, nil)
}

func (t *Target) post(ctx context.Context, path string, form url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(t.Client, t.Secret)
	resp, err := t.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// cpuOf reads a process's user and system time: proc(5), fields 14 and 15, in
// ticks of 10 ms.
func cpuOf(pid int) (time.Duration, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, errors.New("unexpected /proc/PID/stat")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// Memory is a process's resident set in MiB: proc(5), status, VmRSS.
func Memory(pid int) (float64, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// Signature times an RSA-2048 signature, the yardstick that makes runs on
// different machines comparable.
func Signature() (time.Duration, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, err
	}
	digest := sha256.Sum256([]byte("yardstick"))
	const times = 200
	before, err := cpuOf(os.Getpid())
	if err != nil {
		return 0, err
	}
	for range times {
		if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]); err != nil {
			return 0, err
		}
	}
	after, err := cpuOf(os.Getpid())
	return (after - before) / times, err
}
