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
	"github.com/valetkey/valetkey/oauth"
)

func phoneKey() *login.Passkey {
	return &login.Passkey{ID: []byte("credential-1"), Name: "Phone", Credential: []byte("{}")}
}

func laptopKey() *login.Passkey {
	return &login.Passkey{ID: []byte("credential-2"), Name: "Laptop", Credential: []byte("{}")}
}

func atGitHub() *login.Identity {
	return &login.Identity{Issuer: "https://github.com", Upstream: "583231", Connector: "github", Label: "ada-l"}
}

const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"

func TestGoldenAccount(t *testing.T) {
	h := newHouse(t, withMail(t, new(mail.Mailbox)), withOthers(t))
	ada := h.verified(h.user("ada"))
	v := h.visitor()
	v.signIn("ada")
	golden(t, "account_security_new", v.get("/account/security"))
	golden(t, "account_activity_none", v.get("/account/activity"))
	a := v.get("/account/totp/new")
	golden(t, "account_totp", a)
	golden(t, "account_totp_wrong", v.submit(a, "totp-form", "otp", "abc", "name", "Phone"))
	golden(t, "account_passkey", v.get("/account/passkeys/new"))
	golden(t, "account_passkey_none", v.submit(v.get("/account/passkeys/new"), "passkey-form", "name", "Phone"))
	golden(t, "account_link", v.get("/account/link/staff"))
	golden(t, "account_link_down", v.submit(v.get("/account/link/staff"), "linking-form", "username", "ada", "password", "x"))
	golden(t, "account_password_change", v.get("/account/password"))
	golden(t, "account_data", v.get("/account/data"))
	golden(t, "account_delete", v.get("/account/delete"))
	golden(t, "account_delete_wrong", v.submit(v.get("/account/delete"), "delete-form", "username", "eve"))
	key, codes := v.addTOTP("Phone")
	codes.has(t, 200, `id="recovery-codes"`, `id="codes-done"`)
	golden(t, "account_codes", codes)
	h.give(ada, login.Change{AddPasskey: laptopKey(), AddIdentity: atGitHub()})
	h.advance(6 * time.Minute)
	trusting := h.visitor()
	trusting.header.Set("User-Agent", iPhone)
	a = trusting.submit(trusting.get("/login"), "login-form", "username", "ada", "password", password)
	h.advance(30 * time.Second)
	trusting.submit(trusting.follow(a), "otp-form", "otp", totpNow(t, key, h.now()), "trust", "yes")
	golden(t, "account_security", v.get("/account/security"))
	golden(t, "account_activity", v.get("/account/activity"))
	golden(t, "account_not_me", v.get("/account/activity/not-me"))
	none := ""
	h.give(ada, login.Change{Password: &none})
	v.prove2(t, ada)
	golden(t, "account_password_none", v.get("/account/password"))
	a = v.submit(v.get("/account/security"), "/account/passkeys/remove")
	if a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	golden(t, "account_security_last", v.submit(v.get("/account/security"), "/account/unlink"))
}

// prove2 gives a visitor a session that was proven by two factors just now, as no
// page does: for those who have nothing that a test can prove.
func (v *visitor) prove2(t *testing.T, u login.User) {
	t.Helper()
	text := secret.New().Reveal()
	rec := login.Record{
		Session:    oauth.Session{ID: secret.NewID(), Subject: u.Subject, UserEpoch: v.h.again(u).Epoch, Logins: 1, AuthTime: v.h.now(), ACR: oauth.TwoFactors, AMR: []string{"hwk", "mfa"}, Way: login.WayPasskey},
		SecretHash: secret.Hash(text), CreatedAt: v.h.now(), SeenAt: v.h.now(), ExpiresAt: v.h.now().Add(time.Hour), ProvenAt: v.h.now(),
	}
	ok(t, v.h.Store.StartSession(t.Context(), login.Start{Record: rec}))
	v.cookies["__Host-session"] = rec.ID + "." + text
}

