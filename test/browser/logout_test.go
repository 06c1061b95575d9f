package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const town = people + `
clients:
  - {client_id: bank, client_secret: a secret for the bank, client_name: Bank, profile: compatible, redirect_uris: ["%[1]s/cb"], backchannel_logout_uri: "%[1]s/back"}
  - {client_id: shop, client_secret: a secret for the shop, client_name: Shop, profile: compatible, redirect_uris: ["%[1]s/cb"], backchannel_logout_uri: "http://127.0.0.1:9/back"}
  - {client_id: mail, client_secret: a secret for the mail, client_name: Mail, profile: compatible, redirect_uris: ["%[1]s/cb"], frontchannel_logout_uri: "%[1]s/front?a=1"}
  - {client_id: news, client_secret: a secret for the news, client_name: News, profile: compatible, redirect_uris: ["%[1]s/cb"], initiate_login_uri: "%[1]s/start", post_logout_redirect_uris: ["%[1]s/bye"]}
`

// village is an app's site: the addresses that were asked of it, with how.
type village struct {
	*httptest.Server

	answers, front, back chan *http.Request
}

func newVillage(t *testing.T) *village {
	v := &village{answers: make(chan *http.Request, 9), front: make(chan *http.Request, 9), back: make(chan *http.Request, 9)}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		switch r.URL.Path {
		case "/cb":
			v.answers <- r
		case "/front":
			v.front <- r
		case "/back":
			v.back <- r
			return
		}
		fmt.Fprint(w, "<title>App</title><p>At the app: "+r.URL.Path)
	}))
	t.Cleanup(v.Close)
	return v
}

// connect lets an app in and has it redeem its code, so that it is one of the
// session's.
func (v *village) connect(t *testing.T, ctx context.Context, issuer, app string) {
	t.Helper()
	q := url.Values{"response_type": {"code"}, "client_id": {app}, "redirect_uri": {v.URL + "/cb"}, "scope": {"openid photos:read"}, "state": {app}}
	do(t, ctx, chromedp.Navigate(issuer+"/authorize?"+q.Encode()))
	if strings.Contains(get(t, ctx, chromedp.Location()), "/login") {
		do(t, ctx, signIn("ada", "analytical engine"), chromedp.WaitNotPresent(chromedp.CSS("#login-form")))
	}
	if strings.Contains(get(t, ctx, chromedp.Location()), "/consent") {
		do(t, ctx, click("#consent-allow"))
	}
	do(t, ctx, see("At the app: /cb"))
	code := (<-v.answers).FormValue("code")
	resp, err := http.PostForm(issuer+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {v.URL + "/cb"}, "client_id": {app}, "client_secret": {"a secret for the " + app},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var tokens map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || tokens["access_token"] == nil {
		t.Fatalf("%s: %v %v", app, tokens, err)
	}
}

// TestLogout: apps are told by the server and by frames, the page says which
// were, and the browser goes on to the app that asked.
func TestLogout(t *testing.T) {
	v := newVillage(t)
	issuer := startServer(t, fmt.Sprintf(town, v.URL), "--fetch-allow-loopback")
	ctx := open(t)
	for _, app := range []string{"bank", "shop", "mail", "news"} {
		v.connect(t, ctx, issuer, app)
	}
	do(t, ctx, chromedp.Navigate(issuer+"/account/apps"), see("Open News"))
	everywhere(t, ctx, "apps-open")
	if href := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("main a.button").href`)); href != v.URL+"/start?iss="+url.QueryEscape(issuer) {
		t.Errorf("Open News leads to %s", href)
	}

	do(t, ctx, chromedp.Navigate(issuer+"/logout"), click("#logout-confirm"), visible("#logout-done"))
	for list, want := range map[string]string{"told": "Bank", "telling": "Mail", "untold": "Shop", "other": "News"} {
		if got := strings.TrimSpace(get(t, ctx, chromedp.TextContent(chromedp.CSS("#logout-"+list)))); got != want {
			t.Errorf("%s: %q, not %q", list, got, want)
		}
	}
	everywhere(t, ctx, "signed-out")
	if token := (<-v.back).FormValue("logout_token"); strings.Count(token, ".") != 2 {
		t.Errorf("the bank was told %q", token)
	}
	v.framed(t, issuer)

	// With an app that asked, the browser goes on once the frames are loaded.
	v.connect(t, ctx, issuer, "mail")
	asks := issuer + "/logout?client_id=news&state=s1&post_logout_redirect_uri=" + url.QueryEscape(v.URL+"/bye")
	began := time.Now()
	do(t, ctx, chromedp.Navigate(asks), click("#logout-confirm"), see("At the app: /bye"))
	if took := time.Since(began); took > 2500*time.Millisecond {
		t.Errorf("it waited for %s", took)
	}
	if at := get(t, ctx, chromedp.Location()); at != v.URL+"/bye?state=s1" {
		t.Errorf("it went to %s", at)
	}
	v.framed(t, issuer)

	// Without script the link does it.
	v.connect(t, ctx, issuer, "mail")
	do(t, ctx, script(false), chromedp.Navigate(asks), click("#logout-confirm"), visible("#logout-continue"))
	v.framed(t, issuer)
	do(t, ctx, click("#logout-continue"), see("At the app: /bye"), script(true))
}

// framed: Front-Channel Logout §2, the page was loaded in a frame, with iss and
// sid.
func (v *village) framed(t *testing.T, issuer string) {
	t.Helper()
	select {
	case r := <-v.front:
		if r.FormValue("iss") != issuer || len(r.FormValue("sid")) < 20 || r.FormValue("a") != "1" || r.Header.Get("Sec-Fetch-Dest") != "iframe" {
			t.Errorf("%s, %s", r.URL, r.Header.Get("Sec-Fetch-Dest"))
		}
	case <-time.After(5 * time.Second):
		t.Error("the front-channel page wasn't loaded")
	}
}

// script lets pages run scripts, or not.
func script(allowed bool) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !allowed})
		return err
	})
}
