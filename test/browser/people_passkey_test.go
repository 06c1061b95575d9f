package browser

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// vault takes two factors from everybody.
var vault = valetkey.NewClient{ID: "vault", FirstParty: true, Metadata: oauth.Metadata{Name: "Vault", Reserved: oauth.Reserved{Factors: 2}}}

// authenticator is the tab's own, as phones and laptops have one.
type authenticator struct {
	p      *person
	id     webauthn.AuthenticatorID
	quiet  page.ScriptIdentifier
	synced bool
}

func (p *person) authenticator() *authenticator {
	p.t.Helper()
	return p.keeps(&authenticator{p: p})
}

// keeps gives the tab an authenticator.
func (p *person) keeps(a *authenticator) *authenticator {
	p.t.Helper()
	call(p, webauthn.Enable, webauthn.EnableParams{})
	p.changed = true
	a.add()
	a.byItself(false)
	return a
}

func (a *authenticator) add() {
	a.p.t.Helper()
	a.id = call(a.p, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		DefaultBackupEligibility: a.synced, DefaultBackupState: a.synced,
	}}).AuthenticatorID
}

// byItself: whether the browser offers its passkeys as soon as a page has a field
// for them. Then it is touched at once, and nobody presses anything.
func (a *authenticator) byItself(yes bool) {
	a.p.t.Helper()
	if yes {
		call(a.p, page.RemoveScriptToEvaluateOnNewDocument, page.RemoveScriptToEvaluateOnNewDocumentParams{Identifier: a.quiet})
		return
	}
	a.quiet = call(a.p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: "if (window.PublicKeyCredential) delete PublicKeyCredential.isConditionalMediationAvailable",
	}).Identifier
}

// absent takes the authenticator away while something happens, and brings it back
// with what was on it.
func (a *authenticator) absent(meanwhile func()) {
	a.p.t.Helper()
	had := a.keys()
	call(a.p, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
	meanwhile()
	a.add()
	for _, c := range had {
		call(a.p, cdp.Command[map[string]any, cdp.Empty]{Method: webauthn.CommandAddCredential}, map[string]any{
			"authenticatorId": a.id, "credential": map[string]any{
				"credentialId": c.CredentialID, "isResidentCredential": true, "rpId": c.RpID, "privateKey": c.PrivateKey, "userHandle": c.UserHandle, "signCount": c.SignCount,
			},
		})
	}
}

// verified: it knows who touches it.
func (a *authenticator) verified(yes bool) {
	a.p.t.Helper()
	call(a.p, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: yes})
}

func (a *authenticator) keys() []*webauthn.Credential {
	a.p.t.Helper()
	return call(a.p, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
}

// TestPeoplePasskey: made where an app wants two factors, and a way in from then
// on: by the button, by the browser's own offer, and as the second step.
func TestPeoplePasskey(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true}, vault)
	p, sub := somebody(t), w.sub("ada")
	key := p.authenticator()

	// Set up on the way to an app that wants it.
	p.connect(w, "vault")
	p.at("/login")
	p.look("login-passkey")
	p.signsIn("ada", password)
	p.at("/enrol")
	p.sees("Set up a second step", "To continue to Vault", "ada@example.com")
	p.look("enrol")
	p.press("#passkey-submit")
	p.sees("Your recovery codes")
	p.look("codes")
	p.press("#codes-done")
	p.returns("vault").proved(t, sub, "2", "pwd", "hwk", "user", "mfa")
	if made := key.keys(); len(made) != 1 || made[0].RpID != "localhost" || !made[0].IsResidentCredential || string(made[0].UserHandle) != sub {
		t.Fatalf("made %+v", made)
	}

	// Signed in as one who has two factors, nothing is asked at another app.
	p.connect(w, "saleswave", "acr_values", "2")
	p.returns("saleswave").proved(t, sub, "2", "pwd", "hwk", "user", "mfa")

	// By the button.
	p.forgets()
	p.connect(w, "vault")
	p.at("/login")
	if got := p.value(`document.getElementById("username").autocomplete`); got != "username webauthn" {
		t.Errorf("autocomplete is %q", got)
	}
	p.press("#passkey-submit")
	p.returns("vault").proved(t, sub, "2", "hwk", "user", "mfa")

	// By the browser's own offer, in the field of the name: nothing is pressed.
	p.forgets()
	key.byItself(true)
	p.connect(w, "saleswave")
	p.do(see("Back at saleswave"))
	p.returns("saleswave").proved(t, sub, "2", "hwk", "user", "mfa")

	// By the button, while that offer waits.
	p.forgets()
	key.absent(func() {
		p.connect(w, "saleswave")
		p.at("/login")
	})
	p.press("#passkey-submit")
	p.returns("saleswave").proved(t, sub, "2", "hwk", "user", "mfa")
	key.byItself(false)

	// As the second step, after a password.
	p.forgets()
	p.connect(w, "saleswave")
	p.signsIn("ada", password)
	p.at("/factor")
	p.sees("Use a passkey of yours", "Don't ask in this browser")
	p.look("factor-passkey")
	p.press("#passkey-submit")
	p.returns("saleswave").proved(t, sub, "2", "pwd", "hwk", "user", "mfa")

	// It doesn't know who touches it: nobody is signed in, and the page says so.
	p.forgets()
	key.verified(false)
	p.connect(w, "saleswave")
	p.at("/login")
	p.do(mouse("#passkey-submit"), see("The passkey wasn't used."))
	p.look("login-passkey-unused")
	p.signsIn("ada", password)
	p.at("/factor")
	p.do(mouse("#passkey-submit"), see("The passkey wasn't used."))
	p.press("#by-recovery")
	p.sees("Recovery code")
	p.look("factor-recovery")
}