// Every change to how somebody proves themselves wants a fresh proof, by the best
// that they have: case 248. Nothing changes without, and it leads back to a page
// on which the button can be pressed again.
func TestChangesWantAFreshProof(t *testing.T) {
	h := newHouse(t, withMail(t, new(mail.Mailbox)), withOthers(t))
	ada := h.verified(h.user("ada"))
	v := h.visitor()
	v.signIn("ada")
	h.give(ada, login.Change{AddIdentity: atGitHub()})
	key, _ := v.addTOTP("Phone")
	v.prove(v.get("/login?again=1"), "ada", key)
	h.give(ada, login.Change{AddPasskey: phoneKey()})
	forms := map[string]struct {
		page, form, back string
		fields           url.Values
	}{
		"/account/totp/new":           {"/account/totp/new", "totp-form", "/account/totp/new", url.Values{"otp": {"123456"}}},
		"/account/totp/remove":        {"/account/security", "/account/totp/remove", "/account/security", nil},
		"/account/passkeys/new":       {"/account/passkeys/new", "passkey-form", "/account/passkeys/new", url.Values{"answer": {"{}"}}},
		"/account/passkeys/remove":    {"/account/security", "/account/passkeys/remove", "/account/security", nil},
		"/account/recovery":           {"/account/security", "/account/recovery", "/account/security", nil},
		"/account/two-step":           {"/account/two-step", "two-step-form", "/account/two-step", nil},
		"/account/password/remove":    {"/account/security", "/account/password/remove", "/account/security", nil},
		"/account/unlink":             {"/account/security", "/account/unlink", "/account/security", nil},
		"/account/link/github":        {"/account/security", "/account/link/github", "/account/security", nil},
		"/account/link/staff":         {"/account/link/staff", "linking-form", "/account/link/staff", url.Values{"username": {"ada"}, "password": {"x"}}},
		"/account/email":              {"/account/email", "email-form", "/account/email", url.Values{"email": {"other@example.com"}}},
		"/account/data":               {"/account/data", "data-form", "/account/data", nil},
		"/account/delete":             {"/account/delete", "delete-form", "/account/delete", url.Values{"username": {"ada"}}},
		"/account/passkeys/new (GET)": {},
	}
	type sent struct {
		path, back string
		fields     url.Values
	}
	var posts []sent
	for path, row := range forms {
		if row.page == "" {
			continue
		}
		action, fields := formIn(t, v.get(row.page).text, row.form)
		if action != path {
			t.Errorf("the form for %s goes to %s", path, action)
		}
		for name, values := range row.fields {
			fields[name] = values
		}
		posts = append(posts, sent{path, row.back, fields})
	}
	h.advance(5*time.Minute + time.Second)
	before := h.everything(ada)
	for _, p := range posts {
		a := v.post(p.path, p.fields)
		to := a.goesToProve(t, v)
		if a.Code != 303 {
			t.Errorf("%s: %d answers a form", p.path, a.Code)
		}
		if sealed := leadsBack(t, h, v, a.Header().Get("Location")); sealed != p.back {
			t.Errorf("%s leads back to %s", p.path, sealed)
		}
		to.has(t, 200, "Confirm that it is you")
	}
	for _, path := range []string{"/account/totp/new", "/account/passkeys/new", "/account/link/staff", "/account/two-step"} {
		a := v.get(path)
		a.goesToProve(t, v)
		if back := leadsBack(t, h, v, a.Header().Get("Location")); back != path {
			t.Errorf("%s leads back to %s", path, back)
		}
	}
	if after := h.everything(ada); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
	// A password alone isn't the best that she has.
	a := v.submit(v.get("/account/security"), "/account/recovery").goesToProve(t, v)
	half := v.follow(v.submit(a, "login-form", "username", "ada", "password", password))
	half.has(t, 200, `id="otp"`)
	v.submit(v.get("/account/security"), "/account/recovery").goesToProve(t, v)
	if to := v.prove(a, "ada", key); to != "/account/security" {
		t.Errorf("back to %s", to)
	}
	v.submit(v.get("/account/security"), "/account/recovery").has(t, 200, `id="recovery-codes"`)
	// Names and what asks for more need none.
	h.advance(time.Hour)
	if a := v.submit(v.get("/account/security"), "/account/passkeys/rename", "name", "Old <b>phone</b>\u202e"); a.Code != 303 {
		t.Errorf("rename: %d", a.Code)
	}
	v.get("/account/security").has(t, 200, "<bdi>Old &lt;b&gt;phone&lt;/b&gt;</bdi>")
}

