package demo

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

//go:embed pages
var pages embed.FS

// App is Saleswave, a CRM that wants to see its users' organizations at
// O-stock. It keeps what it knows of each browser in memory.
type App struct {
	Self     string // its own address
	API      string // address of the Organization API
	Issuer   string
	Provider *oidc.Provider
	OAuth    oauth2.Config
	Clock    *Clock

	mu       sync.Mutex
	visitors map[string]*visitor
	page     *template.Template
}

// visitor is one browser's connection.
type visitor struct {
	mu            sync.Mutex
	state         string
	verifier      string
	nonce         string
	token         *oauth2.Token
	name          string
	organizations []Organization
	steps         []Step
	notice        string
}

// NewApp finds the server by its discovery document, as any client would.
func NewApp(ctx context.Context, self, api, issuer, clientID, clientSecret string, clock *Clock) (*App, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", issuer, err)
	}
	page, err := template.ParseFS(pages, "pages/app.html")
	if err != nil {
		return nil, err
	}
	return &App{
		Self: self, API: api, Issuer: issuer, Provider: provider, Clock: clock, page: page, visitors: map[string]*visitor{},
		OAuth: oauth2.Config{
			ClientID: clientID, ClientSecret: clientSecret, Endpoint: provider.Endpoint(), RedirectURL: self + "/callback",
			Scopes: []string{oidc.ScopeOpenID, "profile", "email", ScopeRead, oidc.ScopeOfflineAccess},
		},
	}, nil
}

// Handler is the app's site.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /connect", a.connect)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /load", a.act(a.load))
	mux.HandleFunc("POST /expire", a.act(a.expire))
	mux.HandleFunc("POST /revoke", a.act(a.revoke))
	mux.HandleFunc("POST /forget", a.act(a.forget))
	mux.Handle("GET /pages/", http.FileServerFS(pages))
	guard := http.NewCrossOriginProtection()
	return guard.Handler(mux)
}

const cookieName = "saleswave"

// visit finds the browser's visitor, or begins one.
func (a *App) visit(w http.ResponseWriter, r *http.Request) *visitor {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, err := r.Cookie(cookieName); err == nil {
		if v, ok := a.visitors[c.Value]; ok {
			return v
		}
	}
	if len(a.visitors) > 1000 {
		clear(a.visitors)
	}
	id := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	v := &visitor{}
	a.visitors[id] = v
	return v
}

func (a *App) home(w http.ResponseWriter, r *http.Request) {
	v := a.visit(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self' "+a.Issuer+"; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	err := a.page.Execute(w, map[string]any{
		"Connected": v.token != nil, "Name": v.name, "Organizations": v.organizations, "Steps": v.steps, "Notice": v.notice,
		"Issuer": a.Issuer, "API": a.API,
	})
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// connect begins: RFC 6749 §4.1.1 with PKCE, state and nonce.
func (a *App) connect(w http.ResponseWriter, r *http.Request) {
	v := a.visit(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.nonce, v.verifier = rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	target := a.OAuth.AuthCodeURL(v.state, oauth2.S256ChallengeOption(v.verifier), oidc.Nonce(v.nonce))
	v.notice, v.organizations = "", nil
	v.steps = []Step{{
		Title:    "Saleswave sends your browser to the server",
		Words:    "The authorization request. Saleswave keeps state, nonce and the PKCE verifier to itself; only the verifier's hash travels.",
		Request:  addressText(target),
		Response: "The server asks you to sign in and to allow it. Saleswave sees none of that, and never your password.",
	}}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// addressText breaks a long address into a line a parameter.
func addressText(address string) string {
	base, query, _ := strings.Cut(address, "?")
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s", base)
	separator := "?"
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		fmt.Fprintf(&b, "\n  %s%s=%s", separator, name, shortenIf(name, plain))
		separator = "&"
	}
	return b.String()
}

// callback ends what connect began: it checks state and iss, redeems the code
// and calls the API.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	v := a.visit(w, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	defer http.Redirect(w, r, "/", http.StatusSeeOther)
	q := r.URL.Query()
	back := Step{
		Title: "The server sends your browser back", Request: addressText(a.Self + r.URL.RequestURI()),
		Words: "The answer came through the browser, so Saleswave checks that state is the one it sent and iss is the server it asked.",
	}
	switch {
	case v.state == "" || q.Get("state") != v.state || q.Get("iss") != a.Issuer:
		v.notice = "That answer doesn't belong to a request of this browser. Nothing was done."
		return
	case q.Get("error") != "":
		back.Failed = true
		back.Response = "Saleswave got no code: " + q.Get("error") + ". It knows no more than before."
		v.steps, v.state = append(v.steps, back), ""
		v.notice = "You didn't allow it, so Saleswave has no access. You can connect at any time."
		return
	}
	back.Response = "Saleswave stores the code beside the state for a moment: code " + shorten(q.Get("code")) + ". Alone it is worth nothing: redeeming it takes Saleswave's secret and the PKCE verifier."
	v.steps, v.state = append(v.steps, back), ""
	if err := a.redeem(r.Context(), v, q.Get("code")); err != nil {
		v.notice = "Connecting failed: " + problemOf(err)
		return
	}
	a.load(r.Context(), v)
}

