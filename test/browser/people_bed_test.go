package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromium is one process for all people: each of them is a browser of their own
// in it, with their own cookies.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("chromium is needed; `make test` installs it, TEST_SKIP=browser leaves it out: %w", err)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"), chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewContext(allocator)
	quit = func() { cancel(); stop() }
	return ctx, chromedp.Do(ctx, chromedp.Navigate("about:blank"))
})

var quit = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	quit()
	os.Exit(code)
}

// person is somebody at a browser, or at another tab of it.
type person struct {
	t       *testing.T
	ctx     context.Context
	traffic *traffic
	leaves  func() // closes the tab
	plain   bool   // scripts don't run, so axe doesn't either
	changed bool   // the browser isn't as it was when it was opened
}

// spare are browsers that somebody is done with: to open one takes a while.
var spare []*person

// somebody opens a browser that knows nothing.
func somebody(t *testing.T) *person {
	t.Helper()
	if strings.Contains(","+os.Getenv("TEST_SKIP")+",", ",browser,") {
		t.Skip("TEST_SKIP leaves the browser out")
	}
	parent, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	var p *person
	if n := len(spare); n > 0 {
		p, spare = spare[n-1], spare[:n-1]
		p.t = t
		p.open("about:blank")
		p.forgets()
		p.traffic.clear()
		p.front()
	} else {
		ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
		p = begin(t, ctx, cancel)
	}
	t.Cleanup(func() {
		p.traffic.judge(t)
		if p.changed || t.Failed() {
			p.leaves()
			return
		}
		spare = append(spare, p)
	})
	return p
}

// tab opens one more in the same browser.
func (p *person) tab() *person {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	tab := begin(p.t, ctx, cancel)
	p.t.Cleanup(func() {
		tab.traffic.judge(tab.t)
		cancel()
	})
	return tab
}

func begin(t *testing.T, ctx context.Context, cancel context.CancelFunc) *person {
	t.Helper()
	p := &person{t: t, ctx: ctx, leaves: cancel, traffic: new(traffic)}
	p.traffic.clear()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, p.traffic.hear); err != nil {
		t.Fatal(err)
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	return p
}

// forgets takes all cookies away.
func (p *person) forgets() {
	p.t.Helper()
	call(p, network.ClearBrowserCookies, cdp.Empty{})
}

