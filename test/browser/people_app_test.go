package browser

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// place is a server with the apps that send people to it.
type place struct {
	*harness.Server

	t    *testing.T
	apps *apps
}

// password is everybody's.
const password = "correct horse battery"

// settle runs a server with people and apps: ada and grace have an address that
// is proven, bob has one that isn't.
func settle(t *testing.T, c valetkey.Config, more ...valetkey.NewClient) *place {
	t.Helper()
	return settleAt(t, "127.0.0.1:0", c, more...)
}

// settleAt is settle at an address that is known before.
func settleAt(t *testing.T, address string, c valetkey.Config, more ...valetkey.NewClient) *place {
	t.Helper()
	c.FetchAllowLoopback = true
	w := &place{t: t, Server: harness.StartLocal(t, address, c)}
	w.apps = openApps(t, w.URL)
	for _, u := range []valetkey.NewUser{
		{Username: "ada", Name: "Ada Lovelace", Email: "ada@example.com", Password: password, Claims: map[string]any{"email_verified": true}},
		{Username: "grace", Name: "Grace Hopper", Email: "grace@example.com", Password: password, Claims: map[string]any{"email_verified": true}},
		{Username: "bob", Name: "Bob Example", Email: "bob@example.com", Password: password},
	} {
		w.user(u)
	}
	w.client("saleswave", oauth.Metadata{Name: "Saleswave", HomepageURI: "https://saleswave.example"}, false)
	for _, n := range more {
		w.client(n.ID, n.Metadata, n.FirstParty)
	}
	return w
}

