package browser

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestStory: from Saleswave to the organizations, and what denying, expiry and
// revoking do.
func TestStory(t *testing.T) {
	d := startDemo(t)
	ctx := open(t)

	// Deny first.
	do(t, ctx, chromedp.Navigate(d.app), click("#connect"), see("Sign in"))
	look(t, ctx, "login")
	do(t, ctx, signIn("ada", "wrong password"), see("wrong"))
	do(t, ctx, signIn("ada", "analytical engine"), visible("#consent-form"), see("See your organizations"), see("Saleswave"))
	look(t, ctx, "consent")
	do(t, ctx, click("#consent-deny"), see("You didn't allow it"))

	// Then allow.
	do(t, ctx, click("#connect"), click("#consent-allow"), see("Analytical Engines Ltd"), see("Organizations of Ada Lovelace"))
	for _, text := range []string{
		"Saleswave sends your browser to the server", "The server sends your browser back", "Saleswave redeems the code",
		"grant_type=authorization_code", "client_id", "organizations:read", "Saleswave asks the Organization API", "200 OK",
	} {
		do(t, ctx, see(text))
	}
	look(t, ctx, "demo")
	if strings.Contains(bodyText(t, ctx), "analytical engine") {
		t.Error("the app knows the password")
	}

	// A token expires; the app refreshes without the person.
	do(t, ctx, click("#expire"), see("401 Unauthorized"), see("Saleswave gets a new access token"), see("Analytical Engines Ltd"))

	// The person takes the access back on the account page.
	do(t, ctx, chromedp.Navigate(d.server+"/account"), see("Ada Lovelace"))
	look(t, ctx, "account")
	do(t, ctx, chromedp.Navigate(d.server+"/account/apps"), see("Saleswave"))
	look(t, ctx, "account-apps")
	do(t, ctx, click("form[action='/account/apps/withdraw'] button"), see("No app may act for you"))

	// What the app meets then.
	do(t, ctx, chromedp.Navigate(d.app), click("#expire"), see("Saleswave's access has ended"), see("invalid_grant"), visible("#connect"))
	look(t, ctx, "demo-ended")

	// And when the app gives it back by itself.
	do(t, ctx, click("#connect"), click("#consent-allow"), see("Analytical Engines Ltd"), click("#revoke"), see("Saleswave gave its access back"), visible("#connect"))
}

// TestPortal: make an account, register an app with a logo, see its secret once,
// and read what went wrong.
func TestPortal(t *testing.T) {
	d := startDemo(t)
	ctx := open(t)
	logo := filepath.Join(t.TempDir(), "logo.png")
	writeLogo(t, logo)

	do(t, ctx, chromedp.Navigate(d.server+"/signup"), visible("#username"))
	look(t, ctx, "signup")
	do(t, ctx,
		fill("#username", "hedy"), fill("[name=name]", "Hedy Lamarr"), fill("[name=email]", "hedy@example.com"),
		fill("#password", "frequency hopping"), chromedp.Submit(chromedp.CSS("#password")),
		see("Hedy"),
		chromedp.Navigate(d.server+"/developer"), see("app"))
	look(t, ctx, "developer-empty")
	do(t, ctx, chromedp.Navigate(d.server+"/developer/apps/new"), visible("#app-form"))
	look(t, ctx, "developer-new")
	do(t, ctx,
		fill("#app-form [name=name]", "Torpedo Guidance"),
		fill("#app-form [name=description]", "Keeps signals on course"),
		fill("#app-form [name=homepage]", "https://torpedo.example"),
		fill("#callbacks", "https://torpedo.example/cb"),
		chromedp.SetUploadFiles(chromedp.CSS("#app-form [type=file]"), []string{logo}),
		chromedp.Submit(chromedp.CSS("#app-form")), visible("#client-secret"), see("Torpedo Guidance"))
	look(t, ctx, "developer-secret")
	id := get(t, ctx, chromedp.TextContent(chromedp.CSS("#client-id")))
	secret := get(t, ctx, chromedp.TextContent(chromedp.CSS("#client-secret")))
	if len(strings.TrimSpace(id)) < 16 || len(strings.TrimSpace(secret)) < 40 {
		t.Fatalf("client id %q, secret %q", id, secret)
	}
	id = strings.TrimSpace(id)

	// A wrong callback address: a page that teaches, and the portal tells its owner.
	do(t, ctx, chromedp.Navigate(d.server+"/authorize?response_type=code&client_id="+id+"&redirect_uri=https://torpedo.example/cb/&scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"),
		visible("#error-page"))
	look(t, ctx, "error")
	do(t, ctx, chromedp.Navigate(d.server+"/developer/apps/"+id), see("https://torpedo.example/cb/"), see("trailing slash"))
	if strings.Contains(bodyText(t, ctx), strings.TrimSpace(secret)) {
		t.Error("the secret is shown twice")
	}
	look(t, ctx, "developer-app")
}

// TestKeyboard signs in and allows by keys alone.
func TestKeyboard(t *testing.T) {
	d := startDemo(t)
	ctx := open(t)
	do(t, ctx, chromedp.Navigate(d.app), click("#connect"), visible("#login-form"))
	tabTo(t, ctx, "username")
	do(t, ctx, chromedp.KeyEvent("grace"))
	tabTo(t, ctx, "password")
	do(t, ctx, chromedp.KeyEvent("nanosecond wire"), chromedp.KeyEvent(kb.Enter), visible("#consent-form"))
	tabTo(t, ctx, "consent-allow")
	if get(t, ctx, chromedp.Evaluate[string](`getComputedStyle(document.activeElement).outlineStyle`)) == "none" {
		t.Error("the focus is invisible")
	}
	do(t, ctx, chromedp.KeyEvent(kb.Enter), see("Organizations of Grace Hopper"))
}

// tabTo presses Tab until the element with an id has the focus.
func tabTo(t *testing.T, ctx context.Context, id string) {
	t.Helper()
	for range 30 {
		if get(t, ctx, chromedp.Evaluate[string](`document.activeElement ? document.activeElement.id : ""`)) == id {
			return
		}
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
	}
	t.Fatalf("Tab doesn't reach #%s", id)
}

func writeLogo(t *testing.T, path string) {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 600, 600))
	for x := range 600 {
		for y := range 600 {
			if (x-300)*(x-300)+(y-300)*(y-300) < 250*250 {
				picture.Set(x, y, color.RGBA{R: 20, G: 90, B: 160, A: 255})
			}
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, picture); err != nil {
		t.Fatal(err)
	}
}