// leadsBack opens where a sign-in leads back to.
func leadsBack(t *testing.T, h *house, v *visitor, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	ok(t, err)
	to, err := h.forms.Open(u.Query().Get("to"), formBind(v.cookies["__Host-browser"], "to"))
	ok(t, err)
	return string(to)
}

func TestAuthenticatorApp(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box))
	ada := h.verified(h.user("ada"))
	v, there := h.visitor(), h.visitor()
	v.signIn("ada")
	there.signIn("ada")
	a := v.get("/account/totp/new")
	if a.Header().Get("Content-Encoding") != "" || strings.Contains(a.text, "language-form") {
		t.Error("a page with a secret is compressed, or can be had again")
	}
	if qr := v.get(html.UnescapeString(cutOut(a.text, `id="totp-qr" src="`, `"`))); qr.Code != 200 || qr.Header().Get("Content-Type") != "image/png" {
		t.Errorf("%d %s", qr.Code, qr.Header().Get("Content-Type"))
	}
	wrong := v.submit(a, "totp-form", "otp", "12 34", "name", "Phone")
	wrong.has(t, 422, `id="totp-problem"`, `value="Phone"`)
	key := cutOut(a.text, `id="totp-key">`, "<")
	if cutOut(wrong.text, `id="totp-key">`, "<") != key {
		t.Error("a mistyped code changes the key")
	}
	a = v.submit(wrong, "totp-form", "otp", totpNow(t, key, h.now()))
	a.has(t, 200, `id="recovery-codes"`)
	if len(strings.Fields(cutOut(cutOut(a.text, `<pre id="recovery-codes"`, "</pre>"), ">", "\x00"))) != 10 {
		t.Errorf("not ten codes: %s", a.text)
	}
	if !h.again(ada).TwoStep {
		t.Error("no second step")
	}
	if a := there.get("/account"); a.Code != 302 { // case 210
		t.Errorf("another session lives: %d", a.Code)
	}
	if l := h.newest(box, "ada@"); !strings.Contains(l.Subject, "authenticator app was added") || !strings.Contains(l.Text, "Firefox on Linux") {
		t.Errorf("%s", l.Subject)
	}
	// By it a change can be made; it goes, and with it the second step and the codes.
	a = v.submit(v.get("/account/security"), "/account/totp/remove").goesToProve(t, v)
	v.prove(a, "ada", key)
	v.get("/account/security").has(t, 200, "10 codes are left")
	if a := v.submit(v.get("/account/security"), "/account/totp/remove"); a.Code != 303 || a.Header().Get("Location") != "/account/security#authenticators" {
		t.Errorf("%d %s", a.Code, a.text)
	}
	left, err := h.Login.RecoveryLeft(t.Context(), ada.Subject)
	if ok(t, err); left != 0 || h.again(ada).TwoStep {
		t.Errorf("%d codes, second step %v", left, h.again(ada).TwoStep)
	}
	if a := v.get("/account/security"); strings.Contains(a.text, `id="two-step-on"`) || strings.Contains(a.text, `id="recovery-make"`) {
		t.Error("offers what needs a factor")
	}
	// Without one the buttons' posts are refused in words.
	session, err := h.Session(h.request(v))
	ok(t, err)
	v.post("/account/two-step", url.Values{"form": {h.formToken(nil, h.request(v), session, "two-step", "")}, "on": {"yes"}}).has(t, 422, "authenticator app first")
	v.post("/account/recovery", url.Values{"form": {h.formToken(nil, h.request(v), session, "recovery", "")}}).has(t, 422, "Add one first")
}

