package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/upstream"
)

// What the account's pages hold that differs from run to run.
func init() {
	for what, by := range map[string]string{
		`(name="(?:sealed|m|a)" value=")[^"]+`:             "${1}SEALED",
		`(/totp/qr\?s=)[^"&]+`:                             "${1}SEALED",
		`(<select id="locale"[^>]*>).*</select>`:           "${1}LANGUAGES</select>",
		`(id="totp-key">)[A-Z2-7 ]+`:                       "${1}KEY",
		`(?m)^(<pre id="recovery-codes".*>)?[a-z2-7-]{15}`: "${1}CODE",
		`(user&#34;:.*?id&#34;:&#34;)[^&]+`:                "${1}USER",
	} {
		volatile = append(volatile, struct {
			what *regexp.Regexp
			by   string
		}{regexp.MustCompile(what), by})
	}
}

// withMail lets a house write letters, which stay in the box.
func withMail(t testing.TB, box *mail.Mailbox) func(*Config) {
	return func(c *Config) {
		post, err := mail.New(mail.Config{Store: c.Store, Box: c.Keyring.Box("mail", ""), Sender: box, From: "noreply@as.example", Brand: "Valet Key", Issuer: c.Issuer, Now: c.Now})
		ok(t, err)
		c.Login.Post, c.Login.Device = post, DeviceWords
	}
}

