package browser

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const workshop = people + `
clients:
  - {client_id: notes, client_secret: a secret that ada chose, client_name: Tidy notes, client_type: web, owner: ada, redirect_uris: ["%s/cb"], scope: openid photos:read}
  - {client_id: page, client_name: Page, client_type: spa, owner: ada, redirect_uris: ["https://page.example/cb"]}
  - {client_id: robot, client_secret: another that ada chose, client_name: Robot, client_type: service, owner: ada}
`

// callback stands for the app: it takes the answer and hands it on.
func callback(t *testing.T) (address string, answers chan string) {
	answers = make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cb" {
			answers <- "http://" + r.Host + r.URL.String()
		}
		fmt.Fprint(w, "<title>App</title><p>Back at the app")
	}))
	t.Cleanup(app.Close)
	return app.URL, answers
}

// TestPortalProfiles: a page of its own shows what each profile asks of an app,
// and says what a change ends before it is made.
func TestPortalProfiles(t *testing.T) {
	app, _ := callback(t)
	authorities := filepath.Join(t.TempDir(), "authorities.pem")
	if err := os.WriteFile(authorities, certificate(t), 0o600); err != nil {
		t.Fatal(err)
	}
	issuer := startServer(t, fmt.Sprintf(workshop, app), "--mtls-header", "X-Certificate", "--trusted-proxies", "127.0.0.1/32", "--mtls-ca-file", authorities)
	ctx := open(t)
	do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/notes"), signIn("ada", "analytical engine"), visible("#app-security"))
	everywhere(t, ctx, "portal-app")
	do(t, ctx, click("#app-security"), visible("#security-form"))
	everywhere(t, ctx, "security-oauth21")

	// The duties are those of the profile that is chosen, without script.
	for _, profile := range []string{"compatible", "fapi2", "oauth21"} {
		do(t, ctx, click("[name=profile][value="+profile+"]"))
		shown := get(t, ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("[id^=duties-]")].filter(l => l.checkVisibility()).map(l => l.id).join()`))
		if shown != "duties-"+profile {
			t.Errorf("%s chosen, %s shown", profile, shown)
		}
	}
	ends := chromedp.Evaluate[bool](`document.querySelector("fieldset:has([name=method]) > .ends").checkVisibility()`)
	if get(t, ctx, ends) {
		t.Error("it warns of nothing")
	}
	do(t, ctx, click("[value=client_secret_jwt]"))
	if !get(t, ctx, ends) {
		t.Error("it doesn't say that access ends")
	}
	do(t, ctx, click("[value=tls_client_auth]"), visible("#tls_name"), click("[name=profile][value=fapi2]"), chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => { d.open = true })`))
	everywhere(t, ctx, "security-fapi2")
	do(t, ctx, click("#security-submit"), see("Enter the name that stands in the certificate"), visible("#tls_name-error"))
	everywhere(t, ctx, "security-refused")
	do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/notes/security"), click("[value=client_secret_jwt]"), click("#security-submit"), visible("#client-secret"))
	everywhere(t, ctx, "security-secret")
	do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/new"), fill("#name", "Living room TV"), click("[value=native]"), click("#app-submit"), visible("[name=device]"))
	everywhere(t, ctx, "portal-new-device")
	do(t, ctx, click("[name=device]"), click("#app-submit"), visible("#client-id"), see("device_authorization"))
	for _, id := range []string{"page", "robot"} {
		do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/"+id+"/security"), visible("#security-form"))
		everywhere(t, ctx, "security-"+id)
	}
}