func TestTwoStepSwitch(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	h.give(ada, login.Change{AddPasskey: phoneKey()})
	v := h.visitor()
	v.prove2(t, ada)
	a := v.submit(v.get("/account/security"), "two-step-form")
	a.has(t, 200, `id="recovery-codes"`) // its first ones
	a = v.get("/account/security")
	a.has(t, 200, "Asked for after your password.", "Switch it off", `<h2 id="two-step">`, "The second step was switched on")
	// To switch it off is asked on a page of its own, not by the button that has the
	// focus after enrolling.
	if strings.Contains(a.text, `action="/account/two-step"`) {
		t.Error("one press switches it off")
	}
	golden(t, "account_two_step", v.get("/account/two-step"))
	if a := v.submit(v.get("/account/two-step"), "two-step-form"); a.Code != 303 || a.Header().Get("Location") != "/account/security#two-step" || h.again(ada).TwoStep {
		t.Errorf("%d %v", a.Code, h.again(ada).TwoStep)
	}
	v.get("/account/security").has(t, 200, "The second step was switched off")
	if a := v.get("/account/two-step"); a.Code != 302 || a.Header().Get("Location") != "/account/security#two-step" {
		t.Errorf("%d %s", a.Code, a.text)
	}
	// Whom the operator asks for two has no switch.
	h.Login.Policy.Groups = map[string]login.GroupPolicy{"admins": {Factors: 2}}
	ok(t, h.Store.SetMemberships(t.Context(), ada.Subject, "", []string{"admins"}))
	if a := v.get("/account/security"); !strings.Contains(a.text, "the operator wants it") || strings.Contains(a.text, `id="two-step-off"`) || v.get("/account/two-step").Code != 302 {
		t.Error(a.text)
	}
}

func TestNewPasskey(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box))
	ada, bob := h.verified(h.user("ada")), h.user("bob")
	v, other := h.visitor(), h.visitor()
	v.signIn("ada")
	other.signIn("bob")
	a := v.get("/account/passkeys/new")
	a.has(t, 200, `data-passkey="create"`, "/static/passkey.")
	answer := makePasskey(t, a.text)
	other.submit(other.get("/account/passkeys/new"), "passkey-form", "answer", answer).has(t, 422) // another's challenge
	v.submit(a, "passkey-form", "answer", "{}").has(t, 422, "couldn&#39;t be read")
	v.submit(a, "passkey-form", "answer", strings.Repeat("[", 20_000)).has(t, 422, "couldn&#39;t be read")
	v.submit(a, "passkey-form", "answer", answer, "name", "Ada's <i>phone</i>").has(t, 200, `id="recovery-codes"`, `href="/account/security#passkeys"`)
	v.get("/account/security").has(t, 200, "<bdi>Ada&#39;s &lt;i&gt;phone&lt;/i&gt;</bdi>", "not used yet", `id="passkey-remove-1"`, `id="passkey-rename-1"`)
	if l := h.newest(box, "ada@"); !strings.Contains(l.Subject, "passkey was added") {
		t.Errorf("%s", l.Subject)
	}
	// A credential that is somebody's: case 250.
	keys, err := h.Store.Passkeys(t.Context(), ada.Subject)
	ok(t, err)
	if login.PasskeyID(keys[0].ID) != credentialID(t, answer) {
		t.Error("another credential was kept")
	}
	a = other.get("/account/passkeys/new")
	mine := makePasskey(t, a.text)
	h.give(ada, login.Change{AddPasskey: &login.Passkey{ID: login.ParsePasskeyID(credentialID(t, mine)), Credential: []byte("{}")}})
	other.submit(a, "passkey-form", "answer", mine).has(t, 409, "belongs to an account already")
	if keys, err := h.Store.Passkeys(t.Context(), bob.Subject); err != nil || len(keys) != 0 {
		t.Errorf("%v %v", keys, err)
	}
}

func credentialID(t *testing.T, answer string) string {
	t.Helper()
	var made struct{ ID string }
	ok(t, json.Unmarshal([]byte(answer), &made))
	return made.ID
}

