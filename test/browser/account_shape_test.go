package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
)

// holds checks what a script finds wrong with a page on a screen of some size;
// "" is nothing.
func (p *person) holds(what string, width, height int64, script string) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	if bad := p.value(`(() => { const box = s => document.querySelector(s).getBoundingClientRect(); ` + script + ` })()`); bad != "" {
		p.t.Errorf("%s at %d px: %s", what, width, bad)
	}
	if dir := os.Getenv("SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "people-shape-"+named(what)+".png"), get(p.t, p.ctx, chromedp.CaptureScreenshot()), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.do(chromedp.EmulateViewport(1280, 900))
}

// TestAccountShapes: what is pressed is large enough for a thumb, and what belongs
// together stays together.
func TestAccountShapes(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true}, vault)
	p, app := somebody(t), w.read("calendar", "Calendar")
	p.authenticator()
	p.home(w, "ada")
	thumb := `return [...document.querySelectorAll("header button, main button, main a.button")].map(e => [e.innerText, e.getBoundingClientRect().height])
		.filter(([, high]) => high < 44).map(e => e.join(" ")).join("; ");`

	// The header is one line, and the footer lies at the bottom.
	p.page(w, "/account/apps")
	p.holds("header", 390, 844, `
		const middle = s => (box(s).top + box(s).bottom) / 2;
		return Math.abs(middle(".brand") - middle(".who span")) > 1 ? middle(".brand") + " and " + middle(".who span") : "";`)
	p.holds("footer", 1280, 900, `return Math.abs(box("footer").bottom - innerHeight) > 1 ? "it ends at " + box("footer").bottom : "";`)
	p.holds("nothing-thumb", 390, 844, thumb)

	// What takes something away is red.
	app.letIn(p, "openid profile")
	p.page(w, "/account/apps")
	p.holds("apps-thumb", 390, 844, thumb)
	p.holds("apps-red", 1280, 900, `
		const color = s => getComputedStyle(document.querySelector(s)).color;
		return color("[action$=narrow] button") === color("[action$=withdraw] button") ? "" : color("[action$=narrow] button");`)
	p.press(`[aria-label="Remove: See your profile"]`)
	p.focused("done")
	p.holds("apps-done", 390, 844, `return box("#done").top < 0 || box("#done").bottom > innerHeight ? "the line is off the screen" : "";`)

	// Corners are round where cards are.
	p.page(w, "/account/sessions")
	p.holds("table", 1280, 900, `const look = getComputedStyle(document.querySelector("table")); return look.borderCollapse === "separate" && look.borderRadius === "8px" ? "" : look.borderCollapse;`)

	// A row stays a row while its name is written.
	p.addsPasskey(w, "The phone with the cracked screen that lies in the kitchen")
	p.holds("security-done", 390, 844, `const at = document.querySelector(":target"); return at.tagName === "H2" && at.id === "passkeys" && box("#done").bottom < innerHeight ? "" : at.outerHTML;`)
	for _, size := range [][2]int64{{1280, 900}, {390, 844}} {
		p.page(w, "/account/security")
		p.do(mouse("[aria-labelledby=passkeys] summary"))
		p.holds("rename-"+map[int64]string{1280: "wide", 390: "phone"}[size[0]], size[0], size[1], `
			const name = box("[aria-labelledby=passkeys] li strong"), form = box("[aria-labelledby=passkeys] details form"), card = box("[aria-labelledby=passkeys]");
			if (form.top < name.bottom) return "the form stands beside the name";
			if (form.width < Math.min(480, card.width - 60)) return "the form is " + form.width + " wide";
			return box("#passkey-remove-1").right > card.right ? "a button leaves the card" : "";`)
	}

	// Copy keeps its size beside an id that takes several lines.
	p.page(w, "/account")
	p.holds("copy", 390, 844, `
		document.querySelector("main").insertAdjacentHTML("beforeend", '<div class="copy"><code>' + "https://client.example/".repeat(6) + '</code><button>Copy</button></div>');
		document.querySelector(".copy").scrollIntoView({block: "center"});
		return box(".copy > button").height === 44 && box(".copy > code").height > 60 ? "" : "it is " + box(".copy > button").height + " high";`)
}

// TestAccountEnrolShape: setting up a second step while signing in isn't cramped.
func TestAccountEnrolShape(t *testing.T) {
	w := settle(t, valetkey.Config{}, vault)
	p := somebody(t)
	p.connect(w, "vault")
	p.signsIn("ada", password)
	p.at("/enrol")
	p.holds("enrol", 390, 844, `
		const out = [];
		for (const form of document.querySelectorAll("form.stack")) {
			const shown = [...form.children].filter(e => e.checkVisibility() && e.getBoundingClientRect().height);
			for (let i = 1; i < shown.length; i++) {
				const gap = shown[i].getBoundingClientRect().top - shown[i - 1].getBoundingClientRect().bottom;
				if (gap < 8) out.push(shown[i].tagName + " stands " + gap + " below " + shown[i - 1].tagName);
			}
		}
		return out.join("; ");`)
}
