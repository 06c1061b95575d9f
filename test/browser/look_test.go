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

// look has the page in every view fit its window and judged by axe. With SHOTS set
// to a folder it leaves a picture of each there.
func look(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	loadAxe(t, ctx)
	inViews(t, ctx, name, func(v view) {
		axe(t, ctx, name+" "+v.name, v.width > 1000 == (v.scheme == "light"))
	})
}

// inViews shows the page as each view has it.
func inViews(t *testing.T, ctx context.Context, name string, judge func(view)) {
	t.Helper()
	for _, v := range views {
		do(t, ctx, chromedp.EmulateViewport(v.width, v.height), prefer(v.scheme))
		if wider := get(t, ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); wider > 0 {
			t.Errorf("%s %s: %d pixels wider than the screen", name, v.name, wider)
		}
		if dir := os.Getenv("SHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+"-"+v.name+".png"), get(t, ctx, chromedp.FullScreenshot(100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		judge(v)
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

func loadAxe(t *testing.T, ctx context.Context) {
	t.Helper()
	script, err := os.ReadFile("../node/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is needed; `make test` installs it: %v", err)
	}
	get(t, ctx, chromedp.Evaluate[any](string(script)+"; true"))
}

// axe runs axe-core in the page: no finding that is serious or worse. It asks for
// all rules, or for those alone that a scheme and a width decide.
func axe(t *testing.T, ctx context.Context, where string, all bool) {
	t.Helper()
	rules := `['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']`
	if !all {
		rules = `{type: 'rule', values: ['color-contrast','link-in-text-block','target-size','scrollable-region-focusable']}`
	}
	found := get(t, ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ['violations'], runOnly: `+rules+`})
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
