package browser

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// halt is where Tab leads: one of the things on a page that can be worked.
type halt struct {
	N                   int // its place in the document, from 0; -1 is something else
	Name, Part          string
	Top, Bottom         float64 // of the page
	Ring, Seen, Covered bool
}

// halts are all things that can be worked on a page, in the document's order.
const halts = `(() => {
	window.halts = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
		.filter(e => (e.checkVisibility() || e.matches(".skip")) && !e.disabled && e.tabIndex >= 0);
	return "" + window.halts.length;
})()`

// haltHere tells of the one that has the focus: whether it is marked, lies on the
// screen, and isn't covered.
const haltHere = `(() => {
	const e = document.activeElement, box = e.getBoundingClientRect(), look = getComputedStyle(e);
	const hit = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height, innerHeight) / 2);
	return JSON.stringify({
		N: window.halts.indexOf(e), Name: (e.id && "#" + e.id) || e.innerText || e.name || e.tagName, Part: e.closest("header, nav, main, footer")?.tagName || "",
		Top: box.top + scrollY, Bottom: box.bottom + scrollY,
		Ring: look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2,
		Seen: box.width > 0 && box.left >= 0 && box.right <= innerWidth && box.top >= 0 && (box.bottom <= innerHeight || box.height > innerHeight),
		Covered: !hit || !(e.contains(hit) || hit.contains(e)),
	});
})()`

// reaches presses Tab from the top of a page to its end: everything gets the
// focus, in the order in which it is read, and shows that it has it.
func (p *person) reaches() {
	p.t.Helper()
	var count int
	if err := json.Unmarshal([]byte(p.value(halts)), &count); err != nil {
		p.t.Fatal(err)
	}
	if count < 15 {
		p.t.Fatalf("%d things can be worked at %s", count, p.address())
	}
	before := halt{N: -1}
	for range count {
		p.types(kb.Tab)
		var now halt
		if err := json.Unmarshal([]byte(p.value(haltHere)), &now); err != nil {
			p.t.Fatal(err)
		}
		where := p.address().Path + " " + now.Name
		switch {
		case now.N != before.N+1:
			p.t.Fatalf("%s: number %d follows %d, %s", where, now.N, before.N, before.Name)
		case now.Part == before.Part && now.Bottom <= before.Top:
			p.t.Errorf("%s: stands above %s, from which it is reached", where, before.Name)
		case !now.Ring:
			p.t.Errorf("%s: the focus is invisible", where)
		case !now.Seen:
			p.t.Errorf("%s: has the focus off the screen", where)
		case now.Covered:
			p.t.Errorf("%s: something covers it", where)
		}
		before = now
	}
	p.types(kb.Tab) // leaves the page, or begins it anew
	if at := p.value(`"" + window.halts.indexOf(document.activeElement)`); at != "-1" && at != "0" {
		p.t.Errorf("%s: Tab doesn't leave the page", p.address().Path)
	}
}

// keysAlone: the account's pages without a mouse.
func keysAlone(t *testing.T, w *place, p *person) {
	for _, path := range []string{"/account", "/account/security", "/account/sessions"} {
		p.page(w, path)
		p.reaches()
	}
	p.do(chromedp.EmulateViewport(360, 740))
	p.page(w, "/account/security")
	p.reaches()
	p.do(chromedp.EmulateViewport(1280, 900))

	// Past the sections, to what the page is about.
	p.page(w, "/account/security")
	p.types(kb.Tab)
	p.types(kb.Enter)
	p.focused("content")
	p.types(kb.Tab)
	p.focused("password-change")

	// A passkey gets another name.
	p.tabs("SUMMARY")
	p.types(kb.Enter)
	p.tabs("passkey-name-1")
	p.types("Pocket phone")
	p.tabs("passkey-rename-1")
	p.enters()
	p.at("/account/security")
	p.sees("Pocket phone")
	p.types(kb.Tab)
	p.focused("passkey-add") // the part of the page where it was done

	// The profile changes.
	p.page(w, "/account")
	p.tabs("profile-edit")
	p.enters()
	p.at("/account/profile")
	p.tabs("nickname")
	p.types("Enchantress")
	p.enters()
	p.at("/account")
	p.sees("Enchantress")

	// The other browsers are signed out.
	p.page(w, "/account/sessions")
	p.tabs("end-others")
	p.enters()
	p.at("/account/sessions")
	if p.has("#end-others") {
		t.Error("there are others still")
	}
}