// redeem: RFC 6749 §4.1.3, then OpenID Connect Core §3.1.3.7 by go-oidc.
func (a *App) redeem(ctx context.Context, v *visitor, code string) error {
	rec := &recorder{next: http.DefaultTransport}
	token, err := a.OAuth.Exchange(record(ctx, rec), code, oauth2.VerifierOption(v.verifier))
	v.take(rec, "Saleswave redeems the code", "Server to server, with Saleswave's id and secret in the Authorization header and the PKCE verifier in the body. The answer holds the tokens; here is the access token, claim by claim.")
	if err != nil {
		return err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.Provider.VerifierContext(ctx, &oidc.Config{ClientID: a.OAuth.ClientID, Now: a.Clock.Now}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	if id.Nonce != v.nonce {
		return errors.New("the ID token's nonce is another request's")
	}
	v.token = token
	return a.greet(ctx, v)
}

// greet asks userinfo who connected.
func (a *App) greet(ctx context.Context, v *visitor) error {
	info, err := a.Provider.UserInfo(ctx, oauth2.StaticTokenSource(v.token))
	if err != nil {
		return err
	}
	var claims struct{ Name, Email string }
	if err := info.Claims(&claims); err != nil {
		return err
	}
	v.name = claims.Name
	return nil
}

func record(ctx context.Context, rec *recorder) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: rec, Timeout: 10 * time.Second})
}

// take moves what was recorded into the visitor's steps.
func (v *visitor) take(rec *recorder, title, words string) {
	for _, s := range rec.steps {
		s.Title, s.Words = title, words
		v.steps = append(v.steps, s)
	}
}

// act runs one of the buttons.
func (a *App) act(do func(context.Context, *visitor)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := a.visit(w, r)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.notice = ""
		if v.token != nil {
			do(r.Context(), v)
		}
		http.Redirect(w, r, "/#latest", http.StatusSeeOther)
	}
}

// load asks the API; on 401 it refreshes once and asks again.
func (a *App) load(ctx context.Context, v *visitor) {
	status, err := a.call(ctx, v)
	if err == nil && status == http.StatusUnauthorized {
		if err = a.refresh(ctx, v); err == nil {
			_, err = a.call(ctx, v)
		}
	}
	if err != nil && v.notice == "" {
		v.notice = "Loading the organizations failed: " + problemOf(err)
	}
}

// call: RFC 6750 §2.1.
func (a *App) call(ctx context.Context, v *visitor) (int, error) {
	rec := &recorder{next: http.DefaultTransport}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.API+"/organizations", nil)
	if err != nil {
		return 0, err
	}
	v.token.SetAuthHeader(req)
	resp, err := (&http.Client{Transport: rec, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	words := "The Organization API checks the token by itself, against the server's public keys, and answers."
	if resp.StatusCode == http.StatusUnauthorized {
		words = "The access token has expired, so the API refuses it and says why. Your organizations stay closed."
	}
	v.take(rec, "Saleswave asks the Organization API", words)
	v.organizations = nil
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, nil
	}
	var answer struct{ Organizations []Organization }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return 0, err
	}
	v.organizations = answer.Organizations
	return resp.StatusCode, nil
}

// refresh: RFC 6749 §6. The user isn't asked.
func (a *App) refresh(ctx context.Context, v *visitor) error {
	rec := &recorder{next: http.DefaultTransport}
	fresh, err := a.OAuth.TokenSource(record(ctx, rec), &oauth2.Token{RefreshToken: v.token.RefreshToken}).Token()
	if err != nil {
		v.take(rec, "Saleswave asks for a new access token", "The refresh token isn't good any more, because the access was taken back. Only you can give it again.")
		v.token, v.name = nil, ""
		v.notice = "Saleswave's access has ended: " + problemOf(err)
		return err
	}
	v.take(rec, "Saleswave gets a new access token", "With the refresh token, and without you. The refresh token is replaced too: each one works once.")
	v.token = fresh
	return nil
}

// expire moves the demo's clock past the access token's end, then loads.
func (a *App) expire(ctx context.Context, v *visitor) {
	a.Clock.Advance(11 * time.Minute)
	v.steps = append(v.steps, Step{
		Title: "Eleven minutes pass", Words: "The demo's clock was moved ahead for the server, the API and Saleswave. An access token lives ten minutes.",
	})
	a.load(ctx, v)
}

// revoke: RFC 7009, then what a refresh gets.
func (a *App) revoke(ctx context.Context, v *visitor) {
	rec := &recorder{next: http.DefaultTransport}
	if err := a.postRevocation(ctx, rec, v.token.RefreshToken); err != nil {
		v.notice = "Revoking failed: " + problemOf(err)
		return
	}
	v.take(rec, "Saleswave gives its access back", "Revoking the refresh token ends everything that hangs off it.")
	_ = a.refresh(ctx, v) // shows that it fails; the notice says so
	v.organizations = nil
	v.notice = "Saleswave gave its access back. What it tries afterwards is refused."
}

func (a *App) postRevocation(ctx context.Context, rec *recorder, token string) error {
	var endpoints struct {
		Revocation string `json:"revocation_endpoint"`
	}
	if err := a.Provider.Claims(&endpoints); err != nil {
		return err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"refresh_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoints.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(a.OAuth.ClientID), url.QueryEscape(a.OAuth.ClientSecret))
	resp, err := (&http.Client{Transport: rec, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// forget starts over in this browser.
func (a *App) forget(_ context.Context, v *visitor) {
	v.token, v.name, v.organizations, v.steps = nil, "", nil, nil
}

// problemOf shortens an error to what the server said.
func problemOf(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return refused.ErrorCode + ": " + refused.ErrorDescription
	}
	return err.Error()
}
