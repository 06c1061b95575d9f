package web

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/oauth"
)

const issuer = "https://as.example"

var began = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// house is the pages over a real store in memory.
type house struct {
	*Web

	t      testing.TB
	offset atomic.Int64
	mux    *http.ServeMux
}

func (h *house) now() time.Time          { return began.Add(time.Duration(h.offset.Load())) }
func (h *house) advance(d time.Duration) { h.offset.Add(int64(d)) }

func newHouse(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	return newHouseOf(t, func(*oauth.Server) {}, change...)
}

// newHouseOf is newHouse with other rules.
func newHouseOf(t testing.TB, rules func(*oauth.Server), change ...func(*Config)) *house {
	t.Helper()
	h := &house{t: t, mux: http.NewServeMux()}
	ctx, cancel := context.WithCancel(context.Background())
	ring, err := seal.Parse(seal.Generate())
	ok(t, err)
	st, err := store.Open(ctx, store.Config{Database: "sqlite::memory:", Issuer: issuer, MasterCheck: ring.Check(), Now: h.now, Poll: 20 * time.Millisecond})
	ok(t, err)
	done := make(chan struct{})
	go func() { st.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; ok(t, st.Close()) })
	ok(t, st.Declare(ctx, []oauth.Scope{
		{Name: "orgs:read", Title: "See your organizations"},
		{Name: "notes:write", Title: "Change your notes", Description: "It can add and delete them.", Optional: true},
		{Name: "payroll", Title: "Run the payroll", Restricted: true},
	}, nil))
	signing, err := keys.New(ctx, keys.Config{Store: st, Box: ring.Box("signing-key", ""), Now: h.now})
	ok(t, err)
	people := &login.Service{Store: st, Setups: st, Hasher: secret.NewHasher(0, 0, 0), Now: h.now, Throttle: &login.Throttle{Now: h.now}, Issuer: issuer, Brand: "Valet Key"}
	ok(t, people.Open(ring))
	server := oauth.Server{
		Issuer: issuer, Store: st, Keys: signing, Users: people, Seal: ring, Now: h.now, Signup: true,
		Notify: func(_ context.Context, e oauth.Event) {
			if e.Kind == oauth.EventProblem {
				e.RequestID = "req-1"
				st.NoteProblem(e)
			}
		},
	}
	rules(&server)
	c := Config{OAuth: oauth.New(server), Store: st, Login: people, Keyring: ring, Issuer: issuer, Signup: true, Now: h.now}
	for _, f := range change {
		f(&c)
	}
	h.Web, err = New(c)
	ok(t, err)
	h.Routes(h.mux)
	h.mux.HandleFunc("GET /authorize", h.authorize)
	return h
}