// The only way in stays, and the page says what to do.
func TestLastWayStays(t *testing.T) {
	h := newHouse(t, withOthers(t))
	ada := h.user("ada")
	none := ""
	h.give(ada, login.Change{AddPasskey: phoneKey()})
	v := h.visitor()
	v.prove2(t, ada)
	v.get("/account/security").has(t, 200, `id="password-remove"`)
	if a := v.submit(v.get("/account/security"), "/account/password/remove"); a.Code != 303 || h.again(ada).Password != "" {
		t.Fatalf("%d", a.Code)
	}
	a := v.submit(v.get("/account/security"), "/account/passkeys/remove")
	a.has(t, 409, `id="security-problem"`, "your only way in")
	h.give(ada, login.Change{AddIdentity: atGitHub()})
	if a := v.submit(v.get("/account/security"), "/account/passkeys/remove"); a.Code != 303 {
		t.Fatalf("%d", a.Code)
	}
	v.prove2(t, ada)
	v.submit(v.get("/account/security"), "/account/unlink").has(t, 409, "your only way in")
	// A password can be set again, by a fresh proof and nothing else.
	a = v.get("/account/password")
	a.has(t, 200, "Set a password")
	if strings.Contains(a.text, `id="current"`) {
		t.Error("asks for a password that isn't there")
	}
	v.submit(a, "password-form", "new", "short").has(t, 422, "at least 8")
	h.advance(6 * time.Minute)
	v.get("/account/password").goesToProve(t, v)
	v.submit(a, "password-form", "new", "another good one").goesToProve(t, v)
	if h.again(ada).Password != none {
		t.Error("a password was set without proof")
	}
	v.prove2(t, ada)
	v.submit(v.get("/account/password"), "password-form", "new", "another good one").has(t, 200, "Your password is set.")
	v.submit(v.get("/account/password"), "password-form", "current", "another good one", "new", "and another one").has(t, 200, "Your password is changed.")
	v.get("/account/activity").has(t, 200, "Your password was removed", "A password was set", "Your password was changed")
	if a := v.submit(v.get("/account/security"), "/account/unlink"); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	v.get("/account/security").has(t, 200, `id="password-change"`)
	if a := v.get("/account/security"); strings.Contains(a.text, `id="password-remove"`) {
		t.Error("offers to remove the only way in")
	}
	session, err := h.Session(h.request(v))
	ok(t, err)
	v.post("/account/password/remove", url.Values{"form": {h.formToken(nil, h.request(v), session, "password-remove", "")}}).has(t, 409, "your only way in")
}

// What is another person's isn't there, whatever id a form names.
func TestAnothersFactors(t *testing.T) {
	h := newHouse(t, withOthers(t))
	ada, bob := h.user("ada"), h.user("bob")
	v, other := h.visitor(), h.visitor()
	v.signIn("ada")
	v.addTOTP("Phone")
	h.give(ada, login.Change{AddPasskey: phoneKey(), AddIdentity: atGitHub()})
	h.give(bob, login.Change{AddPasskey: laptopKey(), AddTOTP: &login.TOTP{ID: "bobs", Sealed: []byte("x")}, AddIdentity: &login.Identity{Issuer: "https://github.com", Upstream: "2", Connector: "github"}})
	other.prove2(t, bob)
	apps, err := h.Store.TOTPs(t.Context(), ada.Subject)
	ok(t, err)
	sessions, err := h.Store.Sessions(t.Context(), ada.Subject, h.now())
	ok(t, err)
	before, mine := h.everything(ada), h.everything(bob)
	id := login.PasskeyID(phoneKey().ID)
	for _, row := range []struct {
		path   string
		fields url.Values
	}{
		{"/account/passkeys/rename", url.Values{"id": {id}, "name": {"Mine"}}},
		{"/account/passkeys/remove", url.Values{"id": {id}}},
		{"/account/passkeys/remove", url.Values{"id": {""}}},
		{"/account/passkeys/remove", url.Values{"id": {"%%"}}},
		{"/account/totp/remove", url.Values{"id": {apps[0].ID}}},
		{"/account/totp/remove", url.Values{"id": {""}}},
		{"/account/unlink", url.Values{"issuer": {"https://github.com"}, "there": {"583231"}}},
		{"/account/unlink", url.Values{}},
	} {
		if a := other.raw("/account/security", row.path, row.path, row.fields); a.Code != 303 {
			t.Errorf("%s %v: %d %s", row.path, row.fields, a.Code, a.text)
		}
	}
	session, err := h.Session(h.request(other))
	ok(t, err)
	if a := other.post("/account/sessions/end", url.Values{"form": {h.formToken(nil, h.request(other), session, "session-end", "")}, "id": {sessions[0].ID}}); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	if after := h.everything(ada); after != before {
		t.Errorf("ada's changed:\n%s\n%s", before, after)
	}
	if after := h.everything(bob); after != mine {
		t.Errorf("bob's changed:\n%s\n%s", mine, after)
	}
	v.get("/account").has(t, 200)
}

