package login_test

import (
	"testing"

	"github.com/valetkey/valetkey/internal/login"
)

// TestFirstPasswordIsSet: whoever had no password hears that one was set, however
// that came about; one that is there is changed, reset or removed.
func TestFirstPasswordIsSet(t *testing.T) {
	const next = "a password of her own"
	byLink := func(b *bed, u login.User, kind login.LinkKind) {
		t.Helper()
		var address string
		if kind == login.LinkReset {
			ok(t, b.Forgot(t.Context(), u.Username, "en", from))
			address = b.letter(u.Email).Link
		} else {
			var err error
			address, _, err = b.OperatorLink(t.Context(), u.Subject, false)
			ok(t, err)
		}
		r, err := b.OpenReset(t.Context(), kind, tokenOf(address))
		ok(t, err)
		ok(t, b.SetByReset(t.Context(), r, next, from))
	}
	for name, tt := range map[string]struct {
		had     bool
		do      func(b *bed, u login.User, in login.SignedIn)
		kind    login.ActivityKind
		subject string
	}{
		"first, by the owner": {false, func(b *bed, _ login.User, in login.SignedIn) {
			ok(t, b.ChangePassword(t.Context(), in.Record, "", next, "", from))
		}, login.DidSetPassword, "A password for O-stock was set"},
		"by the owner": {true, func(b *bed, _ login.User, in login.SignedIn) {
			ok(t, b.ChangePassword(t.Context(), in.Record, password, next, "", from))
		}, login.DidChangePassword, "Your password for O-stock was changed"},
		"first, by a link":       {false, func(b *bed, u login.User, _ login.SignedIn) { byLink(b, u, login.LinkReset) }, login.DidSetPassword, "A password for O-stock was set"},
		"by a link":              {true, func(b *bed, u login.User, _ login.SignedIn) { byLink(b, u, login.LinkReset) }, login.DidResetPassword, "Your password for O-stock was reset"},
		"first, operator's link": {false, func(b *bed, u login.User, _ login.SignedIn) { byLink(b, u, login.LinkOperator) }, login.DidEnterByOperator, "A password for O-stock was set"},
		"operator's link":        {true, func(b *bed, u login.User, _ login.SignedIn) { byLink(b, u, login.LinkOperator) }, login.DidEnterByOperator, "Your password for O-stock was reset"},
		"first, by an operator":  {false, func(b *bed, u login.User, _ login.SignedIn) { ok(t, b.SetPassword(t.Context(), u.Subject, next)) }, login.DidSetPassword, "A password for O-stock was set"},
		"by an operator":         {true, func(b *bed, u login.User, _ login.SignedIn) { ok(t, b.SetPassword(t.Context(), u.Subject, next)) }, login.DidChangePassword, "Your password for O-stock was changed"},
		"removed": {true, func(b *bed, _ login.User, in login.SignedIn) {
			ok(t, b.RemovePassword(t.Context(), b.actor(in.Record)))
		}, login.DidRemovePassword, "Your password for O-stock was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			u := b.person("ada")
			in := b.signIn("ada", "")
			if !tt.had {
				none := ""
				_, err := b.store.Apply(t.Context(), login.Change{Subject: u.Subject, At: b.now(), Password: &none})
				ok(t, err)
			}
			tt.do(b, u, in)
			history, err := b.store.Activities(t.Context(), u.Subject, 1)
			ok(t, err)
			if history[0].Kind != tt.kind {
				t.Errorf("the history has %s", history[0].Kind)
			}
			if l := b.letter("ada@"); l.Subject != tt.subject {
				t.Errorf("the letter is %q", l.Subject)
			}
		})
	}
}
