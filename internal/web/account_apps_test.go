package web

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// happen writes down what an app was given.
func (h *house) happen(subject, client string, change func(*oauth.Authorization)) {
	h.t.Helper()
	user, err := h.Store.User(h.t.Context(), subject)
	ok(h.t, err)
	agreed, err := h.Store.Consent(h.t.Context(), subject, client)
	ok(h.t, err)
	a := oauth.Authorization{
		ID: secret.NewIDAt(h.now()), ClientID: client, Subject: subject, Scopes: []string{"openid"}, Offline: true, UserEpoch: user.Epoch, ClientEpoch: 1, ConsentEpoch: agreed.Epoch,
		AuthTime: h.now(), ACR: "1", CreatedAt: h.now(), ExpiresAt: h.now().Add(40 * 24 * time.Hour), RefreshUntil: h.now().Add(30 * 24 * time.Hour), RotatedAt: h.now(),
		SeedHash: []byte(strings.Repeat("s", 32)), Generation: 1,
	}
	change(&a)
	ok(h.t, h.Store.Issue(h.t.Context(), a))
}

func TestAppsLately(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	h.client("sales", "")
	h.client("shop", "", func(m *oauth.Metadata) { m.Name = "<b>Shop</b>" })
	h.client("bye", "", func(m *oauth.Metadata) { m.Name = "Bye" })
	v := h.visitor()
	v.signIn("ada")
	now := func(*oauth.Authorization) {}
	ended := func(reason string) func(*oauth.Authorization) {
		return func(a *oauth.Authorization) { a.EndedAt, a.EndReason = a.CreatedAt.Add(time.Minute), reason }
	}
	h.happen(ada.Subject, "sales", func(a *oauth.Authorization) { // it is older than what is shown
		a.CreatedAt, a.RotatedAt = h.now().Add(-60*24*time.Hour), h.now().Add(-50*24*time.Hour)
	})
	h.happen(ada.Subject, "sales", now)
	h.advance(time.Hour)
	h.happen(ada.Subject, "sales", func(a *oauth.Authorization) { a.RotatedAt = a.CreatedAt.Add(20 * time.Minute) })
	h.happen(ada.Subject, "sales", ended("revoked by the app"))
	h.happen(ada.Subject, "shop", ended("an old refresh token was used again"))
	h.happen(ada.Subject, "bye", ended("logout"))
	h.advance(23 * time.Minute)
	a := v.get("/account/apps")
	a.has(t, 200, "3 sign-ins give it access now.", "Saleswave refreshed its access <time", "3 minutes ago", "You let Saleswave in <time", "It gave its access back.",
		"Ended lately", "An old key was used again, so its access was ended.", "&lt;b&gt;Shop&lt;/b&gt;")
	golden(t, "account_apps_lately", a)
	if n := strings.Count(a.text, `<li class="hint">`); n != 5+2 {
		t.Errorf("%d lines", n)
	}
	if strings.Contains(a.text, "Bye") {
		t.Error("shows what ended as its person wanted")
	}
	// Looking writes nothing; a chore of the server's own may fall into one look.
	fewest := uint64(math.MaxUint64)
	for range 3 {
		writes := h.Store.Writes()
		v.get("/account/apps")
		fewest = min(fewest, h.Store.Writes()-writes)
	}
	if fewest != 0 {
		t.Errorf("%d writes", fewest)
	}
	h.advance(31 * 24 * time.Hour)
	v.signIn("ada")
	if a := v.get("/account/apps"); strings.Contains(a.text, "Ended lately") || strings.Contains(a.text, "refreshed its access") {
		t.Error("old news are shown")
	}
}

func TestWhyItEnded(t *testing.T) {
	l, seen := locale.Get("en"), map[string]bool{}
	for _, reason := range []string{"logout", "withdrawn", "revoked by the app", "an old refresh token was used again", "code used twice", "anything"} {
		words := endedInWords(l, reason)
		if seen[words] || strings.Contains(words, reason) {
			t.Errorf("%s: %s", reason, words)
		}
		seen[words] = true
	}
}

// A person who names apps that aren't there writes no rows.
func TestWithdrawFromNobody(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	h.client("sales", "")
	v := h.visitor()
	v.signIn("ada")
	v.connect(h.client("news", ""))
	a := v.get("/account/apps")
	for _, path := range []string{"/account/apps/withdraw", "/account/apps/narrow"} {
		if a := v.submit(a, path, "client", "nobody"); a.Code != 303 {
			t.Errorf("%d", a.Code)
		}
	}
	if c, err := h.Store.Consent(t.Context(), ada.Subject, "nobody"); err != nil || c.Epoch != 0 {
		t.Errorf("%+v %v", c, err)
	}
}
