package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/valetkey/valetkey/oauth"
)

// loginCmd is a client like any other's: it knows no more of a server than its
// discovery document tells.
type loginCmd struct {
	jsonFlag

	ClientID          string   `name:"client-id" help:"Client id of the app to sign in to." required:""`
	ClientSecretStdin bool     `help:"Read the app's secret from standard input."`
	Scope             string   `help:"Scopes to ask for, separated by spaces." default:"openid"`
	Resource          []string `help:"API that the token is for; may be repeated." sep:"none" placeholder:"URL"`
	Device            bool     `help:"Sign in with a browser on another device."`
	NoBrowser         bool     `help:"Print the address and open nothing."`
	ListenPort        uint16   `help:"Port for the answer; default: a free one." placeholder:"N"`
	CAFile            string   `name:"ca-file" help:"Certificates (PEM) to trust beside the system's." type:"path" placeholder:"FILE"`
}

// Run signs somebody in and prints the tokens.
func (k *loginCmd) Run(ctx context.Context, s *Settings, c console) error {
	if err := judgeRemote(s.Issuer); err != nil {
		return usageError{fmt.Errorf("%s: issuer: %w", s.Config.origin("issuer"), err)}
	}
	p, err := k.party(s.Issuer, c)
	if err != nil {
		return err
	}
	if p.about, err = discover(ctx, p.web, s.Issuer); err != nil {
		return err
	}
	var got tokens
	if k.Device {
		got, err = p.device(ctx, c)
	} else {
		got, err = p.browse(ctx, c, k.ListenPort, !k.NoBrowser)
	}
	if err != nil {
		return err
	}
	return k.print(c, got.raw, got.describe)
}

// party is the client of one sign-in: OpenID Connect calls it a relying party.
type party struct {
	web      *http.Client
	about    about
	issuer   string
	id       string
	secret   string
	inBody   bool // the secret goes into the body, not into a header
	scope    string
	resource []string
	wait     func(context.Context, time.Duration) error
}

func (k *loginCmd) party(issuer string, c console) (*party, error) {
	p := &party{issuer: issuer, id: k.ClientID, scope: strings.Join(strings.Fields(k.Scope), " "), resource: k.Resource, wait: wait}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.CAFile != "" {
		pool, err := systemAnd(k.CAFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("--ca-file: %w", err)}
		}
		trust.RootCAs = pool
	}
	if k.ClientSecretStdin {
		var err error
		if p.secret, err = readSecret(c); err != nil {
			return nil, err
		}
	}
	p.web = &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// judgeRemote judges the address of a server that may be anybody's: RFC 8414
// §2. Unlike ours it may have a path.
func judgeRemote(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return errors.New("it is missing: the address of the server, such as https://auth.example.com")
	case err != nil || u.Host == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("%q is not an address such as https://auth.example.com", issuer)
	}
	return judgeWeb(issuer)
}

// judgeWeb: what goes to and fro is secret, so it goes by https, or stays on
// this machine.
func judgeWeb(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%q is not a web address", address)
	case u.Scheme == "https", u.Scheme == "http" && oauth.IsLoopbackHost(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q must use https; http is for a loopback host only", address)
}

// tokens are what a sign-in ends with.
type tokens struct {
	raw     json.RawMessage // the answer as it came
	Access  string          `json:"access_token"`
	Type    string          `json:"token_type"`
	Expires float64         `json:"expires_in"`
	Refresh string          `json:"refresh_token"`
	ID      string          `json:"id_token"`
	Scope   *string         `json:"scope"` // absent: what was asked
	who     person
}

// person is who the ID token says it was.
type person struct {
	Subject string `json:"sub"`
	Name    string `json:"name"`
	Email   string `json:"email"`
}

func readTokens(body []byte, asked string) (tokens, error) {
	var t tokens
	if err := json.Unmarshal(body, &t); err != nil || t.Access == "" || t.Type == "" {
		return t, errors.New("the server's answer has no access_token and token_type")
	}
	if t.Scope == nil {
		t.Scope = &asked
	}
	t.raw = body
	return t, nil
}

// identify verifies the ID token, where one came: OpenID Connect Core §3.1.3.7.
func (p *party) identify(ctx context.Context, t *tokens, nonce string) error {
	if t.ID == "" {
		return nil
	}
	ctx = oidc.ClientContext(ctx, p.web)
	checker := oidc.NewVerifier(p.issuer, oidc.NewRemoteKeySet(ctx, p.about.JWKS), &oidc.Config{
		ClientID: p.id, SupportedSigningAlgs: p.about.idTokenAlgs(),
	})
	token, err := checker.Verify(ctx, t.ID)
	switch {
	case err != nil:
		return fmt.Errorf("the ID token is not to be trusted: %w", err)
	case token.Nonce != nonce:
		return errors.New("the ID token is not to be trusted: its nonce is of another sign-in")
	case token.AccessTokenHash != "" && token.VerifyAccessToken(t.Access) != nil:
		return errors.New("the ID token is not to be trusted: it belongs to another access token")
	}
	return token.Claims(&t.who)
}

func (t *tokens) describe(w io.Writer) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, plain(value))
		}
	}
	line("signed in", t.who.Subject)
	line("name", t.who.Name)
	line("email", t.who.Email)
	line("scope", *t.Scope)
	line("token type", t.Type)
	if t.Expires > 0 {
		line("expires in", time.Duration(t.Expires*float64(time.Second)).Round(time.Second).String())
	}
	line("access token", t.Access)
	line("refresh token", t.Refresh)
	line("ID token", t.ID)
}

// plain makes what a server sent fit for a terminal: no control characters, no
// text that runs the other way.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, text)
}
