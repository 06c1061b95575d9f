package browser

import (
	"context"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
)

// byMail is a server whose letters can be read at /mailbox, and where people
// sign in by mail too.
func byMail(c valetkey.Config) valetkey.Config {
	c.Mailbox, c.Authenticators = true, append(valetkey.DefaultAuthenticators(), valetkey.Authenticator{Name: "email", Factor: 1, Order: 25})
	return c
}

// letter is one that came.
type letter struct{ subject, text, link, code string }

var codeInLetter = regexp.MustCompile(`(?m)^\s+(\d{6,8})\s*$`)

// reads is the newest letter to somebody, as soon as there are so many of them.
func (p *person) reads(w *place, to string, count int) letter {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		found := inMailbox.FindAllStringSubmatch(w.page("/mailbox"), -1)
		found = slices.DeleteFunc(found, func(one []string) bool { return !strings.Contains(one[2], to) })
		if len(found) >= count {
			return p.opens(w, found[0][1])
		}
		if time.Now().After(end) {
			p.t.Fatalf("%d letters to %s, not %d", len(found), to, count)
		}
	}
}

var (
	inMailbox = regexp.MustCompile(`(?s)<a href="(/mailbox/[^"]+)">(.*?)</li>`)
	inLetter  = regexp.MustCompile(`(?s)<h1>(.*?)</h1>.*<pre[^>]*>(.*?)</pre>`)
	letterURL = regexp.MustCompile(`id="letter-link" href="([^"]+)"`)
)

func (p *person) opens(w *place, address string) letter {
	p.t.Helper()
	text := w.page(address)
	found := inLetter.FindStringSubmatch(text)
	if found == nil {
		p.t.Fatalf("no letter: %s", text)
	}
	l := letter{subject: html.UnescapeString(found[1]), text: html.UnescapeString(found[2])}
	if found := letterURL.FindStringSubmatch(text); found != nil {
		l.link = html.UnescapeString(found[1])
	}
	if found := codeInLetter.FindStringSubmatch(l.text); found != nil {
		l.code = found[1]
	}
	if name := "letter-" + strings.ToLower(strings.ReplaceAll(l.subject, " ", "-")); !looked[name] {
		reader := somebody(p.t)
		reader.open(w.URL + "/mailbox")
		reader.look("mailbox")
		reader.press("#mailbox a[href='" + address + "']")
		reader.look(name)
		if l.link != "" && !reader.has("#letter-link") {
			p.t.Error("the letter's link isn't there to press")
		}
		p.front()
	}
	return l
}

