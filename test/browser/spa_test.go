package browser

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

const (
	spaExample = "../../examples/spa/"
	spaLibrary = "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"
)

// startPages serves examples/spa as it stands, but for its configuration, on a
// port of 127.0.0.1. A page without an app of its own is nobody's.
func startPages(t *testing.T, srv *valetkey.Server, clientID string, dpop, registered bool) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(spaExample)))
	mux.HandleFunc("/"+spaLibrary, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "../node/"+spaLibrary) })
	mux.HandleFunc("/config.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprintf(w, "export const authority = %q, client_id = %q, dpop = %t\n", srv.Issuer, clientID, dpop)
	})
	pages := httptest.NewServer(mux)
	t.Cleanup(pages.Close)
	if !registered {
		return pages.URL
	}
	here := []string{pages.URL + "/"}
	_, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: clientID, Metadata: oauth.Metadata{
		Name: "A page", Type: oauth.TypeSPA, RedirectURIs: here, PostLogoutRedirectURIs: here, BoundDPoP: dpop,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return pages.URL
}

// startSPAServer is a server on localhost, so that cookies of 127.0.0.1 never
// reach it.
func startSPAServer(t *testing.T) *valetkey.Server {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	srv, err := valetkey.New(context.Background(), valetkey.Config{Issuer: issuer, DPoPNonce: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	front := &http.Server{Handler: srv}
	go func() { _ = front.Serve(listener) }()
	t.Cleanup(func() {
		_ = front.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err = srv.Admin().CreateUser(t.Context(), valetkey.NewUser{Username: "ada", Name: "Ada Lovelace", Email: "ada@example.com", Password: "analytical engine"})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// TestSPA: examples/spa, which is npm's oidc-client-ts, from another origin:
// signs in by redirect, asks, renews, gives back and signs out, with plain
// tokens and with bound ones.
func TestSPA(t *testing.T) {
	if strings.Contains(","+os.Getenv("TEST_SKIP")+",", ",browser,") {
		t.Skip("TEST_SKIP leaves the browser out")
	}
	srv := startSPAServer(t)
	ctx := open(t)
	for clientID, kind := range map[string]string{"plain": "Bearer", "bound": "DPoP"} {
		page := startPages(t, srv, clientID, kind == "DPoP", true)
		do(t, ctx, chromedp.Navigate(page+"/"), see("Nobody is signed in"),
			click("#sign-in"), signIn("ada", "analytical engine"), click("#consent-allow"), see("Signed in as "), see("with the "+kind+" token"))
		if at := get(t, ctx, chromedp.Location()); at != page+"/" {
			t.Errorf("%s: at %s", clientID, at)
		}
		if text := bodyText(t, ctx); kind == "Bearer" && !strings.Contains(text, "Ada Lovelace") {
			t.Errorf("user info wasn't loaded: %s", text)
		}
		before := spaToken(t, ctx)
		do(t, ctx, click("#ask"), see("user info: {"), see(`"email": "ada@example.com"`),
			click("#renew"), see("renewed"))
		if after := spaToken(t, ctx); after == before || after == "" {
			t.Errorf("%s: the token %q was not renewed: %q", clientID, before, after)
		}
		do(t, ctx, click("#ask"), see("user info: {"), see(`"email": "ada@example.com"`),
			click("#revoke"), see("given back"), click("#ask"), see("refused: 401"))

		// Signed in again without a page but consent's, then out at both.
		do(t, ctx, click("#sign-in"), visible("#consent-form"), click("#consent-allow"), see("Signed in as "),
			click("#sign-out"), see("Nobody is signed in"), click("#sign-in"), visible("#login-form"))
		if !strings.HasPrefix(get(t, ctx, chromedp.Location()), srv.Issuer+"/login") {
			t.Errorf("%s: not asked to sign in", clientID)
		}
	}
	strangers(t, ctx, srv, startPages(t, srv, "plain", false, false))
}

func spaToken(t *testing.T, ctx context.Context) string {
	t.Helper()
	_, id, _ := strings.Cut(get(t, ctx, chromedp.TextContent(chromedp.CSS("#who"))), " token ")
	return id
}

// strangers: a page of an origin that no app has reads what is public, and
// nothing else.
func strangers(t *testing.T, ctx context.Context, srv *valetkey.Server, page string) {
	t.Helper()
	do(t, ctx, chromedp.Navigate(page+"/"), see("Nobody is signed in"))
	for path, want := range map[string]string{"/.well-known/openid-configuration": "200", "/jwks": "200", "/userinfo": "TypeError", "/token": "TypeError", "/account": "TypeError"} {
		got := get(t, ctx, chromedp.Evaluate[string](fmt.Sprintf(`fetch(%q).then(r => String(r.status), e => e.name)`, srv.Issuer+path), chromedp.EvalAwaitPromise))
		if got != want {
			t.Errorf("%s reads %s: %s, want %s", page, path, got, want)
		}
	}
	do(t, ctx, click("#sign-in"), visible("#error-page"), see("redirect_uri"))
}
