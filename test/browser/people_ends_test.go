package browser

import (
	"encoding/json"
)

// wayOn checks that a page leads somewhere: it answers its only link or button
// besides the choice of a language.
func (p *person) wayOn() string {
	p.t.Helper()
	var ways []string
	if err := json.Unmarshal([]byte(p.value(`JSON.stringify([...document.querySelectorAll("main a[href], main button:not([disabled])")]
		.filter(e => e.checkVisibility()).map(e => e.innerText.trim()))`)), &ways); err != nil {
		p.t.Fatal(err)
	}
	if len(ways) != 1 {
		p.t.Errorf("the ways on from %s are %q:\n%s", p.address(), ways, p.text())
		return ""
	}
	return ways[0]
}
