package login_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// authenticator is one made of software: it does what it is told, also wrong.
type authenticator struct {
	key   *ecdsa.PrivateKey
	id    []byte
	user  string
	count uint32
}

// lies are what an answer may say instead of the truth.
type lies struct {
	origin, kind, challenge string
	rpID                    string
	flags                   byte
	count                   uint32
	cross                   bool
	alg                     []byte
	signer                  *ecdsa.PrivateKey
	user                    string
}

const (
	userPresent  = 0x01
	userVerified = 0x04
	hasKey       = 0x40
)

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return &authenticator{key: key, id: id}
}

func (l lies) or() lies {
	if l.origin == "" {
		l.origin = issuer
	}
	if l.rpID == "" {
		l.rpID = "as.example"
	}
	if l.flags == 0 {
		l.flags = userPresent | userVerified
	}
	if l.alg == nil {
		l.alg = []byte{0x26} // -7, ES256
	}
	return l
}

var b64 = base64.RawURLEncoding

func challengeIn(t *testing.T, options string) string {
	t.Helper()
	var o struct {
		Challenge string `json:"challenge"`
	}
	ok(t, json.Unmarshal([]byte(options), &o))
	return o.Challenge
}

func (l lies) client(kind, challenge string) []byte {
	if l.kind != "" {
		kind = l.kind
	}
	if l.challenge != "" {
		challenge = l.challenge
	}
	data, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": l.origin, "crossOrigin": l.cross})
	return data
}

func (l lies) data(count uint32, flags byte) []byte {
	sum := sha256.Sum256([]byte(l.rpID))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), count)
}

// cborBytes writes a byte string: RFC 8949 §3.1.
func cborBytes(b []byte) []byte {
	switch n := len(b); {
	case n < 24:
		return append([]byte{0x40 | byte(n)}, b...)
	case n < 256:
		return append([]byte{0x58, byte(n)}, b...)
	default:
		return append([]byte{0x59, byte(n >> 8), byte(n)}, b...)
	}
}

func cborText(s string) []byte { return append([]byte{0x60 | byte(len(s))}, s...) }

// cose: RFC 9053 §7.1.1.
func (a *authenticator) cose(alg []byte) []byte {
	point, _ := a.key.PublicKey.Bytes()
	return slices.Concat([]byte{0xa5, 0x01, 0x02, 0x03}, alg, []byte{0x20, 0x01, 0x21}, cborBytes(point[1:33]), []byte{0x22}, cborBytes(point[33:]))
}

// create answers navigator.credentials.create.
func (a *authenticator) create(t *testing.T, c login.Challenge, l lies) string {
	t.Helper()
	l = l.or()
	data := l.data(a.count, l.flags|hasKey)
	data = slices.Concat(data, make([]byte, 16), []byte{byte(len(a.id) >> 8), byte(len(a.id))}, a.id, a.cose(l.alg))
	object := slices.Concat([]byte{0xa3}, cborText("fmt"), cborText("none"), cborText("attStmt"), []byte{0xa0}, cborText("authData"), cborBytes(data))
	return a.answer(map[string]any{
		"clientDataJSON": b64.EncodeToString(l.client("webauthn.create", challengeIn(t, c.Options))), "attestationObject": b64.EncodeToString(object),
	})
}

// get answers navigator.credentials.get.
func (a *authenticator) get(t *testing.T, c login.Challenge, l lies) string {
	t.Helper()
	l = l.or()
	a.count++
	count, user, signer := a.count, a.user, a.key
	if l.count != 0 {
		count = l.count
	}
	if l.user != "" {
		user = l.user
	}
	if l.signer != nil {
		signer = l.signer
	}
	client, data := l.client("webauthn.get", challengeIn(t, c.Options)), l.data(count, l.flags)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, signer, sum[:])
	ok(t, err)
	return a.answer(map[string]any{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data),
		"signature": b64.EncodeToString(signature), "userHandle": b64.EncodeToString([]byte(user)),
	})
}

func (a *authenticator) answer(response map[string]any) string {
	id := b64.EncodeToString(a.id)
	text, _ := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	return string(text)
}

// passkey gives an account a passkey.
func (b *bed) passkey(in login.SignedIn) *authenticator {
	b.t.Helper()
	a := newAuthenticator(b.t)
	who := b.actor(in.Record)
	c, err := b.MakePasskey(context.Background(), who.User(), browser)
	ok(b.t, err)
	_, err = b.AddPasskey(context.Background(), who, c.Sealed, a.create(b.t, c, lies{}), browser, "My laptop")
	ok(b.t, err)
	a.user = who.User().Subject
	return a
}

