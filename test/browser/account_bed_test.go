package browser

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// home signs somebody in to their account.
func (p *person) home(w *place, username string) {
	p.t.Helper()
	p.open(w.URL + "/account")
	p.at("/login")
	p.signsIn(username, password)
	p.at("/account")
}

// page opens one of the account's pages.
func (p *person) page(w *place, path string) {
	p.t.Helper()
	p.open(w.URL + path)
	p.at(path)
}

// shown is the text of an element.
func (p *person) shown(selector string) string {
	p.t.Helper()
	return strings.TrimSpace(get(p.t, p.ctx, chromedp.TextContent(chromedp.CSS(selector))))
}

// lacks checks what the page doesn't say.
func (p *person) lacks(texts ...string) {
	p.t.Helper()
	body := p.text()
	for _, text := range texts {
		if strings.Contains(body, text) {
			p.t.Fatalf("%q at %s:\n%s", text, p.address(), body)
		}
	}
}

// addsPasskey makes one on the account's page. Recovery codes are shown with the
// first, and once.
func (p *person) addsPasskey(w *place, name string) (codes []string) {
	p.t.Helper()
	p.page(w, "/account/security")
	p.press("#passkey-add")
	p.at("/account/passkeys/new")
	p.write("#passkey-name", name)
	p.press("#passkey-submit")
	return p.keepsCodes()
}

// beside takes another authenticator, whose passkeys are copied between devices,
// in the hand of who has one already.
func (a *authenticator) beside(meanwhile func()) {
	a.p.t.Helper()
	a.absent(func() {
		other := &authenticator{p: a.p, synced: true}
		other.add()
		meanwhile()
		call(a.p, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: other.id})
	})
}

// addsTOTP is addsPasskey for an authenticator app; it answers its key too.
func (p *person) addsTOTP(w *place, name string) (key string, codes []string) {
	p.t.Helper()
	p.page(w, "/account/totp/new")
	key = p.shown("#totp-key")
	p.write("#totp-otp", otp(p.t, key, w.Clock.Now()))
	p.write("#totp-name", name)
	p.press("#totp-submit")
	return key, p.keepsCodes()
}

// keepsCodes reads recovery codes where they are shown, and goes on.
func (p *person) keepsCodes() (codes []string) {
	p.t.Helper()
	if p.has("#recovery-codes") {
		codes = strings.Fields(p.shown("#recovery-codes"))
		p.press("#codes-done")
	}
	p.at("/account/security")
	return codes
}

// links adds an account at the provider "example".
func (p *person) links(w *place, who string) {
	p.t.Helper()
	p.page(w, "/account/security")
	p.press("#link-example")
	p.do(visible("#upstream-page"))
	p.press("#person-" + who)
	p.at("/link")
	p.press("#link-form-submit")
	p.at("/account/security")
}

// reader is an app that keeps its tokens: what it is let do can be tried.
type reader struct {
	*httptest.Server

	t      *testing.T
	w      *place
	id     string
	secret string
	state  string
	proof  string // code_verifier

	Access, Refresh, Scope string
}

// read registers such an app, which asks for consent.
func (w *place) read(id, name string) *reader {
	w.t.Helper()
	a := &reader{t: w.t, w: w, id: id}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cb", a.arrive)
	mux.HandleFunc("GET /favicon.ico", http.NotFound)
	a.Server = httptest.NewServer(mux)
	w.t.Cleanup(a.Close)
	made, err := w.Admin().CreateClient(context.Background(), valetkey.NewClient{ID: id, Verified: true, Metadata: oauth.Metadata{
		Name: name, Type: oauth.TypeWeb, Profile: oauth.ProfileCompatible, RedirectURIs: []string{a.URL + "/cb"}, HomepageURI: "https://" + id + ".example",
		InitiateLoginURI: "https://" + id + ".example/login",
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	a.secret = made.Secret
	return a
}

// letIn has a person sign in to it, and say yes.
func (a *reader) letIn(p *person, scope string) {
	p.t.Helper()
	a.state, a.proof, a.Access, a.Refresh = rand.Text(), rand.Text()+rand.Text(), "", ""
	sum := sha256.Sum256([]byte(a.proof))
	p.open(a.w.URL + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {a.id}, "redirect_uri": {a.URL + "/cb"}, "state": {a.state}, "scope": {scope},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	if p.address().Path == "/consent" {
		p.press("#consent-allow")
	}
	p.at("/cb")
	if p.sees("Back at " + a.id); a.Access == "" {
		p.t.Fatalf("%s has no token:\n%s", a.id, p.text())
	}
}

func (a *reader) arrive(w http.ResponseWriter, r *http.Request) {
	said := r.URL.Query().Get("error")
	if r.URL.Query().Get("state") == a.state && said == "" {
		said = a.fetch(url.Values{"grant_type": {"authorization_code"}, "code": {r.URL.Query().Get("code")}, "code_verifier": {a.proof}, "redirect_uri": {a.URL + "/cb"}})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>%s</title><main><h1>Back at %[1]s</h1><p>%[2]s</p></main>`, a.id, said)
}

// fetch asks for tokens and answers the error code, or nothing.
func (a *reader) fetch(form url.Values) string {
	form.Set("client_id", a.id)
	form.Set("client_secret", a.secret)
	resp, err := http.PostForm(a.w.URL+"/token", form)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var got struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Scope   string `json:"scope"`
		Error   string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return err.Error()
	}
	if got.Error == "" {
		a.Access, a.Refresh, a.Scope = got.Access, got.Refresh, got.Scope
	}
	return got.Error
}

// renews refreshes its access: RFC 6749 §6.
func (a *reader) renews() string {
	a.t.Helper()
	return a.fetch(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Refresh}})
}

// learns is what userinfo tells it; nil when it is refused: OpenID Connect Core §5.3.
func (a *reader) learns() (claims map[string]any) {
	a.t.Helper()
	req, err := http.NewRequest(http.MethodGet, a.w.URL+"/userinfo", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.Access)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&claims); err != nil {
		a.t.Fatal(err)
	}
	return claims
}

// portrait is a picture file of somebody's.
func portrait(t *testing.T) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 96, 96))
	for y := range 96 {
		for x := range 96 {
			c := color.RGBA{R: 0x2f, G: 0x6b, B: 0x8f, A: 0xff}
			if dx, dy := x-48, y-36; dx*dx+dy*dy < 400 || y > 64 && dx*dx < (y-50)*(y-50) {
				c = color.RGBA{R: 0xf0, G: 0xd9, B: 0xb5, A: 0xff}
			}
			m.Set(x, y, c)
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return written(t, "portrait.png", out.Bytes())
}

func written(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// download does something that gives a file, and reads it.
func (p *person) download(what action) (name string, content []byte) {
	p.t.Helper()
	dir := p.t.TempDir()
	mine := call(p, target.GetTargetInfo, target.GetTargetInfoParams{}).TargetInfo.BrowserContextID
	call(p, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: mine})
	p.changed = true
	p.do(what)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			p.t.Fatal(err)
		}
		if len(files) == 1 {
			content, err := os.ReadFile(files[0])
			if err != nil {
				p.t.Fatal(err)
			}
			if json.Valid(content) {
				return filepath.Base(files[0]), content
			}
		}
	}
	p.t.Fatalf("nothing is downloaded at %s:\n%s", p.address(), p.text())
	return "", nil
}

// fetched is what lies at an address, for whoever asks.
func fetched(t *testing.T, address string) (kind string, content []byte) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", address, resp.Status, err)
	}
	return resp.Header.Get("Content-Type"), content
}
