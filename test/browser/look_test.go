package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
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
		do(t, ctx, chromedp.EmulateViewport(v.width, v.height), prefer(v.scheme))
		overflow := get(t, ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
		picture := get(t, ctx, chromedp.FullScreenshot(100))
		if overflow > 0 {
			t.Errorf("%s %s: %d pixels wider than the screen", name, v.name, overflow)
		}
		if err := os.WriteFile(filepath.Join(dir, name+"-"+v.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
		axe(t, ctx, name+" "+v.name)
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 900), prefer("light"))
}

// prefer sets the colour scheme that the person prefers.
func prefer(scheme string) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
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
	get(t, ctx, chromedp.Evaluate[any](string(script)+"; true"))
	found := get(t, ctx, chromedp.Evaluate[string](`axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})
		.then(r => JSON.stringify(r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help,
			Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))}))))`, chromedp.EvalAwaitPromise))
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