func TestPasskey(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	a := b.passkey(b.signIn("ada", ""))
	ask, err := b.AskPasskey(browser)
	ok(t, err)
	answer := a.get(t, ask, lies{})
	e, err := b.ByPasskey(ctx, ask.Sealed, answer, browser, from)
	ok(t, err)
	v, err := b.Authenticate(ctx, e, login.Want{Bind: browser, ACR: "2"})
	ok(t, err)
	before := b.store.Writes()
	in, err := b.SignIn(ctx, v.Proof, nil, "", from)
	ok(t, err)
	if n := b.store.Writes() - before; n != 1 {
		t.Errorf("a sign-in by passkey cost %d writes", n)
	}
	if in.Record.ACR != "2" || in.Record.Subject != u.Subject || !slices.Equal(in.Record.AMR, []string{"hwk", "user", "mfa"}) {
		t.Errorf("%s %q", in.Record.ACR, in.Record.AMR)
	}
	keys, err := b.Store.Passkeys(ctx, u.Subject)
	ok(t, err)
	if k := keys[0]; k.Name != "My laptop" || k.UsedAt.IsZero() || k.UsedAddress != from.Address || k.SignCount != 1 {
		t.Errorf("%+v", k)
	}
	// 249, a reused challenge: the same answer, and a new answer to it.
	for name, again := range map[string]string{"the same answer": answer, "another answer": a.get(t, ask, lies{})} {
		e, err := b.ByPasskey(ctx, ask.Sealed, again, browser, from)
		if err != nil {
			wants(t, name, err, login.ErrWrong)
			continue
		}
		v, err := b.Authenticate(ctx, e, login.Want{Bind: browser})
		ok(t, err)
		_, err = b.SignIn(ctx, v.Proof, nil, "", from)
		wants(t, name, err, login.ErrWrong)
	}
}

// Test249PasskeyLies: each is refused and no session is made of it.
func Test249PasskeyLies(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	b.person("bob")
	a := b.passkey(b.signIn("ada", ""))
	bobs := b.passkey(b.signIn("bob", ""))
	stranger := newAuthenticator(t)
	for name, l := range map[string]lies{
		"another challenge": {challenge: b64.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))}, "an origin that ends alike": {origin: "https://badas.example"},
		"plain http": {origin: "http://as.example"}, "another port": {origin: "https://as.example:8443"}, "a subdomain": {origin: "https://x.as.example"},
		"another relying party": {rpID: "example"}, "create for get": {kind: "webauthn.create"}, "nobody there": {flags: userVerified}, "nobody verified": {flags: userPresent},
		"another's signature": {signer: stranger.key}, "another's handle": {user: "somebody"}, "in another's frame": {cross: true},
	} {
		ask, err := b.AskPasskey(browser)
		ok(t, err)
		_, err = b.ByPasskey(ctx, ask.Sealed, a.get(t, ask, l), browser, from)
		wants(t, name, err, login.ErrWrong)
	}
	ask, err := b.AskPasskey(browser)
	ok(t, err)
	_, err = b.ByPasskey(ctx, ask.Sealed, stranger.get(t, ask, lies{user: u.Subject}), browser, from)
	wants(t, "an unknown credential", err, login.ErrWrong)
	_, err = b.ByPasskey(ctx, ask.Sealed, a.get(t, ask, lies{}), "another browser", from)
	wants(t, "a challenge of another browser", err, login.ErrStale)
	b.advance(13 * time.Hour)
	_, err = b.ByPasskey(ctx, ask.Sealed, a.get(t, ask, lies{}), browser, from)
	wants(t, "a stale challenge", err, login.ErrStale)
	for _, junk := range []string{"", "{}", "null", strings.Repeat("[", 5000), strings.Repeat("a", 20<<10), `{"id":"x","rawId":"x","type":"public-key","response":{}}`} {
		ask, err := b.AskPasskey(browser)
		ok(t, err)
		_, err = b.ByPasskey(ctx, ask.Sealed, junk, browser, from)
		wants(t, "junk", err, login.ErrWrong)
	}

	// The counter falls: refused, and the owner can read of it.
	ask, err = b.AskPasskey(browser)
	ok(t, err)
	e, err := b.ByPasskey(ctx, ask.Sealed, a.get(t, ask, lies{count: 1000}), browser, from)
	ok(t, err)
	v, err := b.Authenticate(ctx, e, login.Want{Bind: browser})
	ok(t, err)
	_, err = b.SignIn(ctx, v.Proof, nil, "", from)
	ok(t, err)
	ask, err = b.AskPasskey(browser)
	ok(t, err)
	_, err = b.ByPasskey(ctx, ask.Sealed, a.get(t, ask, lies{count: 7}), browser, from)
	wants(t, "a counter that fell", err, login.ErrWrong)
	happened, err := b.Store.Activities(ctx, u.Subject, 10)
	ok(t, err)
	if !slices.ContainsFunc(happened, func(h login.Activity) bool { return h.Kind == login.DidRollBack }) {
		t.Error("nobody tells the owner of a copied passkey")
	}

	// As a second factor it is one's own.
	b.enrol(b.fresh("ada", a))
	_, h := b.half("ada", login.Want{})
	ask, err = b.AskFactor(ctx, h.User, browser)
	ok(t, err)
	try := login.Try{Kind: login.WayPasskey, Asked: ask.Sealed, Bind: browser, From: from}
	try.Answer = bobs.get(t, ask, lies{})
	_, err = b.Second(ctx, h, try)
	wants(t, "another person's passkey", err, login.ErrWrong)
	signIn, err := b.AskPasskey(browser)
	ok(t, err)
	try.Asked, try.Answer = signIn.Sealed, a.get(t, signIn, lies{count: 2000})
	_, err = b.Second(ctx, h, try)
	wants(t, "an answer to another question", err, login.ErrStale)
	try.Asked, try.Answer = ask.Sealed, a.get(t, ask, lies{count: 2001})
	p, err := b.Second(ctx, h, try)
	ok(t, err)
	in, err := b.SignIn(ctx, p, nil, "", from)
	ok(t, err)
	if !slices.Equal(in.Record.AMR, []string{"pwd", "hwk", "user", "mfa"}) {
		t.Errorf("%q", in.Record.AMR)
	}
}

