package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// view is one way to look at a page.
type view struct {
	name          string
	width, height int64
	scheme        string
}

var views = []view{
	{"wide-light", 1280, 900, "light"},
	{"wide-dark", 1280, 900, "dark"},
	{"phone-light", 360, 740, "light"},
	{"phone-dark", 360, 740, "dark"},
}

// look takes a picture of the page in every view, and lets axe judge it.
func look(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := shots(t)
	for _, v := range views {
		var picture []byte
		var overflow int64
		do(t, ctx,
			chromedp.EmulateViewport(v.width, v.height),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}),
			chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &overflow),
			chromedp.FullScreenshot(&picture, 100),
		)
		if overflow > 0 {
			t.Errorf("%s %s: %d pixels wider than the screen", name, v.name, overflow)
		}
		if err := os.WriteFile(filepath.Join(dir, name+"-"+v.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
		axe(t, ctx, name+" "+v.name)
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 900), emulation.SetEmulatedMedia())
}

// violation is a finding of axe.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML, FailureSummary string }
}

// axe runs axe-core in the page: no finding that is serious or worse.
func axe(t *testing.T, ctx context.Context, where string) {
	t.Helper()
	script, err := os.ReadFile("../node/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is needed; `make test` installs it: %v", err)
	}
	var found string
	do(t, ctx, chromedp.Evaluate(string(script), nil), chromedp.Evaluate(
		`axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']}).then(r => JSON.stringify(r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))}))))`,
		&found, chromedp.EvalAsValue, awaitPromise))
	var violations []violation
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.Errorf("%s: axe: %s (%s): %s", where, v.Help, v.ID, fmt.Sprint(v.Nodes))
		}
	}
}
