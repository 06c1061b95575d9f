package login_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// TestPasskeyOfLongSubject: a subject that came from elsewhere may be longer than
// a user handle: WebAuthn §5.4.3.
func TestPasskeyOfLongSubject(t *testing.T) {
	for _, subject := range []string{strings.Repeat("a", 64), strings.Repeat("a", 65), "auth0|" + strings.Repeat("x", 249)} {
		b := newBed(t)
		u := b.person("ada")
		u.Subject, u.Username, u.UsernameKey, u.Email = subject, "bob", "bob", "bob@example.com"
		ok(t, b.store.CreateUser(t.Context(), u))
		in := b.signIn("bob", "")
		c, err := b.MakePasskey(t.Context(), b.actor(in.Record).User(), browser)
		ok(t, err)
		var options struct {
			User struct {
				ID string `json:"id"`
			} `json:"user"`
		}
		ok(t, json.Unmarshal([]byte(c.Options), &options))
		handle, err := b64.DecodeString(options.User.ID)
		ok(t, err)
		if len(handle) == 0 || len(handle) > 64 || (string(handle) == subject) != (len(subject) <= 64) {
			t.Errorf("a subject of %d bytes has the handle %q", len(subject), handle)
		}
		a := b.passkey(in)
		a.user = string(handle)
		if again := b.fresh("bob", a); again.Record.Subject != subject {
			t.Errorf("signed in as %s", again.Record.Subject)
		}
	}
}

// elsewhere is a user base of an embedder's.
type elsewhere struct{ oauth.Users }

func (elsewhere) Authenticate(_ context.Context, username, _ string) (string, error) {
	return "u|" + username, nil
}

// TestExternalRowAnew: who comes back after their row was deleted begins under an
// epoch that it never had, so that nothing from before comes to life.
func TestExternalRowAnew(t *testing.T) {
	b := newBed(t, func(s *login.Service) { s.External = elsewhere{} })
	first := b.signIn("ada", "")
	before := b.user(login.User{Subject: first.Record.Subject})
	ok(t, b.store.DeleteUser(t.Context(), before.Subject))
	b.advance(time.Second)
	again := b.signIn("ada", "")
	if now := b.user(login.User{Subject: again.Record.Subject}); now.Subject != before.Subject || now.Epoch <= before.Epoch {
		t.Errorf("%s at %d, then %s at %d", before.Subject, before.Epoch, now.Subject, now.Epoch)
	}
}