// TestPeoplePasskeyElsewhere: WebAuthn §13.4.9. A page on another port that shows
// ours, and passes on what is typed, gets an answer that is worth nothing; and
// another server knows nobody's.
func TestPeoplePasskeyElsewhere(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true}, vault)
	p := somebody(t)
	p.authenticator()
	p.connect(w, "vault")
	p.signsIn("ada", password)
	p.press("#passkey-submit")
	p.press("#codes-done")
	p.returns("vault")
	p.forgets()

	target, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	relayed := 0
	relay := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target) // its Host too
		if r.In.URL.Path == "/login/passkey" {
			relayed++
		}
	}})
	t.Cleanup(relay.Close)
	p.open(strings.Replace(relay.URL, "127.0.0.1", "localhost", 1) + "/login")
	p.press("#passkey-submit")
	p.sees("This passkey isn't known here")
	if relayed == 0 {
		t.Error("nothing was passed on: the page asked for no passkey")
	}
	p.open(w.URL + "/account")
	p.at("/login") // nobody was signed in

	other := settle(t, valetkey.Config{ThrottleOff: true})
	p.forgets()
	p.connect(other, "saleswave")
	p.press("#passkey-submit")
	p.sees("This passkey isn't known here")
	p.look("login-passkey-unknown")

	// Nor on a host that is a number, which has no passkeys.
	p.open("http://" + w.Address() + "/login")
	if resp, err := http.Get("http://" + w.Address() + "/login"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%v %v", resp, err)
	}
	p.do(mouse("#passkey-submit"), see("The passkey wasn't used."))
}

// TestPeoplePolicy: the operator wants two factors of a group, everywhere.
func TestPeoplePolicy(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true, Groups: map[string]valetkey.GroupPolicy{"admins": {Factors: 2}}})
	sub := w.user(valetkey.NewUser{Username: "boss", Password: password, Groups: []string{"admins"}}).Subject
	p := somebody(t)
	p.keeps(&authenticator{p: p, synced: true}) // RFC 8176 §2: a key that is copied is kept by software
	p.connect(w, "saleswave")
	p.signsIn("boss", password)
	p.at("/enrol")
	p.press("#passkey-submit")
	p.press("#codes-done")
	p.returns("saleswave").proved(t, sub, "2", "pwd", "swk", "user", "mfa")
	p.forgets()
	p.connect(w, "saleswave")
	p.press("#passkey-submit")
	p.returns("saleswave").proved(t, sub, "2", "swk", "user", "mfa")

	// On the account's own pages too, and for nobody else.
	q := somebody(t)
	q.open(w.URL + "/account")
	q.signsIn("boss", password)
	q.at("/factor")
	r := somebody(t)
	r.open(w.URL + "/account")
	r.signsIn("ada", password)
	r.at("/account")
}