// page is one of the server's, for whoever asks.
func (w *place) page(path string) string {
	w.t.Helper()
	resp, err := http.Get(w.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	return content(w.t, resp.Body)
}

// letters counts those to somebody.
func (w *place) letters(to string) int {
	w.t.Helper()
	return strings.Count(w.page("/mailbox"), to)
}

func content(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scan opens a link as a scanner of mail does, by both methods that it has.
func scan(t *testing.T, link string) {
	t.Helper()
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
		req, err := http.NewRequestWithContext(context.Background(), method, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %s", method, link, resp.Status)
		}
	}
}

// TestPeopleMail: a code, or a link, and each of them once.
func TestPeopleMail(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true}))
	sub, p := w.sub("ada"), somebody(t)
	ask := func(name string) {
		t.Helper()
		p.forgets()
		p.connect(w, "saleswave")
		p.press("#way-email")
		p.at("/login/email")
		p.write("#username", name)
		p.press("#email-form-submit")
		p.at("/login/email/code")
		p.sees("Check your mail", "To continue to Saleswave")
	}
	p.open(w.URL + "/mailbox")
	p.sees("No letter yet")
	p.look("mailbox-empty")

	// The code, typed where it was asked for.
	p.connect(w, "saleswave")
	p.look("login-mail")
	p.press("#way-email")
	p.look("email")
	ask("ada")
	p.look("email-code")
	l := p.reads(w, "ada@example.com", 1)
	if !strings.Contains(l.text, "Saleswave") || strings.Contains(l.text, "Ada Lovelace") && l.code == "" {
		t.Errorf("the letter says %s", l.text)
	}
	p.answers(l.code[:3] + " " + l.code[3:])
	p.returns("saleswave").proved(t, sub, "1", "otp")
	used := p.tab()
	used.open(l.link)
	used.sees("This link no longer works", "Ask for a new one")
	used.look("link-dead")

	// The link, in the same browser: whoever scans mail opens it before.
	ask("ada@example.com")
	l = p.reads(w, "ada@example.com", 2)
	scan(t, l.link)
	q := p.tab()
	q.front()
	q.open(l.link)
	q.sees("Sign in as ada@example.com")
	q.look("email-link")
	q.press("#email-link-form-submit")
	q.returns("saleswave").proved(t, sub, "1", "otp")
	q.open(l.link)
	q.sees("This link no longer works")

	// The link in another browser says to go back, and uses nothing up there.
	p.front()
	ask("ada")
	l = p.reads(w, "ada@example.com", 3)
	other := somebody(t)
	other.open(l.link)
	other.sees("Go back to where you began", "nobody is signed in by it")
	if other.has("form:not(#language-form)") {
		t.Error("there is something to press")
	}
	other.look("email-link-elsewhere")
	other.open(w.URL + "/account")
	other.at("/login")
	p.answers(l.code)
	p.returns("saleswave").proved(t, sub, "1", "otp")

	// Five wrong codes use it up; a new one works.
	ask("ada")
	l = p.reads(w, "ada@example.com", 4)
	wrong := map[bool]string{true: "000000", false: "000001"}[l.code != "000000"]
	for range 5 {
		p.answers(wrong)
		p.sees("This code isn't right, or it has expired.")
	}
	p.look("email-code-wrong")
	p.answers(l.code)
	p.sees("This code isn't right, or it has expired.")
	p.press("#again")
	p.at("/login/email")
	p.sees("To continue to Saleswave")
	p.write("#username", "ada")
	p.press("#email-form-submit")
	p.answers(p.reads(w, "ada@example.com", 5).code)
	p.returns("saleswave").proved(t, sub, "1", "otp")

	// A newer letter takes the older one's worth away; half an hour ends both.
	ask("ada")
	l = p.reads(w, "ada@example.com", 6)
	p.press("#again")
	p.write("#username", "ada")
	p.press("#email-form-submit")
	newer := p.reads(w, "ada@example.com", 7)
	p.answers(l.code)
	p.sees("This code isn't right, or it has expired.")
	w.Clock.Advance(31 * time.Minute)
	q.front()
	q.open(newer.link)
	q.sees("This link no longer works")
	q.press("#error-page a.button")
	q.at("/login/email")
	p.front()
	p.write("#otp", newer.code)
	p.press("#otp-submit")
	p.at("/login/email")
	p.sees("To continue to Saleswave")

	// Who has no account, or never proved the address, sees the same and gets none.
	for _, name := range []string{"nobody@example.com", "bob", "bob@example.com"} {
		ask(name)
		p.answers("123456")
		p.sees("This code isn't right, or it has expired.")
	}
	if n := w.letters("bob@") + w.letters("nobody@"); n != 0 {
		t.Errorf("%d letters to people who must get none", n)
	}
}

// TestPeopleForgot: a new password by a letter ends all that hung off the old
// one; "This wasn't me" locks the account until its owner comes back.
func TestPeopleForgot(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true}))
	sub, at, p := w.sub("ada"), somebody(t), somebody(t)
	at.connect(w, "saleswave")
	at.signsIn("ada", password)
	at.returns("saleswave")

	p.connect(w, "saleswave")
	p.press("#forgot")
	p.at("/forgot")
	p.sees("Forgot your password?", "To continue to Saleswave")
	p.look("forgot")
	p.write("#username", "ada@example.com")
	p.press("#forgot-form-submit")
	p.sees("Check your mail", "30 minutes")
	p.look("forgot-sent")
	l := p.reads(w, "ada@example.com", 1)
	scan(t, l.link)

	// Any browser will do: who reads the mail may have none of the others at hand.
	q := somebody(t)
	q.open(l.link)
	q.sees("Choose a new password", "ada@example.com", "Every browser is signed out")
	q.look("reset")
	q.write("#password", "ada@example.com")
	q.press("#reset-form-submit")
	q.sees("Choose a new password")
	if !q.has("#problem") {
		t.Errorf("the address is taken as a password:\n%s", q.text())
	}
	q.look("reset-wrong")
	q.write("#password", "a new battery for ada")
	q.press("#reset-form-submit")
	q.sees("Your password is set")
	q.look("reset-done")
	q.open(l.link)
	q.sees("This link no longer works")

	at.open(w.URL + "/account")
	at.at("/login") // its session is over
	p.press("#back")
	p.at("/login")
	p.sees("Sign in to continue to Saleswave")
	p.signsIn("ada", password)
	p.sees("The username or the password is wrong.")
	p.signsIn("ada", "a new battery for ada")
	p.returns("saleswave").proved(t, sub, "1", "pwd")

	// She is told, and says that it wasn't her.
	notice := p.reads(w, "ada@example.com", 2)
	for n := 2; !strings.Contains(notice.subject, "was reset"); n++ {
		notice = p.reads(w, "ada@example.com", n+1)
	}
	scan(t, notice.link)
	q.open(notice.link)
	q.at("/lock")
	q.sees("Lock your account?")
	q.look("lock")
	q.press("#lock-form-submit")
	q.sees("Your account is locked")
	q.look("locked")
	p.open(w.URL + "/account")
	p.at("/login")
	p.signsIn("ada", "a new battery for ada")
	p.sees("The username or the password is wrong.")
	q.open(notice.link)
	if q.has("#lock-form") {
		q.press("#lock-form-submit")
		q.sees("This link no longer works")
	}

	// The way back is the letter.
	q.open(w.URL + "/forgot")
	q.write("#username", "ada")
	before := w.letters("ada@example.com")
	q.press("#forgot-form-submit")
	l = q.reads(w, "ada@example.com", before+1)
	q.open(l.link)
	q.write("#password", "the third battery of ada")
	q.press("#reset-form-submit")
	q.press("#sign-in")
	q.signsIn("ada", "the third battery of ada")
	q.at("/account")
}

