package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
)

// align moves the clock to the sixth second of a new step of TOTP.
func (w *place) align() {
	w.Clock.Advance(time.Duration(30-w.Clock.Now().Unix()%30+5) * time.Second)
}

// loses takes one cookie away: session is the sign-in, device names the browser.
func (p *person) loses(w *place, cookie string) {
	p.t.Helper()
	call(p, network.DeleteCookies, network.DeleteCookiesParams{Name: cookie, URL: w.URL})
}

// enrols reads the key of an authenticator app from the page, and proves it. It
// answers the key and the recovery codes.
func (p *person) enrols(w *place) (key string, codes []string) {
	p.t.Helper()
	p.at("/enrol")
	key = get(p.t, p.ctx, chromedp.TextContent(chromedp.CSS("#totp-key")))
	p.write("#totp-otp", otp(p.t, key, w.Clock.Now()))
	p.press("#totp-submit")
	p.sees("Your recovery codes")
	codes = strings.Fields(get(p.t, p.ctx, chromedp.TextContent(chromedp.CSS("#recovery-codes"))))
	if len(codes) != 10 {
		p.t.Fatalf("%d recovery codes", len(codes))
	}
	return key, codes
}

// answers types a code and sends it.
func (p *person) answers(code string) {
	p.t.Helper()
	p.write("#otp", code)
	p.press("#otp-submit")
}

// TestPeopleTOTP: an authenticator app is set up on the way to an app that wants
// two factors, and asked for from then on.
func TestPeopleTOTP(t *testing.T) {
	w := settle(t, valetkey.Config{}, vault)
	sub, p := w.sub("ada"), somebody(t)
	w.align()

	// A code that is wrong costs nothing: the same key is still there.
	p.connect(w, "vault")
	p.signsIn("ada", password)
	shown := get(t, p.ctx, chromedp.TextContent(chromedp.CSS("#totp-key")))
	if len(strings.ReplaceAll(shown, " ", "")) != 32 {
		t.Errorf("the key is %q", shown)
	}
	if get(t, p.ctx, chromedp.Evaluate[int64](`document.getElementById("totp-qr").naturalWidth`)) == 0 {
		t.Error("there is no picture to scan")
	}
	p.write("#totp-otp", "000000")
	p.press("#totp-submit")
	p.sees("This code isn't right.")
	p.look("enrol-wrong")
	enrolling := p.address().String()
	key, codes := p.enrols(w)
	if key != shown {
		t.Errorf("the key is another one after a mistake: %s, %s", shown, key)
	}
	p.press("#codes-done")
	p.returns("vault").proved(t, sub, "2", "pwd", "otp", "mfa")

	// The codes are shown once: neither the address nor the button leads back.
	p.open(enrolling)
	if text := p.text(); strings.Contains(text, codes[0]) {
		t.Error("the codes are shown again")
	}
	p.returns("vault")

	// The code that set it up is used up; the next one isn't.
	q := somebody(t)
	q.connect(w, "vault")
	q.signsIn("ada", password)
	q.at("/factor")
	q.look("factor-totp")
	q.answers(otp(t, key, w.Clock.Now()))
	q.sees("This code isn't right, or it was used before.")
	q.look("factor-wrong")
	w.align()
	code := otp(t, key, w.Clock.Now())
	q.answers(" " + code[:3] + " " + code[3:])
	q.returns("vault").proved(t, sub, "2", "pwd", "otp", "mfa")

	// Nobody uses it a second time, not in another browser either.
	r := somebody(t)
	r.connect(w, "vault")
	r.signsIn("ada", password)
	r.answers(code)
	r.sees("This code isn't right, or it was used before.")

	// RFC 6238 §5.2: a step to either side is taken, two are not.
	for _, tt := range []struct {
		steps int
		taken bool
	}{{-2, false}, {-1, true}, {2, false}, {1, true}} {
		r.forgets()
		w.Clock.Advance(5 * time.Minute)
		w.align()
		r.connect(w, "vault")
		r.signsIn("ada", password)
		r.answers(otp(t, key, w.Clock.Now().Add(time.Duration(tt.steps)*30*time.Second)))
		if got := r.address().Path == "/cb/vault"; got != tt.taken {
			t.Errorf("%+d steps: taken %v\n%s", tt.steps, got, r.text())
		}
	}

	// A recovery code lets in once.
	for _, code := range []string{strings.ToUpper(codes[3]), codes[3]} {
		r.forgets()
		r.connect(w, "vault")
		r.signsIn("ada", password)
		r.press("#by-recovery")
		r.answers(code)
		if first := code != codes[3]; first {
			r.returns("vault").proved(t, sub, "2", "pwd", "otp", "mfa")
			continue
		}
		r.sees("This code isn't right, or it was used before.")
	}

	// Guessing is slowed, by the account: another browser doesn't help.
	w.Clock.Advance(24 * time.Hour)
	for range 6 {
		if strings.Contains(r.text(), "too many tries") {
			break
		}
		r.forgets()
		r.connect(w, "vault")
		r.signsIn("ada", password)
		r.answers("123456")
	}
	r.sees("There were too many tries.")
	r.look("factor-slow")
}