func TestLinkAccounts(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box), withOthers(t))
	ada, bob := h.verified(h.user("ada")), h.user("bob")
	v, other := h.visitor(), h.visitor()
	v.signIn("ada")
	other.signIn("bob")
	a := v.get("/account/security")
	a.has(t, 200, `id="link-github"`, `id="link-staff"`, "Link an account at GitHub")
	if csp := a.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https:;") {
		t.Errorf("the button can't lead on: %s", csp)
	}
	// A button leads to the provider, and it comes back to this session alone.
	away := v.submit(a, "/account/link/github")
	to, err := url.Parse(away.Header().Get("Location"))
	ok(t, err)
	if away.Code != 303 || to.Host != "github.com" || to.Query().Get("redirect_uri") != issuer+"/login/callback/github" {
		t.Fatalf("%d %s", away.Code, to)
	}
	out, err := h.openAway(h.request(v), to.Query().Get("state"))
	ok(t, err)
	session, err := h.Session(h.request(v))
	if ok(t, err); out.Link != session.ID {
		t.Error("it isn't bound to the session")
	}
	// What came back is offered, and linked by a button.
	offer := func(x *visitor, name string) string {
		sealed, err := h.Login.OfferLink(login.Arrival{Identity: upstream.Identity{Connector: "github", Issuer: "https://github.com", Subject: name, Username: "<b>" + name + "</b>"}}, x.cookies["__Host-browser"])
		ok(t, err)
		return "/link?o=" + url.QueryEscape(sealed)
	}
	if a := v.submit(v.get(offer(v, "1")), "link-form"); a.Code != 303 || a.Header().Get("Location") != "/account/security" {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	v.get("/account/security").has(t, 200, "<strong>GitHub</strong>", "&lt;b&gt;1&lt;/b&gt;", `id="unlink-1"`)
	other.submit(other.get(offer(other, "1")), "link-form").has(t, 409)
	if l := h.newest(box, "ada@"); !strings.Contains(l.Subject, "Another way to sign in") {
		t.Errorf("%s", l.Subject)
	}
	if a := v.submit(v.get("/account/security"), "/account/unlink"); a.Code != 303 || a.Header().Get("Location") != "/account/security#linked" {
		t.Errorf("%d %s", a.Code, a.text)
	}
	for _, u := range []login.User{ada, bob} {
		if found, err := h.Store.Identities(t.Context(), u.Subject); err != nil || len(found) != 0 {
			t.Errorf("%s: %v %v", u.Username, found, err)
		}
	}
	// A directory has a page of ours; what isn't switched on has none.
	v.get("/account/link/staff").has(t, 200, `id="linking-form"`)
	v.submit(v.get("/account/link/staff"), "linking-form", "username", "ada", "password", "x").has(t, 503, "Staff doesn&#39;t answer")
	v.get("/account/link/github").has(t, 404)
	v.get("/account/link/nobody").has(t, 404)
	v.post("/account/link/nobody", url.Values{"form": {h.formToken(nil, h.request(v), session, "link-to", "nobody")}}).has(t, 404)
	// The form of one provider is no other's.
	_, fields := formIn(t, v.get("/account/security").text, "/account/link/github")
	v.post("/account/link/staff", fields).has(t, 403)
}

