package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Browser is a person's browser without script: it keeps cookies, follows
// redirects within one server and submits forms as they stand.
type Browser struct {
	Header http.Header // sent with every request
	client *http.Client
	origin string
}

// Page is what a browser shows, or the redirect that left the server.
type Page struct {
	Status   int
	Header   http.Header
	Body     string
	URL      *url.URL // of the page itself
	Location *url.URL // where the browser was sent, when that is another server
	root     *html.Node
}

// NewBrowser makes a browser that knows nobody.
func NewBrowser(t testing.TB, origin string) *Browser {
	t.Helper()
	b, err := OpenBrowser(origin)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// OpenBrowser is NewBrowser for callers without a test at hand.
func OpenBrowser(origin string) (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &Browser{
		Header: http.Header{}, origin: origin,
		client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Use sends what the browser asks for another way.
func (b *Browser) Use(way http.RoundTripper) { b.client.Transport = way }

// Cookies returns what the browser would send to the server.
func (b *Browser) Cookies() []*http.Cookie {
	u, _ := url.Parse(b.origin)
	return b.client.Jar.Cookies(u)
}

// Plant gives the browser a cookie, as somebody else might.
func (b *Browser) Plant(name, value string) {
	u, _ := url.Parse(b.origin)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// Get opens an address; one that begins with a slash is the server's.
func (b *Browser) Get(address string) (*Page, error) { return b.do(http.MethodGet, address, nil) }

// Post sends a form to an address.
func (b *Browser) Post(address string, form url.Values) (*Page, error) {
	return b.do(http.MethodPost, address, form)
}

const maxHops = 10

func (b *Browser) do(method, address string, form url.Values) (*Page, error) {
	if strings.HasPrefix(address, "/") {
		address = b.origin + address
	}
	for range maxHops {
		page, err := b.hop(method, address, form)
		if err != nil || page.Status/100 != 3 {
			return page, err
		}
		if !strings.HasPrefix(page.Location.String(), b.origin+"/") {
			return page, nil
		}
		method, address, form = http.MethodGet, page.Location.String(), nil
	}
	return nil, fmt.Errorf("more than %d redirects, the last to %s", maxHops, address)
}

// hop makes one request and follows nothing.
func (b *Browser) hop(method, address string, form url.Values) (*Page, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(context.Background(), method, address, body)
	if err != nil {
		return nil, err
	}
	for name, values := range b.Header {
		req.Header[name] = values
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	page := &Page{Status: resp.StatusCode, Header: resp.Header, Body: string(content), URL: req.URL}
	if resp.StatusCode/100 == 3 {
		page.Location, err = req.URL.Parse(resp.Header.Get("Location"))
		return page, err
	}
	page.root, err = html.Parse(strings.NewReader(page.Body))
	return page, err
}

// Hop makes one request and follows no redirect.
func (b *Browser) Hop(method, address string, form url.Values) (*Page, error) {
	if strings.HasPrefix(address, "/") {
		address = b.origin + address
	}
	return b.hop(method, address, form)
}

// Submit sends the form with an id, its fields as they stand, but for those in
// change; a nil list unticks a box. button names the button that is pressed.
func (b *Browser) Submit(p *Page, formID, buttonID string, change url.Values) (*Page, error) {
	form := p.ByID(formID)
	if form == nil {
		return nil, fmt.Errorf("%s has no form #%s:\n%s", p.URL, formID, p.Text())
	}
	values := fields(form, buttonID)
	for name, v := range change {
		if values.Del(name); v != nil {
			values[name] = v
		}
	}
	action, err := p.URL.Parse(attr(form, "action"))
	if err != nil {
		return nil, err
	}
	return b.do(http.MethodPost, action.String(), values)
}

// SubmitWith sends the first form that has a hidden field of this name and value.
func (b *Browser) SubmitWith(p *Page, name, value string) (*Page, error) {
	form := find(p.root, func(n *html.Node) bool {
		return n.Data == "form" && find(n, func(f *html.Node) bool { return attr(f, "name") == name && attr(f, "value") == value }) != nil
	})
	if form == nil {
		return nil, fmt.Errorf("%s has no form with %s=%s:\n%s", p.URL, name, value, p.Text())
	}
	action, err := p.URL.Parse(attr(form, "action"))
	if err != nil {
		return nil, err
	}
	return b.do(http.MethodPost, action.String(), fields(form, ""))
}

// ByID finds an element.
func (p *Page) ByID(id string) *html.Node {
	if p.root == nil {
		return nil
	}
	return find(p.root, func(n *html.Node) bool { return attr(n, "id") == id })
}

// TextOf is the text of the element with an id, "" when there is none.
func (p *Page) TextOf(id string) string {
	if n := p.ByID(id); n != nil {
		return text(n)
	}
	return ""
}

// Text is the page's text.
func (p *Page) Text() string {
	if p.root == nil {
		return ""
	}
	return text(p.root)
}

func find(n *html.Node, is func(*html.Node) bool) *html.Node {
	if n.Type == html.ElementNode && is(n) {
		return n
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if found := find(c, is); found != nil {
			return found
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Data != "script" && c.Data != "style" {
				walk(c)
			}
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

// fields are what a browser would send of a form.
func fields(form *html.Node, buttonID string) url.Values {
	values := url.Values{}
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		name := attr(n, "name")
		switch {
		case n.Type != html.ElementNode || name == "":
		case n.Data == "textarea":
			values.Add(name, text(n))
		case n.Data == "button" && attr(n, "id") == buttonID:
			values.Add(name, attr(n, "value"))
		case n.Data == "input" && (attr(n, "type") == "checkbox" || attr(n, "type") == "radio"):
			if has(n, "checked") {
				values.Add(name, attr(n, "value"))
			}
		case n.Data == "input":
			values.Add(name, attr(n, "value"))
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(form)
	return values
}