// certificate is of an authority that nobody has.
func certificate(t *testing.T) []byte {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, own.Public(), own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestPublishedApp: the host that publishes an app is in view when people sign
// in and when they are asked.
func TestPublishedApp(t *testing.T) {
	var site *httptest.Server
	site = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"client_id": site.URL + r.URL.Path, "client_name": "Your bank", "redirect_uris": []string{"http://localhost:3000/cb"},
		})
	}))
	t.Cleanup(site.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	issuer := startServer(t, people, "--fetch-allow-loopback", "--fetch-ca-file", roots)
	ctx := open(t)
	q := url.Values{
		"response_type": {"code"}, "client_id": {site.URL + "/app.json"}, "redirect_uri": {"http://localhost:3000/cb"}, "scope": {"openid photos:read"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	do(t, ctx, chromedp.Navigate(issuer+"/authorize?"+q.Encode()), visible("#client-host"), see("a program on your computer"))
	everywhere(t, ctx, "published-login")
	do(t, ctx, signIn("ada", "analytical engine"), visible("#consent-form"), visible("#client-host"), visible("#client-goes"))
	everywhere(t, ctx, "published-consent")
}

// TestPortalByKeyboard sets a profile and saves, by keys alone.
func TestPortalByKeyboard(t *testing.T) {
	app, _ := callback(t)
	issuer := startServer(t, fmt.Sprintf(workshop, app))
	ctx := open(t)
	do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/notes/security"), signIn("ada", "analytical engine"), visible("#security-form"))
	focused := chromedp.Evaluate[string](`(e => e.name + " " + e.value)(document.activeElement)`)
	for range 20 {
		if get(t, ctx, focused) == "profile oauth21" {
			break
		}
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
	}
	do(t, ctx, chromedp.KeyEvent(kb.ArrowDown))
	if got := get(t, ctx, focused); got != "profile compatible" {
		t.Fatalf("the arrow leads to %s", got)
	}
	tabTo(t, ctx, "security-submit")
	do(t, ctx, chromedp.KeyEvent(kb.Enter), see("Saved."), see("Compatible"))
}

// key is an app's own, with its public half as a set.
func key(t *testing.T, dir string, private crypto.Signer) (jwks string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	one := map[string]string{"kid": "mine"}
	switch public := private.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		one["kty"], one["crv"], one["x"], one["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		one["kty"], one["crv"], one["x"] = "OKP", "Ed25519", b64(public)
	case *rsa.PublicKey:
		one["kty"], one["n"], one["e"] = "RSA", b64(public.N.Bytes()), "AQAB"
	}
	text, err := json.Marshal(map[string]any{"keys": []any{one}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPortalSnippets sets each profile in the portal, pastes what it then shows
// into a shell and into Node, and gets tokens.
func TestPortalSnippets(t *testing.T) {
	app, answers := callback(t)
	issuer := startServer(t, fmt.Sprintf(workshop, app))
	ctx := open(t)
	dir := t.TempDir()
	if err := os.Symlink(absolute(t, "../node/node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/notes/security"), signIn("ada", "analytical engine"), visible("#security-form"))
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, small, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		key  crypto.Signer
		set  []string // what is clicked
		kind string   // of the tokens
		dpop bool
	}{
		{"plain", nil, nil, "Bearer", false},
		{"body", nil, []string{"[value=client_secret_post]"}, "Bearer", false},
		{"secret_jwt", nil, []string{"[value=client_secret_jwt]"}, "Bearer", false},
		{"private_key_jwt", short, []string{"[value=private_key_jwt]"}, "Bearer", false},
		{"eddsa", small, nil, "Bearer", false},
		{"signed", strong, []string{"[name=signed]"}, "Bearer", false},
		{"fapi2", short, []string{"[value=fapi2]"}, "DPoP", true}, // and signed still
		{"fapi2_pushed", strong, []string{"[name=signed]"}, "DPoP", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			secret := configure(t, ctx, issuer, dir, row.key, row.set)
			do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/notes"), visible("#app-profile"))
			shell, node := snippet(t, ctx, "curl"), snippet(t, ctx, "Node")
			paste(t, ctx, dir, secret, exec.Command("bash"), shell, answers, row.kind, row.dpop)
			if !strings.Contains(","+os.Getenv("TEST_SKIP")+",", ",node,") {
				paste(t, ctx, dir, secret, nodeScript(t, dir, node), "", answers, row.kind, false)
			}
		})
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// configure clicks on the security page and saves. It returns the secret that
// is good then.
func configure(t *testing.T, ctx context.Context, issuer, dir string, own crypto.Signer, set []string) string {
	t.Helper()
	do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/notes/security"), visible("#security-form"),
		chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => { d.open = true })`))
	if own != nil {
		do(t, ctx, chromedp.SetValue(chromedp.CSS("#jwks"), key(t, dir, own)))
	}
	for _, one := range set {
		do(t, ctx, click(one))
	}
	do(t, ctx, click("#security-submit"), chromedp.WaitNotPresent(chromedp.CSS("#security-form")))
	if text := get(t, ctx, chromedp.Evaluate[string](`document.getElementById("client-secret")?.textContent ?? ""`)); text != "" {
		return text
	}
	return "a secret that ada chose"
}

func snippet(t *testing.T, ctx context.Context, name string) string {
	t.Helper()
	return get(t, ctx, chromedp.Evaluate[string](`document.querySelector("pre[aria-label='`+name+`']").textContent`))
}

// nodeScript prints the address, reads where the browser came back to, and
// prints the tokens.
func nodeScript(t *testing.T, dir, text string) *exec.Cmd {
	t.Helper()
	text = strings.Replace(text, "// In the callback", `console.log(url.href)
import { createInterface } from "node:readline/promises"
const currentUrl = (await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next()).value
// In the callback`, 1) + "\nconsole.log(JSON.stringify(tokens))\nprocess.exit()\n"
	file := filepath.Join(dir, "app.mjs")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command("node", file)
}

// paste runs a program up to its tokens: it prints an address, which the person
// opens, and takes what comes back. What is typed into a shell it reads as a
// terminal would, so that a command which asks takes the lines after itself.
func paste(t *testing.T, ctx context.Context, dir, secret string, cmd *exec.Cmd, typed string, answers chan string, kind string, use bool) {
	t.Helper()
	cmd.Dir, cmd.Env = dir, os.Environ()
	if typed == "" {
		cmd.Env = append(cmd.Env, "CLIENT_SECRET="+secret)
	}
	var faults bytes.Buffer
	cmd.Stderr = &faults
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	printed := bufio.NewReader(out)
	line := func() string {
		text, err := printed.ReadString('\n')
		if err != nil && text == "" {
			rest, _ := io.ReadAll(printed)
			t.Fatalf("%v %s\n%s", err, rest, faults.String())
		}
		return strings.TrimSpace(text)
	}
	if fmt.Fprint(in, typed); strings.Contains(typed, "'client secret: '") {
		fmt.Fprintln(in, secret)
	}
	address := line()
	for !strings.HasPrefix(address, "http") {
		address = line()
	}
	do(t, ctx, chromedp.Navigate(address))
	if strings.Contains(get(t, ctx, chromedp.Location()), "/consent") {
		do(t, ctx, click("#consent-allow"))
	}
	do(t, ctx, see("Back at the app"))
	answer := <-answers
	fmt.Fprintln(in, answer)
	var tokens struct {
		Access string `json:"access_token"`
		Kind   string `json:"token_type"`
	}
	text := line()
	text = text[max(0, strings.Index(text, "{")):] // after the question
	if err := json.Unmarshal([]byte(text), &tokens); err != nil || tokens.Access == "" || !strings.EqualFold(tokens.Kind, kind) {
		t.Fatalf("%s\n%s", text, faults.String())
	}
	if use {
		if text := line(); !strings.Contains(text, `"sub"`) {
			t.Errorf("/userinfo: %s\n%s", text, faults.String())
		}
	}
}

// TestPortalDevice lets an app sign people in on another device and pastes what
// the portal shows for that.
func TestPortalDevice(t *testing.T) {
	app, _ := callback(t)
	issuer := startServer(t, fmt.Sprintf(workshop, app), "--dpop-nonce", "on")
	ctx := open(t)
	dir := t.TempDir()
	do(t, ctx, chromedp.Navigate(issuer+"/developer/apps/notes/security"), signIn("ada", "analytical engine"), visible("#security-form"))
	secret := configure(t, ctx, issuer, dir, nil, []string{"[value='urn:ietf:params:oauth:grant-type:device_code']", "[name=dpop]"})
	text := snippet(t, ctx, "curl, signing in on another device")
	cmd := exec.Command("bash")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	fmt.Fprintf(in, "%s%s\n", text, secret)
	shown := bufio.NewReader(out)
	if _, err := shown.ReadString('\n'); err != nil { // the questions
		t.Fatal(err)
	}
	printed := json.NewDecoder(shown)
	var answer struct {
		Complete string `json:"verification_uri_complete"`
	}
	if err := printed.Decode(&answer); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(answer.Complete), click("#device-submit"), click("#consent-allow"), visible("#device-done"))
	var tokens struct {
		Access string `json:"access_token"`
		Kind   string `json:"token_type"`
	}
	if err := printed.Decode(&tokens); err != nil || tokens.Access == "" || tokens.Kind != "DPoP" {
		t.Fatalf("%v %v", tokens, err)
	}
}