func TestTrustedBrowsers(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	v, phone := h.visitor(), h.visitor()
	v.signIn("ada")
	key, _ := v.addTOTP("Phone")
	h.advance(time.Minute)
	phone.header.Set("User-Agent", iPhone)
	a := phone.submit(phone.get("/login"), "login-form", "username", "ada", "password", password)
	phone.submit(phone.follow(a), "otp-form", "otp", totpNow(t, key, h.now()), "trust", "yes")
	v.get("/account/security").has(t, 200, "Safari on iPhone", "until ", `id="browsers-forget"`)
	h.advance(time.Hour)
	if a := v.submit(v.get("/account/security"), "/account/browsers/forget"); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	a = v.get("/account/security")
	if strings.Contains(a.text, `id="browsers-forget"`) || !strings.Contains(a.text, "None. When you take the second step") {
		t.Error("not forgotten")
	}
	phone.get("/account").has(t, 200)
	if found, err := h.Store.Browsers(t.Context(), ada.Subject); err != nil || len(found) != 0 {
		t.Errorf("%v %v", found, err)
	}
}

// Another person's forms, and none: every button of the area sits behind its own
// token; TestEveryPostNeedsItsToken goes through all of them.
func TestEveryAccountPageNeedsASession(t *testing.T) {
	h := newHouse(t, withOthers(t))
	v := h.visitor()
	for _, r := range h.accountMap() {
		path, isGet := strings.CutPrefix(r.pattern, "GET ")
		if !isGet || strings.HasPrefix(path, "/pictures/") {
			continue
		}
		a := v.get(strings.Replace(path, "{id}", "staff", 1))
		if a.Code != 302 || !strings.HasPrefix(a.Header().Get("Location"), "/login?to=") {
			t.Errorf("%s: %d %s", path, a.Code, a.Header().Get("Location"))
		}
	}
}

// A form that is refused leads to the page on which it stands, and so does the
// choice of a language beside what a button answered.
func TestButtonsLeadToTheirPage(t *testing.T) {
	h := newHouse(t, withOthers(t))
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	for _, r := range h.accountMap() {
		path, isPost := strings.CutPrefix(r.pattern, "POST ")
		if !isPost {
			continue
		}
		a := v.post(strings.Replace(path, "{id}", "github", 1), url.Values{"form": {"x"}})
		back := cutOut(cutOut(a.text, `id="error-page"`, "</main>"), `href="`, `"`)
		if a.Code != 403 || !strings.HasPrefix(back, "/account/") {
			t.Errorf("%s: %d leads to %q", path, a.Code, back)
			continue
		}
		v.follow(v.get(back)).has(t, 200, `class="frame"`)
	}
}

// Case 212 for what old rows hold: names are text wherever they stand, and turn
// nothing but themselves.
func TestOldNamesAreText(t *testing.T) {
	h := newHouse(t, withOthers(t))
	for i, name := range hostile {
		u := h.user("ada" + string(rune('a'+i)))
		text := string(rune('a' + i))
		h.give(u, login.Change{
			AddPasskey:  &login.Passkey{ID: []byte("key" + text), Name: name, Credential: []byte("{}")},
			AddTOTP:     &login.TOTP{ID: "app" + text, Name: name, Sealed: []byte("x")},
			AddIdentity: &login.Identity{Issuer: "https://" + text, Upstream: name, Connector: name, Label: name},
			Activity:    &login.Activity{ID: secret.NewID(), Subject: u.Subject, Kind: login.DidUnlink, At: h.now(), Detail: name, UserAgent: name, Address: name},
		})
		h.client("own"+text, u.Subject, func(m *oauth.Metadata) { m.Name = "Own" })
		c, err := h.Store.Client(t.Context(), "own"+text)
		ok(t, err)
		changed := *c
		changed.Name = name
		ok(t, h.Store.UpdateClient(t.Context(), &changed, false))
		h.happen(u.Subject, "own"+text, func(*oauth.Authorization) {})
		v := h.visitor()
		v.header.Set("User-Agent", name)
		v.prove2(t, u)
		for _, path := range []string{"/account/security", "/account/activity", "/account/apps", "/account/sessions", "/account/delete", "/account/passkeys/new", "/account/totp/new"} {
			a := v.get(path)
			if a.Code != 200 {
				t.Errorf("%s with %q: %d", path, name, a.Code)
			}
			for _, bad := range []string{"<script>alert", "<img src=x", "</title><h1>", `href="javascript`} {
				if strings.Contains(a.text, bad) {
					t.Errorf("%s with %q holds %s", path, name, bad)
				}
			}
		}
	}
}
