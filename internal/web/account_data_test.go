package web

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/oauth"
)

func TestDownload(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box), withOthers(t))
	ada, bob := h.verified(h.user("ada")), h.verified(h.user("bob"))
	c := h.client("sales", "")
	own := h.client("notes", ada.Subject, func(m *oauth.Metadata) { m.Name = "Tidy notes" })
	text, err := h.OAuth.GiveSecret(own)
	ok(t, err)
	ok(t, h.Store.SetClientSecret(t.Context(), own.ID, own.SecretHash, "", ""))
	h.client("bobs", bob.Subject)
	v := h.visitor()
	v.signIn("ada")
	v.submit(v.get("/account/profile"), "profile-form", "nickname", "Countess", "locality", "London")
	key, codes := v.addTOTP("Phone")
	h.give(ada, login.Change{AddPasskey: &login.Passkey{ID: []byte("credential-1"), Name: "Laptop", Credential: []byte(`{"publicKey":"the public canary"}`)}, AddIdentity: atGitHub()})
	v.prove(v.get("/login?again=1"), "ada", key)
	v.connect(c)
	h.advance(time.Second)
	a := v.submit(v.get("/account/data"), "data-form")
	a.has(t, 200)
	for header, want := range map[string]string{
		"Content-Type": "application/json", "Content-Disposition": `attachment; filename="account-data-2030-01-02.json"`, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.Header().Get(header); got != want {
			t.Errorf("%s: %s", header, got)
		}
	}
	var got copyOfData
	ok(t, json.Unmarshal([]byte(a.text), &got))
	if got.Account.Subject != ada.Subject || got.Account.Username != "ada" || !got.Account.TwoStep || got.Claims["nickname"] != "Countess" || got.Issuer != issuer {
		t.Errorf("%+v", got)
	}
	if len(got.Passkeys) != 1 || len(got.Authenticator) != 1 || got.Recovery.Left != 10 || len(got.Linked) != 1 || got.Linked[0].Subject != "583231" ||
		len(got.Sessions) != 1 || len(got.Browsers) != 1 || len(got.Consents) != 1 || got.Consents[0].App != "Saleswave" || len(got.Access) != 1 || !got.Access[0].Live ||
		len(got.Apps) != 1 || got.Apps[0].Metadata.Name != "Tidy notes" || len(got.Activity) < 2 {
		t.Errorf("something lacks: %s", a.text)
	}
	h.noSecrets(t, ada, a.text, map[string]string{
		"app's secret": text, "totp key": strings.ReplaceAll(key, " ", ""), "session cookie": v.cookies["__Host-session"], "browser cookie": v.cookies["__Host-browser"],
		"device cookie": v.cookies["__Host-device"], "public key": "the public canary", "recovery codes": strings.Fields(cutOut(codes.text, `id="recovery-codes"`, "</pre>"))[5],
		"bob": bob.Subject, "bob's app": "bobs", "password": password,
	})
	// It is noted, and its owner hears of it.
	found, err := h.Store.Activities(t.Context(), ada.Subject, 1)
	if ok(t, err); found[0].Kind != login.DidDownload {
		t.Errorf("%v", found)
	}
	if l := h.newest(box, "ada@"); !strings.Contains(l.Subject, "was downloaded") || !strings.Contains(l.Text, "/lock?t=") {
		t.Errorf("%s", l.Subject)
	}
}

// noSecrets looks for what lets somebody in: by its value, and by its name.
func (h *house) noSecrets(t *testing.T, u login.User, text string, secrets map[string]string) {
	t.Helper()
	user := h.again(u)
	secrets["password hash"] = user.Password
	apps, err := h.Store.TOTPs(t.Context(), u.Subject)
	ok(t, err)
	for _, app := range apps {
		secrets["sealed key"] = string(app.Sealed)
	}
	sessions, err := h.Store.Sessions(t.Context(), u.Subject, h.now())
	ok(t, err)
	for _, s := range sessions {
		secrets["session id"] = s.ID
	}
	for what, value := range secrets {
		if value == "" || strings.Contains(text, value) {
			t.Errorf("it holds %s %q", what, value)
		}
	}
	for _, name := range regexp.MustCompile(`"([a-z_0-9]+)":`).FindAllStringSubmatch(text, -1) {
		if regexp.MustCompile(`hash|seal|secret|credential|cookie|seed|private|(^|_)key`).MatchString(name[1]) && name[1] != "client_secret_expires_at" {
			t.Errorf("it has a %q", name[1])
		}
	}
	if found := regexp.MustCompile(`\$argon2|[A-Za-z0-9_-]{43}|[0-9a-f]{64}`).FindString(text); found != "" {
		t.Errorf("this looks like a secret: %s", found)
	}
}

// An empty account has empty lists, not nothing.
func TestDownloadOfLittle(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	a := v.submit(v.get("/account/data"), "data-form")
	a.has(t, 200, `"passkeys": []`, `"authorizations": []`, `"apps": []`, `"linked_accounts": []`)
	if strings.Contains(a.text, "null") || strings.Contains(a.text, "0001-01-01") {
		t.Error(a.text)
	}
}