// TestPeopleTrust: who wants it isn't asked in a browser for thirty days, except
// where an app or the operator wants two factors.
func TestPeopleTrust(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true}, vault)
	sub, p := w.sub("ada"), somebody(t)
	w.align()
	p.connect(w, "vault")
	p.signsIn("ada", password)
	key, _ := p.enrols(w)
	p.press("#codes-done")
	p.returns("vault")

	p.loses(w, "session")
	w.align()
	p.connect(w, "saleswave")
	p.signsIn("ada", password)
	p.at("/factor")
	p.do(mouse("#trust"))
	p.answers(otp(t, key, w.Clock.Now()))
	p.returns("saleswave").proved(t, sub, "2", "pwd", "otp", "mfa")

	// Not asked: the session says that it was one factor.
	p.loses(w, "session")
	w.Clock.Advance(29 * 24 * time.Hour)
	p.connect(w, "saleswave")
	p.signsIn("ada", password)
	p.returns("saleswave").proved(t, sub, "1", "pwd")

	// Asked for by the app, there is nothing to tick.
	p.connect(w, "vault")
	p.at("/factor")
	if p.has("#trust") {
		t.Error("trust is offered where it doesn't count")
	}
	p.answers(otp(t, key, w.Clock.Now()))
	p.returns("vault").proved(t, sub, "2", "pwd", "otp", "mfa")

	// Another browser is another one.
	q := somebody(t)
	q.connect(w, "saleswave")
	q.signsIn("ada", password)
	q.at("/factor")

	// After thirty days it is asked again.
	p.loses(w, "session")
	w.Clock.Advance(24*time.Hour + time.Minute)
	p.connect(w, "saleswave")
	p.signsIn("ada", password)
	p.at("/factor")
	if p.sees("Continue"); get(t, p.ctx, chromedp.Evaluate[bool](`document.getElementById("trust").checked`)) {
		t.Error("it is ticked already")
	}
}

// TestPeopleNotNow: OpenID Connect Core Error Code unmet_authentication_requirements.
func TestPeopleNotNow(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true}, vault)
	p := somebody(t)
	p.connect(w, "vault")
	p.signsIn("grace", password)
	p.at("/enrol")
	p.press("#not-now")
	if out := p.returns("vault"); out.Error != "unmet_authentication_requirements" || out.Claims != nil {
		t.Errorf("%+v", out)
	}
	// Nobody was signed in by half of it, and other apps go on.
	p.open(w.URL + "/account")
	p.at("/login")
	p.connect(w, "saleswave")
	p.signsIn("grace", password)
	p.returns("saleswave").proved(t, w.sub("grace"), "1", "pwd")

	// With a session that one factor made, the app's page is the same.
	p.connect(w, "vault")
	p.at("/enrol")
	p.press("#not-now")
	if out := p.returns("vault"); out.Error != "unmet_authentication_requirements" {
		t.Errorf("%+v", out)
	}
}
