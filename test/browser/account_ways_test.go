package browser

import (
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/upstreams"
)

// proves proves once more by a passkey that it is who is signed in.
func (p *person) proves(w *place, path string) {
	p.t.Helper()
	p.open(w.URL + path)
	p.at("/login")
	p.sees("Confirm that it is you")
	p.press("#passkey-submit")
	p.at(path)
}

// TestAccountPasskeys: made, named, used, renamed and taken away, but for the one
// without which nobody could sign in.
func TestAccountPasskeys(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true})
	p := somebody(t)
	phone := p.authenticator()
	p.home(w, "ada")
	codes := p.addsPasskey(w, "Phone")
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	p.sees("Phone", "Made just now", "not used yet", "10 codes are left.")

	// The same one makes no second.
	p.proves(w, "/account/passkeys/new")
	p.do(mouse("#passkey-submit"), see("No passkey was made. Try again, or use another device."))
	p.look("account-passkey-not-made")
	if made := phone.keys(); len(made) != 1 {
		t.Errorf("%d passkeys in one authenticator", len(made))
	}

	// Another one does; the codes that there are stay.
	w.Clock.Advance(time.Minute)
	phone.beside(func() {
		if codes := p.addsPasskey(w, ""); codes != nil {
			t.Error("recovery codes are shown again")
		}
	})
	p.sees("Phone", "Passkey")
	p.do(mouse("[aria-labelledby=passkeys] summary")) // of the first
	p.write("#passkey-name-1", "Pocket phone")
	p.press("#passkey-rename-1")
	p.at("/account/security")
	p.sees("Pocket phone")

	// Used, it says so: when, by what and from where.
	w.Clock.Advance(3 * time.Hour)
	p.forgets()
	p.open(w.URL + "/account")
	p.press("#passkey-submit")
	p.at("/account")
	w.Clock.Advance(2 * time.Minute)
	p.page(w, "/account/security")
	p.sees("last used 2 minutes ago, Chrome on Linux, 127.0.0.1", "not used yet")

	p.press("#passkey-remove-2")
	p.at("/account/security")
	p.sees("The passkey “Passkey” was removed")
	if p.lacks("not used yet"); p.has("#passkey-remove-2") {
		t.Error("it is still there")
	}

	// Without the password the first is the only way in.
	p.press("#password-remove")
	p.sees("You have none, and sign in by other ways.")
	p.press("#passkey-remove-1")
	p.sees("It is your only way in, so it stays.", "Pocket phone")
	p.look("account-security-only-way")
	p.page(w, "/account/activity")
	p.sees("The passkey “Passkey” was removed", "The passkey “Phone” was added")
}

