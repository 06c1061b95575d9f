package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/fetch"
	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func TestActivity(t *testing.T) {
	h := newHouse(t)
	ada, bob := h.user("ada"), h.user("bob")
	v := h.visitor()
	v.signIn("ada")
	note := func(u login.User, kind login.ActivityKind, detail string) {
		ok(t, h.Store.Note(t.Context(), login.Activity{ID: secret.NewIDAt(h.now()), Subject: u.Subject, Kind: kind, At: h.now(), Detail: detail, UserAgent: iPhone, Address: "192.0.2.7"}))
	}
	note(ada, login.DidAddPasskey, "<script>alert(1)</script>\u202e")
	note(bob, login.DidLock, "")
	a := v.get("/account/activity")
	a.has(t, 200, "&lt;script&gt;alert(1)", "Safari on iPhone", "192.0.2.7", "just now", `id="not-me"`)
	if strings.Contains(a.text, "locked") {
		t.Error("another's history is shown")
	}
	for range 120 {
		h.advance(time.Second)
		note(ada, login.DidChangeProfile, "")
	}
	if n := strings.Count(v.get("/account/activity").text, "Your profile was changed"); n != 100 {
		t.Errorf("%d lines", n)
	}
	h.advance(90*24*time.Hour + time.Hour)
	v.signIn("ada")
	a = v.get("/account/activity")
	if strings.Contains(a.text, "Your profile was changed") {
		t.Error("what is older than 90 days is shown")
	}
}

// Every kind of activity that there is has words of its own.
func TestActivitiesHaveWords(t *testing.T) {
	h := newHouse(t)
	file, err := parser.ParseFile(token.NewFileSet(), "../login/factor.go", nil, 0)
	ok(t, err)
	seen, n := map[string]bool{}, 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, is := node.(*ast.ValueSpec)
		if !is || len(spec.Names) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Did") {
			return true
		}
		kind, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		ok(t, err)
		words := h.activityInWords(locale.Get("en"), login.Activity{Kind: login.ActivityKind(kind), Detail: "x"})
		if n++; seen[words] || words == kind {
			t.Errorf("%s: %q", kind, words)
		}
		seen[words] = true
		return true
	})
	if n < 20 {
		t.Errorf("only %d kinds", n)
	}
	if off := h.activityInWords(locale.Get("en"), login.Activity{Kind: login.DidSwitchTwoStep, Detail: "off"}); !strings.Contains(off, "off") {
		t.Error(off)
	}
}

// "This wasn't me" ends everything but this session, tells the apps, and leads to
// a new password.
func TestNotMe(t *testing.T) {
	heard := make(chan string, 9)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.FormValue("logout_token") }))
	defer app.Close()
	h := newHouseOf(t, func(s *oauth.Server) { s.Outbound = fetch.New(fetch.Config{AllowLoopback: true}) }, withMail(t, new(mail.Mailbox)))
	ada := h.verified(h.user("ada"))
	c := h.client("bank", "", func(m *oauth.Metadata) { m.BackchannelURI = app.URL + "/out" })
	v, thief := h.visitor(), h.visitor()
	v.signIn("ada")
	thief.signIn("ada")
	thief.connect(c)
	h.advance(time.Hour) // no proof is asked for
	a := v.get("/account/activity/not-me")
	a.has(t, 200, "One other browser is signed out.")
	a = v.submit(a, "not-me-form")
	if a.Code != 303 || a.Header().Get("Location") != "/account/password?ended=1" {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	if a := thief.get("/account"); a.Code != 302 {
		t.Errorf("the thief is in still: %d", a.Code)
	}
	select {
	case got := <-heard:
		if got == "" {
			t.Error("no logout token")
		}
	case <-time.After(5 * time.Second):
		t.Error("the app wasn't told")
	}
	given, err := h.Store.Authorizations(t.Context(), ada.Subject)
	ok(t, err)
	if len(given) != 1 || given[0].Live {
		t.Errorf("the app has its access still: %+v", given)
	}
	a = v.follow(a)
	a.has(t, 200, `id="ended"`)
	golden(t, "account_password_ended", a)
	v.submit(a, "password-form", "current", password, "new", "another good one").has(t, 200, "is changed")
	v.get("/account/activity").has(t, 200, "Your password was changed", "Browsers were forgotten")
}
