package test

import (
	"bufio"
	"context"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/valetkey/valetkey/test/harness"
)

// left says whether TEST_SKIP leaves a part out.
func left(part string) bool {
	return strings.Contains(","+os.Getenv("TEST_SKIP")+",", ","+part+",")
}

// TestGoClients drives the flow by golang.org/x/oauth2 and coreos/go-oidc.
func TestGoClients(t *testing.T) {
	srv := start(t)
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: "web", ClientSecret: harness.Secret, Endpoint: provider.Endpoint(), RedirectURL: harness.Callback,
		Scopes: []string{oidc.ScopeOpenID, "email", oidc.ScopeOfflineAccess},
	}
	v := oauth2.GenerateVerifier()
	page, err := srv.Browser(t).SignIn(config.AuthCodeURL("state", oauth2.S256ChallengeOption(v), oidc.Nonce("n")), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	token, err := config.Exchange(ctx, page.Location.Query().Get("code"), oauth2.VerifierOption(v))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: "web"}).Verify(ctx, raw)
	if err != nil || id.Nonce != "n" || id.VerifyAccessToken(token.AccessToken) != nil {
		t.Fatalf("ID token: %v %+v", err, id)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Email != "ada@example.com" || !info.EmailVerified || info.Subject != id.Subject {
		t.Fatalf("userinfo: %v %+v", err, info)
	}
	fresh, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil || fresh.AccessToken == token.AccessToken || fresh.RefreshToken == token.RefreshToken {
		t.Fatalf("refresh: %v", err)
	}
	machine := clientcredentials.Config{ClientID: "service", ClientSecret: harness.Secret, TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"orgs:read"}}
	if _, err := machine.Token(ctx); err != nil {
		t.Fatalf("client credentials: %v", err)
	}
}

// TestNodeClient drives the flow by npm's openid-client.
func TestNodeClient(t *testing.T) {
	if left("node") {
		t.Skip("TEST_SKIP leaves node out")
	}
	srv := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "node/openid_client.mjs", srv.URL, "web", harness.Secret, harness.Callback)
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatalf("node is needed; `make test` installs it: %v", err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("openid-client gave no address: %v", node.Wait())
	}
	if u, err := url.Parse(lines.Text()); err != nil || u.Query().Get("code_challenge") == "" {
		t.Fatalf("address %q: %v", lines.Text(), err)
	}
	page, err := srv.Browser(t).SignIn(lines.Text(), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	if _, err := io.WriteString(in, page.Location.String()+"\n"); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "done ") {
		t.Errorf("openid-client didn't finish: %q", lines.Text())
	}
	if err := node.Wait(); err != nil {
		t.Errorf("openid-client: %v", err)
	}
}