// letters are those to an address, newest last.
func (h *house) letters(box *mail.Mailbox, to string) []mail.Received {
	h.t.Helper()
	ok(h.t, h.Login.Post.Deliver(context.Background()))
	var out []mail.Received
	for _, l := range box.List() {
		if strings.Contains(l.To, to) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b mail.Received) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// withOthers has people come from other providers.
func withOthers(t testing.TB) func(*Config) {
	return func(c *Config) {
		others, err := upstream.New([]upstream.Config{
			{Name: "github", Kind: "github", ClientID: "id", ClientSecret: "s", Order: 1},
			{Name: "staff", Kind: "ldap", Title: "Staff", URL: []string{"ldaps://127.0.0.1:9"}, Base: "dc=example", Order: 2},
		}, upstream.Environment{Issuer: c.Issuer, Now: c.Now})
		ok(t, err)
		c.Others = others
		c.Login.Connectors = func() []string { return []string{"github", "staff"} }
	}
}

func (h *house) again(u login.User) login.User {
	h.t.Helper()
	u, err := h.Store.User(context.Background(), u.Subject)
	ok(h.t, err)
	return u
}

// verified has an account's address proven.
func (h *house) verified(u login.User) login.User {
	h.t.Helper()
	u.EmailVerified = true
	ok(h.t, h.Store.UpdateUser(context.Background(), u))
	h.advance(time.Second) // letters are told apart by their times
	return h.again(u)
}

// give gives an account a passkey, an authenticator app and a linked account,
// as no page does.
func (h *house) give(u login.User, change login.Change) {
	h.t.Helper()
	change.Subject, change.At = u.Subject, h.now()
	_, err := h.Store.Apply(context.Background(), change)
	ok(h.t, err)
}

func totpNow(t testing.TB, key string, at time.Time) string {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
	ok(t, err)
	mac := hmac.New(sha1.New, raw)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

func cutOut(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

// addTOTP sets an authenticator app up and answers its key and the page that
// shows the codes.
func (v *visitor) addTOTP(name string) (key string, codes answer) {
	v.h.t.Helper()
	a := v.get("/account/totp/new")
	a.has(v.h.t, 200, `id="totp-key"`)
	key = cutOut(a.text, `id="totp-key">`, "<")
	return key, v.submit(a, "totp-form", "otp", totpNow(v.h.t, key, v.h.now()), "name", name)
}

// goesToProve says that somebody is asked to prove it once more, and answers
// with the page that asks.
func (a answer) goesToProve(t testing.TB, v *visitor) answer {
	t.Helper()
	to := a.Header().Get("Location")
	if a.Code/100 != 3 || !strings.HasPrefix(to, "/login?") || !strings.Contains(to, "again=1") {
		t.Errorf("not asked to prove it once more: %d %s", a.Code, to)
		return a
	}
	return v.get(to)
}

// prove signs in once more, by an authenticator app too where key is given, and
// answers where that leads.
func (v *visitor) prove(a answer, name, key string) string {
	v.h.t.Helper()
	a = v.submit(a, "login-form", "username", name, "password", password)
	if key != "" {
		v.h.advance(30 * time.Second) // a code works once
		a = v.submit(v.follow(a), "otp-form", "otp", totpNow(v.h.t, key, v.h.now()))
	}
	if a.Code != 303 {
		v.h.t.Errorf("not proven: %d %s", a.Code, a.text)
	}
	return a.Header().Get("Location")
}

// makePasskey is an authenticator that answers what a page asks, without
// attestation: WebAuthn §6.5, §8.7.
func makePasskey(t testing.TB, page string) string {
	t.Helper()
	var asked struct {
		Challenge string
		RP        struct{ ID string }
	}
	ok(t, json.Unmarshal([]byte(html.UnescapeString(cutOut(page, `data-options="`, `"`))), &asked))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	public, err := key.PublicKey.ECDH()
	ok(t, err)
	point, id := public.Bytes(), make([]byte, 16)
	_, _ = rand.Read(id)
	host := sha256.Sum256([]byte(asked.RP.ID))
	data := append(host[:], 0x45, 0, 0, 0, 0) // present, verified, with a credential
	data = append(data, make([]byte, 16)...)
	data = append(append(data, 0, byte(len(id))), id...)
	data = append(data, 0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32)
	data = append(append(data, point[1:33]...), 0x22, 0x58, 32)
	data = append(data, point[33:]...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), byte(len(data)))
	object = append(object, data...)
	client, err := json.Marshal(map[string]any{"type": "webauthn.create", "challenge": asked.Challenge, "origin": issuer, "crossOrigin": false})
	ok(t, err)
	text := base64.RawURLEncoding.EncodeToString
	answer, err := json.Marshal(map[string]any{
		"id": text(id), "rawId": text(id), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": text(client), "attestationObject": text(object)},
	})
	ok(t, err)
	return string(answer)
}

// raw posts a form with a good token of this person, whatever else is in it.
func (v *visitor) raw(page, form, target string, fields url.Values) answer {
	v.h.t.Helper()
	_, good := formIn(v.h.t, v.get(page).text, form)
	fields.Set("form", good.Get("form"))
	return v.post(target, fields)
}

// everything is what an account is proven by, in one text.
func (h *house) everything(u login.User) string {
	h.t.Helper()
	ctx := context.Background()
	user := h.again(u)
	user.UpdatedAt = time.Time{}
	keys, err1 := h.Store.Passkeys(ctx, u.Subject)
	apps, err2 := h.Store.TOTPs(ctx, u.Subject)
	codes, err3 := h.Store.RecoveryCodes(ctx, u.Subject)
	linked, err4 := h.Store.Identities(ctx, u.Subject)
	browsers, err5 := h.Store.Browsers(ctx, u.Subject)
	sessions, err6 := h.Store.Sessions(ctx, u.Subject, h.now())
	given, err7 := h.Store.Authorizations(ctx, u.Subject)
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7} {
		ok(h.t, err)
	}
	ids := make([]string, len(sessions))
	for i, s := range sessions {
		ids[i] = s.ID
	}
	return fmt.Sprint(user, keys, apps, codes, linked, browsers, ids, given)
}

// withEmail lets people sign in by mail too.
func withEmail(c *Config) {
	c.Login.Chain = append(login.DefaultChain(), login.Authenticator{Name: login.WayEmail, Factor: 1, Order: 50})
}

// request is one that a visitor would make.
func (h *house) request(v *visitor) *http.Request {
	r, _ := http.NewRequest("GET", "/", nil)
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}
