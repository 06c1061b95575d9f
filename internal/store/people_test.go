package store

import (
	"errors"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func (b *bed) person(t *testing.T, name string) login.User {
	t.Helper()
	u := login.User{Subject: secret.NewID(), Username: name, UsernameKey: name, Email: name + "@x.example", EmailVerified: true, Password: "p", Epoch: 1}
	ok(t, b.CreateUser(t.Context(), u))
	return must(b.User(t.Context(), u.Subject))(t)
}

func (b *bed) start(u login.User, epoch int64, spent ...login.Spent) login.Start {
	return login.Start{Record: login.Record{
		Session:    oauth.Session{ID: secret.NewID(), Subject: u.Subject, UserEpoch: epoch, Logins: 1, AuthTime: b.time(), ACR: "1", AMR: []string{"pwd"}},
		SecretHash: secret.Hash("s"), CreatedAt: b.time(), ExpiresAt: b.time().Add(time.Hour),
	}, Spent: spent}
}

// TestProofsOnce: of 32 sign-ins with one proof, of each kind, one makes a
// session: cases 245, 253.
func TestProofsOnce(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u := b.person(t, "ada")
		link := login.Link{Kind: login.LinkSignIn, Owner: u.Subject, Hash: []byte("hash"), Content: []byte("c"), ExpiresAt: b.time().Add(time.Hour)}
		ok(t, b.PutLink(ctx, link))
		_, err := b.Apply(ctx, login.Change{
			Subject: u.Subject, At: b.time(), AddTOTP: &login.TOTP{ID: "app", Name: "Phone", Sealed: []byte("k"), LastStep: 5},
			AddPasskey: &login.Passkey{ID: []byte("key"), Name: "Key", Credential: []byte("{}"), SignCount: 7}, Recovery: [][]byte{[]byte("code"), []byte("other")},
		})
		ok(t, err)
		for name, spent := range map[string]login.Spent{
			"totp":     {TOTP: &login.TOTP{ID: "app", LastStep: 6, UsedAt: b.time()}},
			"recovery": {Recovery: []byte("code"), At: b.time()},
			"passkey":  {Passkey: &login.Passkey{ID: []byte("key"), Credential: []byte("{}"), SignCount: 8}, Was: 7},
			"link":     {Link: &link},
			"once":     {Once: &oauth.Once{Kind: "webauthn", ID: "challenge", Until: b.time().Add(time.Hour)}},
		} {
			answers := race(t, func(int) error { return b.StartSession(ctx, b.start(u, 1, spent)) })
			if answers[nil] != 1 || answers[oauth.ErrReplayed] != 31 {
				t.Errorf("%s: %v", name, answers)
			}
			wants(t, name+" by another person", b.Spend(ctx, "nobody", spent), oauth.ErrReplayed)
		}
		if n := len(must(b.Sessions(ctx, u.Subject, b.time()))(t)); n != 5 {
			t.Errorf("%d sessions of 5 proofs", n)
		}
		wants(t, "an older code", b.Spend(ctx, u.Subject, login.Spent{TOTP: &login.TOTP{ID: "app", LastStep: 6}}), oauth.ErrReplayed)
		ok(t, b.Spend(ctx, u.Subject, login.Spent{TOTP: &login.TOTP{ID: "app", LastStep: 7}}))
		wants(t, "a used proof leaves nothing", b.StartSession(ctx, b.start(u, 1, login.Spent{Recovery: []byte("other"), At: b.time()}, login.Spent{TOTP: &login.TOTP{ID: "app", LastStep: 7}})), oauth.ErrReplayed)
		ok(t, b.Spend(ctx, u.Subject, login.Spent{Recovery: []byte("other"), At: b.time()}))
	})
}

// TestChangeEndsAll: case 210. A change of how a person proves themselves ends
// every other session, and is all or nothing.
func TestChangeEndsAll(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u := b.person(t, "ada")
		kept, other := b.start(u, 1), b.start(u, 1)
		kept.Browser = login.Browser{Subject: u.Subject, Hash: []byte("browser"), TrustedUntil: b.time().Add(time.Hour)}
		ok(t, b.StartSession(ctx, kept))
		ok(t, b.StartSession(ctx, other))
		epoch := must(b.Apply(ctx, login.Change{Subject: u.Subject, Epoch: 1, At: b.time(), Ends: true, Keep: kept.ID, AddTOTP: &login.TOTP{ID: "a", Sealed: []byte("k")}}))(t)
		if epoch != 2 {
			t.Errorf("epoch %d", epoch)
		}
		must(b.Session(ctx, kept.ID, b.time()))(t)
		_, err := b.Session(ctx, other.ID, b.time())
		wants(t, "another session", err, oauth.ErrNotFound)
		if browser := must(b.Browser(ctx, u.Subject, []byte("browser")))(t); !browser.TrustedUntil.IsZero() {
			t.Error("a browser is trusted still")
		}
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, Epoch: 1, At: b.time(), Ends: true})
		wants(t, "a change begun before", err, oauth.ErrEnded)
		none := ""
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), Ends: true, Keep: kept.ID, Password: &none, RemoveTOTP: "nothing"})
		wants(t, "half a change", err, oauth.ErrNotFound)
		if got := must(b.User(ctx, u.Subject))(t); got.Password != "p" || got.Epoch != 2 {
			t.Errorf("half a change was kept: %+v", got)
		}
	})
}