// fresh signs in by a passkey, which is two factors.
func (b *bed) fresh(name string, a *authenticator) login.SignedIn {
	b.t.Helper()
	ctx := context.Background()
	ask, err := b.AskPasskey(browser)
	ok(b.t, err)
	e, err := b.ByPasskey(ctx, ask.Sealed, a.get(b.t, ask, lies{count: 1500}), browser, from)
	ok(b.t, err)
	v, err := b.Authenticate(ctx, e, login.Want{Bind: browser})
	ok(b.t, err)
	in, err := b.SignIn(ctx, v.Proof, nil, "", from)
	ok(b.t, err)
	return in
}

// Test250MakingPasskeys: what is no passkey, or is somebody's already.
func Test250MakingPasskeys(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	b.person("bob")
	a := b.passkey(b.signIn("ada", ""))
	who := b.actor(b.signIn("bob", "").Record)
	made := func(a *authenticator, l lies) error {
		c, err := b.MakePasskey(ctx, who.User(), browser)
		ok(t, err)
		_, err = b.AddPasskey(ctx, who, c.Sealed, a.create(t, c, l), browser, "")
		return err
	}
	wants(t, "a credential of another's", made(a, lies{}), oauth.ErrConflict)
	for name, l := range map[string]lies{
		"another origin": {origin: "https://evil.example"}, "get for create": {kind: "webauthn.get"}, "not verified": {flags: userPresent}, "an algorithm that nobody asked for": {alg: []byte{0x38, 0x2e}},
	} {
		var invalid *login.Invalid
		if err := made(newAuthenticator(t), l); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	began := time.Now()
	for _, bomb := range [][]byte{bytes.Repeat([]byte{0x81}, 6000), bytes.Repeat([]byte{0x9f}, 6000), {0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		c, err := b.MakePasskey(ctx, who.User(), browser)
		ok(t, err)
		answer := a.answer(map[string]any{"clientDataJSON": b64.EncodeToString(lies{}.or().client("webauthn.create", challengeIn(t, c.Options))), "attestationObject": b64.EncodeToString(bomb)})
		var invalid *login.Invalid
		if _, err := b.AddPasskey(ctx, who, c.Sealed, answer, browser, ""); !errors.As(err, &invalid) {
			t.Errorf("a bomb: %v", err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("bombs took %s", took)
	}
	c, err := b.MakePasskey(ctx, b.user(u), browser)
	ok(t, err)
	_, err = b.AddPasskey(ctx, who, c.Sealed, newAuthenticator(t).create(t, c, lies{}), browser, "")
	wants(t, "a challenge of another person's", err, login.ErrStale)
	ok(t, made(newAuthenticator(t), lies{}))
}

// TestLastPasskey: it goes only where something else is left.
func TestLastPasskey(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	a := b.passkey(b.signIn("ada", ""))
	in := b.fresh("ada", a)
	ok(t, b.RemovePassword(ctx, b.actor(in.Record)))
	again, err := b.Session(ctx, in.Cookie)
	ok(t, err)
	b.Chain = slices.DeleteFunc(b.Chain, func(w login.Authenticator) bool { return w.Name == login.WayEmail })
	wants(t, "the only way in", b.RemovePasskey(ctx, b.actor(again), a.id), login.ErrLastWay)
	keys, err := b.Store.Passkeys(ctx, u.Subject)
	ok(t, err)
	if len(keys) != 1 {
		t.Error("it is gone all the same")
	}
}