// TestAccountTOTP: an authenticator app, by a clock that isn't quite right, and
// codes for the day when it is lost.
func TestAccountTOTP(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true})
	p := somebody(t)
	w.align()
	p.home(w, "ada")
	p.page(w, "/account/totp/new")
	key := p.shown("#totp-key")
	for _, code := range []string{"000000", otp(t, key, w.Clock.Now().Add(-2*time.Minute))} {
		p.write("#totp-otp", code)
		p.write("#totp-name", "Tablet")
		p.press("#totp-submit")
		p.sees("This code isn't right.")
		p.focused("totp-otp")
	}
	p.look("account-totp-wrong")
	if p.shown("#totp-key") != key || p.value(`document.getElementById("totp-name").value`) != "Tablet" {
		t.Error("what was typed is gone, or the key is another one")
	}
	p.write("#totp-otp", otp(t, key, w.Clock.Now().Add(30*time.Second))) // its clock is fast
	p.press("#totp-submit")
	p.sees("Your recovery codes", "they are shown only now")
	p.look("account-codes")
	first := p.keepsCodes()
	p.sees("Tablet", "Asked for after your password.", "10 codes are left.", "The authenticator app “Tablet” was added")
	// Keys go on from a heading, and what they reach first asks before it acts.
	if at := p.value(`document.querySelector(":target").outerHTML`); at != `<h2 id="two-step">Second step</h2>` {
		t.Errorf("it leads to %s", at)
	}
	p.types(kb.Tab)
	p.focused("two-step-off")
	p.enters()
	p.at("/login") // by both factors
	p.back()
	p.lacks(first...)

	// New ones take the place of the old: after the new factor was proven.
	p.page(w, "/account/security")
	p.press("#recovery-make")
	p.at("/login")
	p.signsIn("ada", password)
	p.at("/factor")
	w.Clock.Advance(time.Minute)
	p.answers(otp(t, key, w.Clock.Now()))
	p.at("/account/security")
	p.press("#recovery-make")
	second := p.keepsCodes()
	if len(second) != 10 || slices.ContainsFunc(second, func(code string) bool { return slices.Contains(first, code) }) {
		t.Errorf("the new codes are %q", second)
	}
	q := somebody(t)
	q.open(w.URL + "/account")
	q.signsIn("ada", password)
	q.press("#by-recovery")
	q.answers(first[0])
	q.sees("This code isn't right, or it was used before.")
	q.answers(second[0])
	q.page(w, "/account/security")
	q.sees("9 codes are left.")

	// With the last factor the second step goes, and the codes.
	p.front()
	p.press("#totp-remove-1")
	p.sees("Not asked for. Add a passkey or an authenticator app first.")
	if p.has("#recovery-left") {
		t.Error("there are recovery codes for nothing")
	}
	p.page(w, "/account/activity")
	p.sees("The authenticator app “Tablet” was removed", "A recovery code was used", "New recovery codes were made", "The authenticator app “Tablet” was added")
	p.forgets()
	p.home(w, "ada")
}

// TestAccountLinked: an account elsewhere as a way in, for as long as its owner
// wants it or has no other.
func TestAccountLinked(t *testing.T) {
	example := upstreams.OIDC(t, upstreams.Options{People: []upstreams.Person{fellow("olga", "olga@elsewhere.example"), fellow("gina", "gina@elsewhere.example")}})
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: []valetkey.Connector{
		{Name: "example", Kind: "oidc", Title: "Example ID", Issuer: example.URL, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret},
	}})
	p := somebody(t)
	p.home(w, "ada")
	p.links(w, "olga")
	p.sees("Example ID olga@elsewhere.example", "Linked just now")
	p.forgets()
	p.open(w.URL + "/login")
	p.comesFrom("example", "olga")
	p.at("/account")
	p.sees("Ada Lovelace")
	p.page(w, "/account/sessions")
	p.sees("Example ID")

	// To take it away its owner proves it by the password.
	p.page(w, "/account/security")
	p.press("#unlink-1")
	p.at("/login")
	p.signsIn("ada", password)
	p.at("/account/security")
	p.press("#unlink-1")
	p.at("/account/security")
	p.sees("Your account at Example ID was unlinked")
	p.lacks("olga@elsewhere.example")
	p.page(w, "/account/activity")
	p.sees("Your account at Example ID was unlinked", "Your account at Example ID was linked")

	// Who came by it has nothing else yet.
	q := somebody(t)
	q.open(w.URL + "/login")
	q.comesFrom("example", "gina")
	q.page(w, "/account/security")
	q.sees("You have none, and sign in by other ways.", "gina@elsewhere.example")
	q.press("#unlink-1")
	q.sees("It is your only way in, so it stays. Set a password, add a passkey or link another account first, then remove it.", "gina@elsewhere.example")
	q.press("#password-set")
	q.look("account-password-none")
	q.write("#new", password)
	q.press("#password-submit")
	q.sees("Your password is")
	q.page(w, "/account/security")
	q.press("#unlink-1")
	q.at("/login")
	q.signsIn("gina", password)
	q.press("#unlink-1")
	if q.has("#unlink-1") {
		t.Error("it is still linked")
	}
	q.forgets()
	q.home(w, "gina")
}