// TestLastWay: no change takes the last way in, whichever kinds count; of 32 that
// take away one of two, one is left.
func TestLastWay(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u := b.person(t, "ada")
		none := ""
		leaves := &login.Ways{Password: true, Passkey: true, Connectors: []string{"google"}}
		_, err := b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), Password: &none, Leaves: leaves})
		wants(t, "the password alone", err, login.ErrLastWay)
		for i := range 32 {
			_, err := b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), AddPasskey: &login.Passkey{ID: []byte{byte(i)}, Credential: []byte("{}")}})
			ok(t, err)
		}
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), Password: &none, Leaves: leaves})
		ok(t, err)
		race(t, func(i int) error {
			_, err := b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), RemovePasskey: []byte{byte(i)}, Leaves: leaves})
			if errors.Is(err, login.ErrLastWay) {
				return oauth.ErrConflict
			}
			return err
		})
		if n := len(must(b.Passkeys(ctx, u.Subject))(t)); n != 1 {
			t.Errorf("%d passkeys are left", n)
		}
		link := &login.Identity{Issuer: "https://g", Upstream: "1", Connector: "google"}
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), AddIdentity: link})
		ok(t, err)
		left := must(b.Passkeys(ctx, u.Subject))(t)
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), RemovePasskey: left[0].ID, Leaves: leaves})
		ok(t, err)
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), RemoveIdentity: link, Leaves: &login.Ways{Password: true, Connectors: []string{"google"}}})
		wants(t, "the last identity", err, login.ErrLastWay)
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), RemoveIdentity: link, Leaves: &login.Ways{Mail: true}})
		ok(t, err)
	})
}

// TestTakenFactors: a credential or an identity is one person's: cases 250, 262.
func TestTakenFactors(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u, other := b.person(t, "ada"), b.person(t, "bob")
		key, link := &login.Passkey{ID: []byte("key"), Credential: []byte("{}")}, &login.Identity{Issuer: "https://g", Upstream: "1", Connector: "google"}
		_, err := b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), AddPasskey: key, AddIdentity: link})
		ok(t, err)
		for name, change := range map[string]login.Change{"passkey": {AddPasskey: key}, "identity": {AddIdentity: link}} {
			change.Subject, change.At = other.Subject, b.time()
			_, err := b.Apply(ctx, change)
			wants(t, name, err, oauth.ErrConflict)
		}
		for name, change := range map[string]login.Change{
			"remove": {RemovePasskey: key.ID}, "rename": {RenamePasskey: &login.Passkey{ID: key.ID, Name: "x"}}, "unlink": {RemoveIdentity: link},
		} {
			change.Subject, change.At = other.Subject, b.time()
			_, err := b.Apply(ctx, change)
			wants(t, name+" another's", err, oauth.ErrNotFound)
		}
		same := *link
		same.Issuer = "https://h" // case 269
		_, err = b.Apply(ctx, login.Change{Subject: other.Subject, At: b.time(), AddIdentity: &same})
		ok(t, err)
		ok(t, b.DeleteUser(ctx, u.Subject))
		_, err = b.Passkey(ctx, key.ID)
		wants(t, "the passkey of nobody", err, oauth.ErrNotFound)
		_, err = b.Identity(ctx, "https://g", "1")
		wants(t, "the identity of nobody", err, oauth.ErrNotFound)
	})
}

// TestFactorsInOrder: what a person has stands in the order in which it was made,
// though several were made within one second.
func TestFactorsInOrder(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u := b.person(t, "ada")
		for i := range 8 {
			_, err := b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), AddPasskey: &login.Passkey{ID: secret.Hash(string(rune('a' + i))), Name: string(rune('a' + i)), Credential: []byte("{}")}})
			ok(t, err)
		}
		_, err := b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), RemovePasskey: secret.Hash("c")})
		ok(t, err)
		_, err = b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), AddPasskey: &login.Passkey{ID: []byte("0"), Name: "z", Credential: []byte("{}")}})
		ok(t, err)
		names := ""
		for _, p := range must(b.Passkeys(ctx, u.Subject))(t) {
			names += p.Name
		}
		if names != "abdefghz" {
			t.Errorf("the passkeys stand as %s", names)
		}
	})
}