// authorize stands for the endpoint: it asks the rules and follows them.
func (h *house) authorize(rw http.ResponseWriter, r *http.Request) {
	req, bad := oauth.NewRequest(r.URL.Query())
	session, err := h.Session(r)
	if bad != nil || err != nil {
		h.Error(rw, r, oauth.AsError(bad))
		return
	}
	reply, err := h.OAuth.Authorize(r.Context(), req, oauth.Standing{Session: session})
	if err != nil {
		h.Error(rw, r, oauth.AsError(err))
		return
	}
	h.Reply(rw, r, reply)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const password = "correct horse battery"

func (h *house) user(name string) login.User {
	h.t.Helper()
	_, err := h.Login.SignUp(context.Background(), login.NewUser{Username: name, Email: name + "@example.com", Name: "Ada of " + name, Password: password}, login.Asked{Locale: "en"}, login.Visitor{Address: "192.0.2.1"})
	ok(h.t, err)
	u, err := h.Store.UserByName(context.Background(), name)
	ok(h.t, err)
	return u
}

func (h *house) client(id string, owner string, change ...func(*oauth.Metadata)) *oauth.Client {
	h.t.Helper()
	m := oauth.Metadata{
		Name: "Saleswave", RedirectURIs: []string{"https://app.saleswave.example/cb"}, HomepageURI: "https://saleswave.example",
		PolicyURI: "https://saleswave.example/privacy", TermsURI: "https://saleswave.example/terms", Type: oauth.TypeWeb,
		Profile: oauth.ProfileCompatible, PostLogoutRedirectURIs: []string{"https://app.saleswave.example/bye"},
	}
	for _, f := range change {
		f(&m)
	}
	c, bad := oauth.NewClient(id, m, issuer)
	if bad != nil {
		h.t.Fatal(bad)
	}
	c.Owner = owner
	ok(h.t, h.Store.CreateClient(context.Background(), c))
	return c
}

// visitor is a browser without script.
type visitor struct {
	h       *house
	cookies map[string]string
	header  http.Header
	host    string
}

func (h *house) visitor() *visitor {
	header := http.Header{"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}}
	if reads != "" {
		header.Set("Accept-Language", reads)
	}
	return &visitor{h: h, cookies: map[string]string{}, header: header, host: "as.example"}
}

// reads is the language of every visitor, "" for none that they say.
var reads string

type answer struct {
	*httptest.ResponseRecorder
	text string
}

func (v *visitor) do(method, target, kind string, body []byte) answer {
	v.h.t.Helper()
	r := httptest.NewRequest(method, "http://x/", bytes.NewReader(body))
	u, err := url.Parse(target)
	ok(v.h.t, err)
	r.URL, r.RequestURI, r.Host, r.RemoteAddr = u, target, v.host, "192.0.2.1:1234"
	maps.Copy(r.Header, v.header)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	rec.Header().Set("X-Request-Id", "req-7")
	v.h.mux.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	return answer{rec, rec.Body.String()}
}

func (v *visitor) get(target string) answer { return v.do("GET", target, "", nil) }

func (v *visitor) post(target string, form url.Values) answer {
	return v.do("POST", target, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// follow gets a page and goes where it leads, as long as that is here.
func (v *visitor) follow(a answer) answer {
	for range 5 {
		to := a.Header().Get("Location")
		if a.Code/100 != 3 || !strings.HasPrefix(to, "/") {
			return a
		}
		a = v.get(to)
	}
	return a
}

// submit sends the form with an id (or the first one) as it stands, changed by
// pairs of names and values.
func (v *visitor) submit(a answer, id string, pairs ...string) answer {
	v.h.t.Helper()
	action, fields := formIn(v.h.t, a.text, id)
	for i := 0; i+1 < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	return v.post(action, fields)
}

func formIn(t testing.TB, text, id string) (string, url.Values) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	ok(t, err)
	for n := range root.Descendants() {
		if n.Data != "form" || id != "" && attr(n, "id") != id && attr(n, "action") != id {
			continue
		}
		fields := url.Values{}
		for in := range n.Descendants() {
			_, checked := attrs(in)["checked"]
			box := attr(in, "type") == "checkbox" || attr(in, "type") == "radio"
			switch {
			case in.Data == "input" && attr(in, "name") != "" && attr(in, "type") != "file" && (!box || checked):
				fields.Add(attr(in, "name"), attr(in, "value"))
			case in.Data == "textarea" && in.FirstChild != nil:
				fields.Add(attr(in, "name"), in.FirstChild.Data)
			case in.Data == "select":
				fields.Add(attr(in, "name"), selected(in))
			}
		}
		return attr(n, "action"), fields
	}
	t.Fatalf("no form %q in %s", id, text)
	return "", nil
}

// selected is the value of a list: the chosen one's, else the first one's.
func selected(list *html.Node) string {
	var first, chosen *html.Node
	for n := range list.Descendants() {
		if n.Data != "option" {
			continue
		}
		if first == nil {
			first = n
		}
		if _, is := attrs(n)["selected"]; is {
			chosen = n
		}
	}
	if chosen == nil {
		chosen = first
	}
	if value, has := attrs(chosen)["value"]; has {
		return value
	}
	return chosen.FirstChild.Data
}

func attrs(n *html.Node) map[string]string {
	out := map[string]string{}
	for _, a := range n.Attr {
		out[a.Key] = a.Val
	}
	return out
}

func attr(n *html.Node, name string) string { return attrs(n)[name] }

func (v *visitor) signIn(name string) {
	v.h.t.Helper()
	a := v.submit(v.get("/login"), "login-form", "username", name, "password", password)
	if a.Code != 303 {
		v.h.t.Fatalf("sign-in: %d %s", a.Code, a.text)
	}
}

func (a answer) has(t testing.TB, status int, words ...string) {
	t.Helper()
	if a.Code != status {
		t.Errorf("status %d, want %d: %s", a.Code, status, a.text)
	}
	for _, w := range words {
		if !strings.Contains(a.text, w) {
			t.Errorf("no %q in %s", w, a.text)
		}
	}
}

func authorizePath(c *oauth.Client, pairs ...string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {c.RedirectURIs[0]}, "state": {"st"}, "scope": {"openid orgs:read notes:write"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/authorize?" + q.Encode()
}