func (w *place) user(n valetkey.NewUser) valetkey.User {
	w.t.Helper()
	u, err := w.Admin().CreateUser(context.Background(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *place) client(id string, m oauth.Metadata, first bool) {
	w.t.Helper()
	m.Type, m.RedirectURIs, m.Profile = oauth.TypeWeb, []string{w.apps.URL + "/cb/" + id}, oauth.ProfileCompatible
	m.PostLogoutRedirectURIs = []string{w.apps.URL + "/bye/" + id}
	made, err := w.Admin().CreateClient(context.Background(), valetkey.NewClient{ID: id, Metadata: m, FirstParty: first, Verified: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.apps.secrets[id] = made.Secret
}

// sub is an account's subject.
func (w *place) sub(username string) string {
	w.t.Helper()
	u, err := w.Admin().User(context.Background(), username)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Subject
}

// apps are Saleswave and others: a button leads to the server, and what comes
// back is redeemed and shown.
type apps struct {
	*httptest.Server

	issuer  string
	secrets map[string]string

	mu      sync.Mutex
	waiting map[string]waiting // by state
}

type waiting struct{ client, verifier string }

// outcome is what an app has learned.
type outcome struct {
	Client, Error, Description, Scope string
	Claims                            map[string]any
	IDToken                           string
}

var appPage = template.Must(template.New("app").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>{{.Client}}</title>
<main><h1>Back at {{.Client}}</h1><pre id="outcome">{{.Text}}</pre></main>`))

func openApps(t *testing.T, issuer string) *apps {
	a := &apps{issuer: issuer, secrets: map[string]string{}, waiting: map[string]waiting{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /go/{client}", a.leave)
	mux.HandleFunc("GET /cb/{client}", a.arrive)
	mux.HandleFunc("GET /bye/{client}", func(w http.ResponseWriter, r *http.Request) {
		show(w, outcome{Client: r.PathValue("client"), Description: "signed out"})
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func isSaleswave(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Hostname() == "127.0.0.1"
}

// leave: RFC 6749 §4.1.1, RFC 7636 §4.3. The query may add to the request.
func (a *apps) leave(w http.ResponseWriter, r *http.Request) {
	state, verifier, client := rand.Text(), rand.Text()+rand.Text(), r.PathValue("client")
	a.mu.Lock()
	a.waiting[state] = waiting{client, verifier}
	a.mu.Unlock()
	sum := sha256.Sum256([]byte(verifier))
	q := r.URL.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": client, "redirect_uri": a.URL + "/cb/" + client, "state": state, "nonce": verifier,
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	if q.Get("scope") == "" {
		q.Set("scope", "openid profile email")
	}
	http.Redirect(w, r, a.issuer+"/authorize?"+q.Encode(), http.StatusFound)
}

// arrive: RFC 6749 §4.1.3.
func (a *apps) arrive(w http.ResponseWriter, r *http.Request) {
	q, client := r.URL.Query(), r.PathValue("client")
	a.mu.Lock()
	begun, ok := a.waiting[q.Get("state")]
	a.mu.Unlock()
	out := outcome{Client: client, Error: q.Get("error"), Description: q.Get("error_description")}
	switch {
	case !ok || begun.client != client:
		out.Error = "another app's answer"
	case out.Error == "":
		a.redeem(&out, begun, q.Get("code"))
	}
	show(w, out)
}

func (a *apps) redeem(out *outcome, begun waiting, code string) {
	resp, err := http.PostForm(a.issuer+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {begun.verifier}, "redirect_uri": {a.URL + "/cb/" + begun.client},
		"client_id": {begun.client}, "client_secret": {a.secrets[begun.client]},
	})
	if err != nil {
		out.Error = err.Error()
		return
	}
	defer resp.Body.Close()
	var tokens struct {
		IDToken string `json:"id_token"`
		Scope   string `json:"scope"`
		Error   string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil {
		out.Error = err.Error()
		return
	}
	out.Error, out.Scope, out.IDToken = tokens.Error, tokens.Scope, tokens.IDToken
	if parts := strings.Split(tokens.IDToken, "."); len(parts) == 3 {
		content, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(content, &out.Claims)
	}
}

func show(w http.ResponseWriter, out outcome) {
	text, _ := json.Marshal(out)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = appPage.Execute(w, map[string]string{"Client": out.Client, "Text": string(text)})
}

// connect has a person leave an app for the server.
func (p *person) connect(w *place, client string, more ...string) {
	p.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	p.open(w.apps.URL + "/go/" + client + "?" + q.Encode())
}

// returns is what an app has learned when the person is back there. Consent is
// given on the way, where it is asked for.
func (p *person) returns(client string) outcome {
	p.t.Helper()
	if p.address().Path == "/consent" {
		p.press("#consent-allow")
	}
	p.at("/cb/" + client)
	var out outcome
	if err := json.Unmarshal([]byte(get(p.t, p.ctx, chromedp.TextContent(chromedp.CSS("#outcome")))), &out); err != nil {
		p.t.Fatal(err)
	}
	if out.Client != client {
		p.t.Fatalf("at %s, not at %s", out.Client, client)
	}
	return out
}

// proved checks how somebody signed in, by the ID token.
func (o outcome) proved(t *testing.T, sub, acr string, amr ...string) {
	t.Helper()
	var got []string
	list, _ := o.Claims["amr"].([]any)
	for _, a := range list {
		got = append(got, fmt.Sprint(a))
	}
	slices.Sort(got)
	slices.Sort(amr)
	if o.Error != "" || o.Claims["sub"] != sub || o.Claims["acr"] != acr || !slices.Equal(got, amr) {
		t.Errorf("%s learned %s %s, %v; want sub %s, acr %s, amr %v", o.Client, o.Error, o.Description, o.Claims, sub, acr, amr)
	}
}

// otp is what an authenticator app shows: RFC 6238 §4, RFC 4226 §5.3.
func otp(t *testing.T, key string, at time.Time) string {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	var step [8]byte
	binary.BigEndian.PutUint64(step[:], uint64(at.Unix()/30))
	mac := hmac.New(sha1.New, secret)
	mac.Write(step[:])
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:])&0x7fffffff%1_000_000)
}