// TestLinks: the newest of a kind and owner works, until its time or its tries
// are over: case 253.
func TestLinks(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		put := func(hash string) {
			ok(t, b.PutLink(ctx, login.Link{Kind: login.LinkReset, Owner: "ada", Hash: []byte(hash), CodeHash: []byte("code"), TriesLeft: 3, Content: []byte("x"), ExpiresAt: b.time().Add(time.Minute)}))
		}
		find := func(kind login.LinkKind, hash string) error {
			_, err := b.Link(ctx, kind, []byte(hash), b.time())
			return err
		}
		put("one")
		ok(t, find(login.LinkReset, "one"))
		wants(t, "of another kind", find(login.LinkVerify, "one"), oauth.ErrNotFound) // case 256
		put("two")
		wants(t, "an older one", find(login.LinkReset, "one"), oauth.ErrNotFound)
		answers := race(t, func(int) error {
			_, err := b.TryCode(ctx, login.LinkReset, "ada", b.time())
			return err
		})
		if answers[nil] != 3 || answers[oauth.ErrNotFound] != 29 {
			t.Errorf("tries: %v", answers)
		}
		ok(t, find(login.LinkReset, "two"))
		b.advance(time.Minute)
		wants(t, "an expired one", find(login.LinkReset, "two"), oauth.ErrNotFound)
		ok(t, b.Sweep(ctx))
	})
}

// TestStepUp: a second factor gives a session another secret and acr, and is no
// new login: auth_time and the count of logins stay.
func TestStepUp(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u := b.person(t, "ada")
		begun := b.start(u, 1)
		ok(t, b.StartSession(ctx, begun))
		b.advance(time.Minute)
		again := b.start(u, 1)
		again.ID, again.ACR, again.AMR, again.SecretHash, again.ProvenAt = begun.ID, "2", []string{"pwd", "otp", "mfa"}, secret.Hash("other"), b.time()
		got := must(b.StepUp(ctx, again))(t)
		if got.ACR != "2" || got.Logins != 1 || !got.AuthTime.Equal(begun.AuthTime) || !got.ProvenAt.Equal(b.time()) || secret.Matches("s", got.SecretHash) {
			t.Errorf("%+v", got)
		}
		got = must(b.Relogin(ctx, again))(t)
		if got.Logins != 2 || !got.AuthTime.Equal(b.time()) {
			t.Errorf("%+v", got)
		}
		other := b.person(t, "bob")
		theirs := b.start(other, 1)
		theirs.ID = begun.ID
		_, err := b.StepUp(ctx, theirs)
		wants(t, "another's session", err, oauth.ErrNotFound)
	})
}

// TestMailClaimed: of 32 that look for due letters each gets its own.
func TestMailClaimed(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		for range 10 {
			ok(t, b.QueueMail(ctx, mail.Row{ID: secret.NewID(), Sealed: []byte("x"), DueAt: b.time(), ExpiresAt: b.time().Add(time.Hour)}))
		}
		claimed := make([][]mail.Row, 32)
		race(t, func(i int) (err error) {
			claimed[i], err = b.DueMail(ctx, b.time(), time.Minute, 10)
			return err
		})
		seen := map[string]bool{}
		for _, rows := range claimed {
			for _, r := range rows {
				if seen[r.ID] || r.Tries != 1 {
					t.Errorf("%s was claimed twice, or not counted: %+v", r.ID, r)
				}
				seen[r.ID] = true
			}
		}
		if len(seen) != 10 {
			t.Errorf("%d of 10 were claimed", len(seen))
		}
		b.advance(2 * time.Minute)
		if again := must(b.DueMail(ctx, b.time(), time.Minute, 100))(t); len(again) != 10 || again[0].Tries != 2 {
			t.Errorf("after the lease: %d", len(again))
		}
		for id := range seen {
			ok(t, b.DropMail(ctx, id))
		}
		b.advance(time.Hour)
		if left := must(b.DueMail(ctx, b.time(), time.Minute, 100))(t); len(left) != 0 {
			t.Errorf("%d are left", len(left))
		}
	})
}

// TestMemberships: a source says its own groups and no other's.
func TestMemberships(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u := b.person(t, "ada")
		ok(t, b.SetMemberships(ctx, u.Subject, "", []string{"staff"}))
		ok(t, b.SetMemberships(ctx, u.Subject, "corp", []string{"Domain Admins", "staff"}))
		s := b.start(u, 1)
		ok(t, b.StartSession(ctx, s))
		if got := must(b.Session(ctx, s.ID, b.time()))(t); len(got.Groups) != 2 || got.Groups[1] != "Domain Admins" {
			t.Errorf("%q", got.Groups)
		}
		ok(t, b.SetMemberships(ctx, u.Subject, "corp", nil))
		if got := must(b.User(ctx, u.Subject))(t).Groups(); len(got) != 1 || got[0] != "staff" {
			t.Errorf("%q", got)
		}
		wants(t, "nobody's", b.SetMemberships(ctx, "nobody", "", []string{"x"}), oauth.ErrNotFound)
	})
}