// TestPeopleOperator: without mail there is an operator, whose link does it.
func TestPeopleOperator(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true})
	p := somebody(t)
	p.open(w.URL + "/login")
	if p.has("#forgot") {
		t.Error("a letter is offered that can't be sent")
	}
	p.open(w.URL + "/forgot")
	p.sees("Ask its operator")
	p.look("forgot-no-mail")
	link, _, err := w.Admin().RecoveryLink(context.Background(), w.sub("ada"), true)
	if err != nil {
		t.Fatal(err)
	}
	p.open(link)
	p.sees("Choose a new password", "authenticator apps and recovery codes are removed")
	p.look("welcome")
	p.write("#password", "a new battery for ada")
	p.press("#reset-form-submit")
	p.press("#sign-in")
	p.signsIn("ada", "a new battery for ada")
	p.at("/account")

	// A password that an operator gave is replaced at the first sign-in.
	sub := w.user(valetkey.NewUser{Username: "new", Password: password, MustChange: true}).Subject
	q := somebody(t)
	q.connect(w, "saleswave")
	q.signsIn("new", password)
	q.at("/login/password")
	q.sees("Choose a new password")
	q.look("new-password")
	q.write("#password", "short")
	q.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("new-password-form").noValidate = true`))
	q.press("#new-password-form-submit")
	q.at("/login/password")
	q.write("#password", "a battery of my own")
	q.press("#new-password-form-submit")
	q.returns("saleswave").proved(t, sub, "1", "pwd")
}

// signsUp fills the page for a new account in.
func (p *person) signsUp(username, email string) {
	p.t.Helper()
	p.write("#username", username)
	if email != "" {
		p.write("#email", email)
	}
	p.write("#password", password)
	p.press("#signup-submit")
}

// TestPeopleSignUp: an account whose address is proven first, by the code or by
// the link, goes on to the app that it was made for.
func TestPeopleSignUp(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true, Signup: true, SignupVerify: true}))
	p := somebody(t)
	p.connect(w, "saleswave", "prompt", "create")
	p.at("/signup")
	p.sees("Create an account to continue to Saleswave")
	p.look("signup-app")
	p.signsUp("hedy", "hedy@example.com")
	p.at("/signup/confirm")
	p.sees("Check your mail")
	p.look("signup-code")
	p.answers("000000")
	p.sees("This code isn't right")
	p.answers(p.reads(w, "hedy@example.com", 1).code)
	out := p.returns("saleswave")
	out.proved(t, w.sub("hedy"), "1", "pwd")
	if out.Claims["email_verified"] != nil && out.Claims["email_verified"] != true {
		t.Errorf("the address isn't proven: %v", out.Claims)
	}

	// By the link, in a tab of its own.
	p.forgets()
	p.connect(w, "saleswave")
	p.do(mouse("a[href^='/signup']"))
	p.do(visible("#signup-form"))
	p.signsUp("lise", "lise@example.com")
	l := p.reads(w, "lise@example.com", 1)
	scan(t, l.link)
	other := somebody(t)
	other.open(l.link)
	other.sees("Go back to where you began", "no account is made by it")
	other.look("signup-link-elsewhere")
	q := p.tab()
	q.front()
	q.open(l.link)
	q.sees("Confirm your address", "lise@example.com")
	q.look("signup-link")
	q.press("#otp-form-submit")
	q.returns("saleswave").proved(t, w.sub("lise"), "1", "pwd")
	q.open(l.link)
	q.sees("This link no longer works")

	// One that is too old offers another.
	p.front()
	p.forgets()
	p.connect(w, "saleswave", "prompt", "create")
	p.signsUp("emmy", "emmy@example.com")
	l = p.reads(w, "emmy@example.com", 1)
	w.Clock.Advance(31 * time.Minute)
	q.front()
	q.open(l.link)
	q.sees("This link no longer works", "Ask for a new one")
	q.press("#error-page a.button")
	q.at("/signup")

	// An address that has an account sees the same page, and its owner a letter.
	p.front()
	p.forgets()
	p.connect(w, "saleswave", "prompt", "create")
	p.signsUp("ada2", "ada@example.com")
	p.at("/signup/confirm")
	if l := p.reads(w, "ada@example.com", 1); !strings.Contains(l.subject, "You already have an account") || l.code != "" {
		t.Errorf("%+v", l)
	}
}

// TestPeopleInvitation: where nobody else may, an invitation makes an account.
func TestPeopleInvitation(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true, Signup: true, SignupInvite: true}))
	p := somebody(t)
	p.open(w.URL + "/login")
	if p.has("a[href^='/signup']") {
		t.Error("an account is offered to everybody")
	}
	if _, _, err := w.Admin().Invite(context.Background(), "rosa@example.com", []string{"staff"}); err != nil {
		t.Fatal(err)
	}
	l := p.reads(w, "rosa@example.com", 1)
	scan(t, l.link)
	p.open(l.link)
	p.at("/signup")
	if got := p.value(`document.getElementById("email").value`); got != "rosa@example.com" {
		t.Errorf("the address is %q", got)
	}
	p.look("signup-invited")
	p.signsUp("rosa", "")
	p.at("/account")
	u, err := w.Admin().User(context.Background(), "rosa")
	if err != nil || !u.EmailVerified || u.Email != "rosa@example.com" {
		t.Errorf("%+v %v", u, err)
	}
	q := somebody(t)
	q.open(l.link)
	q.sees("This invitation no longer works")
	q.look("invitation-dead")
	q.press("#error-page a.button")
	q.at("/login")
}

// TestPeopleReopen: the cookies went between a letter's page and its button. The
// page says so, and its way on is the same page, whose link still works.
func TestPeopleReopen(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true, Signup: true, SignupInvite: true}))
	ctx, p := context.Background(), somebody(t)
	recovery, _, err := w.Admin().RecoveryLink(ctx, w.sub("ada"), false)
	if err != nil {
		t.Fatal(err)
	}
	invitation, _, err := w.Admin().Invite(ctx, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		link string
		send func()
		done string
	}{
		{recovery, func() { p.write("#password", "a new battery for ada"); p.press("#reset-form-submit") }, "Your password is set"},
		{invitation, func() { p.signsUp("rosa", "rosa@example.com") }, "rosa@example.com"},
	} {
		p.open(tt.link)
		p.forgets()
		tt.send()
		p.sees("This form is out of date")
		p.look("form-stale")
		p.wayOn()
		p.press("#error-page a.button")
		if p.has("#error-page") {
			t.Errorf("the way on is a dead end:\n%s", p.text())
			continue
		}
		tt.send()
		p.sees(tt.done)
	}
}

// TestPeopleVerify: where an account needs no proven address, its letter comes
// all the same, and any browser may open it.
func TestPeopleVerify(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true, Signup: true}))
	p, q := somebody(t), somebody(t)
	p.connect(w, "saleswave", "prompt", "create")
	p.signsUp("hedy", "hedy@example.com")
	p.returns("saleswave").proved(t, w.sub("hedy"), "1", "pwd")
	l := p.reads(w, "hedy@example.com", 1)
	scan(t, l.link)
	q.open(l.link)
	q.sees("Confirm your address", "hedy@example.com")
	q.look("verify")
	q.press("#verify-form-submit")
	q.sees("Your address is confirmed")
	q.look("verified")
	q.open(l.link)
	q.sees("This link no longer works")
	if u, err := w.Admin().User(context.Background(), "hedy"); err != nil || !u.EmailVerified {
		t.Errorf("%+v %v", u, err)
	}
}