// call is a command to the person's tab.
func call[P, R any](p *person, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	step, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	answer, err := chromedp.Call(step, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return answer
}

// front brings a tab to the front, where clicks reach it.
func (p *person) front() *person {
	p.t.Helper()
	call(p, page.BringToFront, cdp.Empty{})
	return p
}

func (p *person) do(actions ...action) {
	p.t.Helper()
	do(p.t, p.ctx, actions...)
}

// value evaluates a script that gives text.
func (p *person) value(script string) string {
	p.t.Helper()
	return get(p.t, p.ctx, chromedp.Evaluate[string](script))
}

func (p *person) text() string {
	p.t.Helper()
	return bodyText(p.t, p.ctx)
}

// address is where the person is.
func (p *person) address() *url.URL {
	p.t.Helper()
	u, err := url.Parse(get(p.t, p.ctx, chromedp.Location()))
	if err != nil {
		p.t.Fatal(err)
	}
	return u
}

// open goes to an address.
func (p *person) open(address string) {
	p.t.Helper()
	p.do(chromedp.Navigate(address))
}

// leave does something after which another page follows, and waits for that.
func (p *person) leave(what ...action) {
	p.t.Helper()
	before := p.born()
	p.do(what...)
	p.arrive(before)
}

// born tells one load of a page from another.
func (p *person) born() float64 {
	p.t.Helper()
	return get(p.t, p.ctx, chromedp.Evaluate[float64](`performance.timeOrigin`))
}

func (p *person) arrive(before float64) {
	p.t.Helper()
	step, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		now, err := chromedp.Run(step, chromedp.Evaluate[float64](`document.readyState === "complete" && location.href !== "about:blank" ? performance.timeOrigin : 0`))
		if err == nil && now != 0 && now != before {
			return
		}
		select {
		case <-step.Done():
			p.t.Fatalf("no page follows %s:\n%s", p.address(), p.text())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// press clicks what leads to another page.
func (p *person) press(selector string) {
	p.t.Helper()
	p.leave(mouse(selector))
}

// mouse clicks the middle of an element, once it is there and nothing covers it.
func mouse(selector string) action {
	where := fmt.Sprintf(`(e => {
		if (!e || !e.checkVisibility() || e.disabled) return "";
		e.scrollIntoView({block: "center", behavior: "instant"});
		const box = e.getClientRects()[0], x = box.x + box.width / 2, y = box.y + box.height / 2, hit = document.elementFromPoint(x, y);
		return hit && (e.contains(hit) || hit.contains(e)) ? x + " " + y : "";
	})(document.querySelector(%q))`, selector)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for {
			at, err := chromedp.Evaluate[string](where)(ctx, target)
			var x, y float64
			if _, miss := fmt.Sscan(at, &x, &y); err == nil && miss == nil {
				_, err = chromedp.MouseClickXY(x, y)(ctx, target)
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s can't be clicked", selector)
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}

// write empties a field and fills it in.
func (p *person) write(selector, text string) {
	p.t.Helper()
	if !get(p.t, p.ctx, chromedp.Evaluate[bool](fmt.Sprintf(`(f => f && f.checkVisibility() && (f.focus(), f.select(), document.activeElement === f))(document.querySelector(%q)) === true`, selector))) {
		p.t.Fatalf("nothing can be written in %s at %s:\n%s", selector, p.address(), p.text())
	}
	call(p, input.InsertText, input.InsertTextParams{Text: text})
}

// sees checks what the page says.
func (p *person) sees(texts ...string) {
	p.t.Helper()
	body := p.text()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			p.t.Fatalf("no %q at %s:\n%s", text, p.address(), body)
		}
	}
}

// at checks which page of a server this is.
func (p *person) at(path string) {
	p.t.Helper()
	if got := p.address(); got.Path != path {
		p.t.Fatalf("at %s, not at %s:\n%s", got, path, p.text())
	}
}

// has says whether the page has an element.
func (p *person) has(selector string) bool {
	p.t.Helper()
	return get(p.t, p.ctx, chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector(%q) !== null`, selector)))
}

// back presses the browser's own button.
func (p *person) back() {
	p.t.Helper()
	p.leave(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](`history.back(), true`)(ctx, target)
		return err
	}))
}

// signsIn fills the sign-in form in and sends it.
func (p *person) signsIn(username, password string) {
	p.t.Helper()
	p.write("#username", username)
	p.write("#password", password)
	p.press("#login-submit")
}

// types presses keys, one after another.
func (p *person) types(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// enters presses the key, and another page follows.
func (p *person) enters() {
	p.t.Helper()
	p.leave(chromedp.KeyEvent(kb.Enter))
}

// traffic is what a tab fetched: the weight of each page, and from where.
type traffic struct {
	mu       sync.Mutex
	document map[string]string  // address by load
	of       map[string]string  // load by request
	weight   map[string]float64 // bytes by load
	parts    []part
}

type part struct{ load, address string }

func (f *traffic) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.document, f.of, f.weight, f.parts = map[string]string{}, map[string]string{}, map[string]float64{}, nil
}

// maxPage is what a page may weigh with all that it needs.
const maxPage = 50 << 10

func (f *traffic) hear(event any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		load := string(e.LoaderID)
		f.of[string(e.RequestID)] = load
		if e.Type == network.ResourceTypeDocument {
			f.document[load] = e.Request.URL
			return
		}
		f.parts = append(f.parts, part{load, e.Request.URL})
	case *network.EventLoadingFinished:
		f.weight[f.of[string(e.RequestID)]] += e.EncodedDataLength
	}
}

// judge: pages of a server of ours are light and need nobody else.
func (f *traffic) judge(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for load, weight := range f.weight {
		if address := f.document[load]; weight > maxPage && !isSaleswave(address) {
			t.Errorf("%s weighs %.0f bytes", address, weight)
		}
	}
	for _, p := range f.parts {
		if origin(p.address) != origin(f.document[p.load]) && !strings.HasPrefix(p.address, "data:") {
			t.Errorf("%s fetches %s", f.document[p.load], p.address)
		}
	}
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// looked are the pages that were looked at: each once is enough.
var looked = map[string]bool{}

// look lets axe judge the page on a phone and on a desk, in both schemes, and
// takes pictures of it where SHOTS names a folder.
func (p *person) look(name string) {
	p.t.Helper()
	if looked[name] {
		return
	}
	looked[name] = true
	if p.plain { // axe is script
		inViews(p.t, p.ctx, "people-"+name, func(view) {})
		return
	}
	look(p.t, p.ctx, "people-"+name)
}
