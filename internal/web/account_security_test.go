package web

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/upstream"
)

var (
	phoneKey  = login.Passkey{ID: []byte("credential-1"), Name: "Phone", Credential: []byte("{}")}
	laptopKey = login.Passkey{ID: []byte("credential-2"), Name: "Laptop", Credential: []byte("{}")}
	atGitHub  = login.Identity{Issuer: "https://github.com", Upstream: "583231", Connector: "github", Label: "ada-l"}
)

func TestGoldenAccount(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box), withOthers(t))
	ada := h.verified(h.user("ada"))
	v := h.visitor()
	v.signIn("ada")
	golden(t, "account_security_new", v.get("/account/security"))
	golden(t, "account_activity_none", v.get("/account/activity"))
	a := v.get("/account/totp/new")
	golden(t, "account_totp", a)
	golden(t, "account_totp_wrong", v.submit(a, "totp-form", "otp", "abc", "name", "Phone"))
	golden(t, "account_passkey", v.get("/account/passkeys/new"))
	golden(t, "account_link", v.get("/account/link/staff"))
	golden(t, "account_password_change", v.get("/account/password"))
	golden(t, "account_data", v.get("/account/data"))
	golden(t, "account_delete", v.get("/account/delete"))
	golden(t, "account_delete_wrong", v.submit(v.get("/account/delete"), "delete-form", "username", "eve"))
	key, codes := v.addTOTP("Phone")
	codes.has(t, 200, `id="recovery-codes"`, `id="codes-done"`)
	golden(t, "account_codes", codes)
	h.give(ada, login.Change{AddPasskey: &laptopKey, AddIdentity: &atGitHub})
	h.advance(4 * time.Minute)
	trusting := h.visitor()
	trusting.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")
	a = trusting.submit(trusting.get("/login"), "login-form", "username", "ada", "password", password)
	a = trusting.submit(trusting.follow(a), "otp-form", "otp", totpNow(t, key, h.now()), "trust", "yes")
	a = v.prove(v.submit(v.get("/account/security"), "two-step-form").goesToProve(t, v), "ada", key), a
	golden(t, "account_security", v.get("/account/security"))
	golden(t, "account_activity", v.get("/account/activity"))
	golden(t, "account_not_me", v.get("/account/activity/not-me"))
}
