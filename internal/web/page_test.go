package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// Case 218: templates hold no script, no style and no handler of their own,
// and nothing is ever declared to be safe HTML.
func TestTemplateLint(t *testing.T) {
	handler := regexp.MustCompile(`(?i)\son[a-z]+\s*=`)
	ok(t, fs.WalkDir(templateFiles, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(templateFiles, name)
		ok(t, err)
		for _, bad := range []string{"<style", "style=", "http-equiv", "`", "javascript:", "| safe", "{{define \"script"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
		if handler.Match(text) {
			t.Errorf("%s has an event handler: %s", name, handler.Find(text))
		}
		for _, tag := range regexp.MustCompile(`<script[^>]*>[^<]*`).FindAllString(string(text), -1) {
			if !regexp.MustCompile(`^<script type="module" src="\{\{asset "[a-z]+\.js"\}\}">$`).MatchString(tag) {
				t.Errorf("%s: %s", name, tag)
			}
		}
		return nil
	}))
	files, err := filepath.Glob("*.go")
	ok(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		ok(t, err)
		if !strings.HasSuffix(file, "_test.go") && file != "say.go" && regexp.MustCompile(`template\.(HTML|JS|CSS|URL|Srcset)|text/template`).Match(text) {
			t.Errorf("%s goes around escaping", file)
		}
	}
}

// Every form has a token; every field with a problem points to its words;
// every label and description names something that is there; headings descend.
func TestPagesAreAccessible(t *testing.T) {
	files, err := filepath.Glob("testdata/*.html")
	ok(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		ok(t, err)
		root, err := html.Parse(strings.NewReader(string(text)))
		ok(t, err)
		ids, labelled, level := map[string]int{}, map[string]bool{}, 0
		for n := range root.Descendants() {
			if id := attr(n, "id"); id != "" {
				ids[id]++
			}
			if n.Data == "label" {
				labelled[attr(n, "for")] = true
			}
		}
		for id, n := range ids {
			if n > 1 {
				t.Errorf("%s: id %s stands %d times", file, id, n)
			}
		}
		for n := range root.Descendants() {
			for _, ref := range strings.Fields(attr(n, "aria-describedby") + " " + attr(n, "aria-labelledby")) {
				if ids[ref] == 0 {
					t.Errorf("%s: %s names #%s, which isn't there", file, n.Data, ref)
				}
			}
			switch n.Data {
			case "form":
				if attr(n, "id") != "form-post" && !strings.Contains(renderNode(n), `name="form"`) {
					t.Errorf("%s: a form without token", file)
				}
			case "input", "textarea", "select":
				kind := attr(n, "type")
				_, hidden := attrs(n)["hidden"]
				if !hidden && kind != "hidden" && kind != "checkbox" && kind != "radio" && !labelled[attr(n, "id")] {
					t.Errorf("%s: %s has no label", file, attr(n, "name"))
				}
			case "h1", "h2", "h3":
				if now := int(n.Data[1] - '0'); now > level+1 && !insideNav(n) {
					t.Errorf("%s: %s after h%d", file, n.Data, level)
				} else if !insideNav(n) {
					level = now
				}
			}
		}
		var zipped bytes.Buffer
		zip := gzip.NewWriter(&zipped)
		_, _ = zip.Write(text)
		_ = zip.Close()
		if len(text) > 48<<10 || zipped.Len() > 20<<10 {
			t.Errorf("%s has %d bytes, %d zipped", file, len(text), zipped.Len())
		}
	}
}

func renderNode(n *html.Node) string {
	var out strings.Builder
	_ = html.Render(&out, n)
	return out.String()
}

func insideNav(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == "nav" {
			return true
		}
	}
	return false
}

func TestStylesheetIsSmall(t *testing.T) {
	files, err := loadStatic()
	ok(t, err)
	text := files.files[strings.TrimPrefix(files.paths["style.css"], "/static/")]
	if len(text) > 12<<10 {
		t.Errorf("%d bytes", len(text))
	}
}

var hostile = []string{
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "{{.}}", "</title><h1>x", "a\u202Eb", "';alert(1)//", "javascript:alert(1)",
}

// Cases 212 and 217: names are text, wherever they stand; an old row's link
// that is no web address is none.
func TestNamesAreText(t *testing.T) {
	h := newHouse(t)
	for i, name := range hostile {
		user := h.user("ada" + string(rune('a'+i)))
		user.Name = name
		ok(t, h.Store.UpdateUser(t.Context(), user))
		id := "app" + string(rune('a'+i))
		c := h.client(id, user.Subject, func(m *oauth.Metadata) { m.Scope = "openid orgs:read notes:write" })
		c.Name, c.Description, c.HomepageURI, c.PolicyURI, c.TermsURI = name, name, name, "javascript:alert(1)", "data:text/html,x"
		c.JWKS, c.JWKSURI, c.TLSDN, c.TLSDNS, c.RequestURIs, c.SectorURI = rawText(t, name), name, name, name, []string{name}, name
		c.BackchannelURI, c.FrontchannelURI, c.InitiateLoginURI, c.SubjectType, c.AuthMethod = name, name, name, name, name
		c.IDTokenAlg, c.AuthAlg, c.RequestAlg, c.Profile, c.GrantTypes = name, name, name, oauth.Profile(name), append(c.GrantTypes, name)
		ok(t, h.Store.UpdateClient(t.Context(), c, false))
		v := h.visitor()
		sane := func(page string, a answer) {
			t.Helper()
			for _, bad := range []string{"<script>alert", "<img src=x", "href=\"javascript", "href=\"data:", "</title><h1>"} {
				if strings.Contains(a.text, bad) {
					t.Errorf("%s with %q holds %s", page, name, bad)
				}
			}
		}
		sane("login", v.follow(v.get(authorizePath(c))))
		v.signIn(user.Username)
		sane("consent", v.follow(v.get(authorizePath(c))))
		sane("logout", v.get("/logout?client_id="+id))
		v.get("/authorize?client_id=" + id + "&response_type=code&redirect_uri=" + url.QueryEscape(name))
		for _, path := range []string{"/account", "/account/apps", "/account/sessions", "/developer", "/developer/apps/" + id, "/developer/apps/" + id + "/delete", "/developer/apps/" + id + "/security", "/device?user_code=" + url.QueryEscape(name)} {
			sane(path, v.get(path))
		}
		a := v.get("/device")
		sane("/device", v.submit(a, "device-form", "user_code", name))
		a = v.get("/developer/apps/" + id + "/security")
		fields := []string{"profile", "method", "tls_name", "jwks", "jwks_uri", "request_uris", "sector", "backchannel", "frontchannel", "initiate", "subject", "alg_id_token"}
		for _, field := range fields {
			sane("security, "+field, v.submit(a, "security-form", field, name))
		}
	}
}

// rawText is a name where a key set would stand in an old row.
func rawText(t *testing.T, name string) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": []any{map[string]string{"kid": name, "kty": name, "alg": name}}})
	ok(t, err)
	return text
}

// Case 213: an error page says nothing that its address says.
func TestErrorPageReflectsNothing(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	for _, path := range []string{"/nowhere", "/authorize", "/login", "/consent", "/back", "/select", "/logout"} {
		a := v.get(path + "?error=canaryone&error_description=canarytwo&error_hint=canarythree&i=canaryfour")
		if strings.Contains(a.text, "canaryone") || strings.Contains(a.text, "canarytwo") || strings.Contains(a.text, "canarythree") {
			t.Errorf("%s reflects", path)
		}
	}
}

func TestErrorStatus(t *testing.T) {
	h := newHouse(t)
	for code, want := range map[string]int{
		oauth.CodeInvalidRequest: 400, oauth.CodeUnauthorizedClient: 400, oauth.CodeServerError: 500, oauth.CodeTemporarilyUnavailable: 503,
	} {
		rec := httptest.NewRecorder()
		rec.Header().Set("X-Request-Id", "req-9")
		h.Error(rec, httptest.NewRequest("GET", "/authorize", nil), &oauth.Error{Code: code, Parameter: "redirect_uri", Description: "<b>"})
		a := answer{rec, rec.Body.String()}
		a.has(t, want, `id="error-page"`, `id="error-code">`+code, "redirect_uri", "&lt;b&gt;", "req-9")
		if (rec.Header().Get("Retry-After") != "") != (want == 503) {
			t.Errorf("%s: Retry-After %q", code, rec.Header().Get("Retry-After"))
		}
	}
	v := h.visitor()
	a := v.get("/nowhere")
	a.has(t, 404, `id="error-code">not_found`, "<details><summary>Details</summary>") // no app's makers have to do with it
	v.get("/authorize?client_id=x").has(t, 400, "<details open><summary>For the app")
	a = v.do("DELETE", "/login", "", nil)
	a.has(t, 405, "method_not_allowed")
	if a.Header().Get("Allow") != "GET, POST" {
		t.Errorf("Allow: %s", a.Header().Get("Allow"))
	}
	v.do("POST", "/login", "application/json", []byte("{}")).has(t, 400, "can&#39;t be read")
}

// Case 033 and RFC 6749 §4.1.2: parameters are added, a registered query stays.
func TestReplyByRedirect(t *testing.T) {
	h := newHouse(t)
	for _, row := range []struct{ uri, method, want string }{
		{"https://a.example/cb", "GET", "302 https://a.example/cb?code=c%2F%2B&state=a+b%0D%0ASet-Cookie%3A+x&iss=https%3A%2F%2Fas.example"},
		{"https://a.example/cb?x=1&y=%20", "POST", "303 https://a.example/cb?x=1&y=%20&code=c%2F%2B&state=a+b%0D%0ASet-Cookie%3A+x&iss=https%3A%2F%2Fas.example"},
		{"https://a.example/cb?", "GET", "302 https://a.example/cb?code=c%2F%2B&state=a+b%0D%0ASet-Cookie%3A+x&iss=https%3A%2F%2Fas.example"},
		{"com.example.app:/cb", "POST", "303 com.example.app:/cb?code=c%2F%2B&state=a+b%0D%0ASet-Cookie%3A+x&iss=https%3A%2F%2Fas.example"},
	} {
		rec := httptest.NewRecorder()
		h.Reply(rec, httptest.NewRequest(row.method, "/x", nil), &oauth.Response{
			RedirectURI: row.uri, Mode: "query", Client: &oauth.Client{},
			Params: [][2]string{{"code", "c/+"}, {"state", "a b\r\nSet-Cookie: x"}, {"iss", issuer}},
		})
		if got := rec.Result().Status[:3] + " " + rec.Header().Get("Location"); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.uri, got, row.want)
		}
		if rec.Header().Get("Cache-Control") != "no-store" || len(rec.Result().Cookies()) > 0 {
			t.Errorf("%v", rec.Header())
		}
	}
}

// Case 216.
func TestReplyByFormPost(t *testing.T) {
	h := newHouse(t)
	rec := httptest.NewRecorder()
	evil := `"><script>alert(1)</script>`
	h.Reply(rec, httptest.NewRequest("POST", "/consent", nil), &oauth.Response{
		RedirectURI: "http://127.0.0.1:8081/cb?x=1", Mode: "form_post", Client: &oauth.Client{Metadata: oauth.Metadata{Name: evil}},
		Params: [][2]string{{"code", "c"}, {"state", evil}},
	})
	a := answer{rec, rec.Body.String()}
	a.has(t, 200, `action="http://127.0.0.1:8081/cb?x=1"`, `<button type="submit">Continue</button>`, `src="/static/post.`)
	if strings.Contains(a.text, "<script>") || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "form-action 'self' https: http://127.0.0.1:8081 ") {
		t.Errorf("%s\n%s", rec.Header().Get("Content-Security-Policy"), a.text)
	}
	_, fields := formIn(t, a.text, "form-post")
	if fields.Get("state") != evil {
		t.Errorf("state %q", fields.Get("state"))
	}
}

func TestFormAction(t *testing.T) {
	for uri, want := range map[string]string{
		"https://a.example/cb":     "'self' https:",
		"http://localhost:3000/cb": "'self' https: http://localhost:3000 http://localhost:* http://127.0.0.1:*",
		"http://[::1]:3000/cb":     "'self' https: http:",
		"com.example.app:/cb":      "'self' https: com.example.app:",
		"":                         "'self' https:",
	} {
		if got := formClient(uri); got != want {
			t.Errorf("%s: %s", uri, got)
		}
	}
}

func TestDiffRedirect(t *testing.T) {
	const registered = "https://app.example/cb"
	for sent, want := range map[string]string{
		registered:                       "They are the same.",
		"https://app.example/cb/":        "The trailing slash differs.",
		"http://app.example/cb":          "The scheme differs: http, not https.",
		"https://app.example:8443/cb":    "The port differs: 8443, not none.",
		"https://App.example/cb":         "Upper and lower case differ in the host.",
		"https://app.example/CB":         "Upper and lower case differ in the path.",
		"https://app.example/cb?x=1":     "Only the query differs.",
		"https://app.example/cb/more":    "The path goes on after the registered one.",
		"https://app.example/other":      "The path differs.",
		"https://app.example/%63b":       "Characters in the path are percent-encoded differently.",
		"https://www.app.example/cb":     "The host differs by www.",
		"https://evil.example/cb":        "The host differs: evil.example, not app.example.",
		"https://app.example@evil/cb":    "It names a user before the host. The host differs: evil, not app.example.",
		"https://app.example/cb#f":       "It has a fragment, the part after #, which a callback can't have.",
		" https://app.example/cb":        "There is a space or a line break around it.",
		"app.example/cb":                 "It isn't a complete address: the scheme is missing.",
		"https://app.example/cb%zz":      "It isn't a complete address.",
		"http://app.example:80/other?x=": "The scheme differs: http, not https. The port differs: 80, not none. The path differs. The query differs.",
	} {
		if got := diffRedirect(locale.Get("en"), sent, registered); got != want {
			t.Errorf("%q: %s\nwant %s", sent, got, want)
		}
	}
	if got := diffRedirect(locale.Get("en"), "http://127.0.0.1:3000/cb", "http://localhost:3000/cb"); !strings.Contains(got, "Both mean this machine") {
		t.Error(got)
	}
	if got := nearest("https://app.example/cb/", []string{"https://other.example/cb/", registered}); got != registered {
		t.Error(got)
	}
}

func TestAddThisAddress(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	h.client("sales", ada.Subject)
	v := h.visitor()
	v.signIn("ada")
	for _, sent := range []string{"https://app.saleswave.example/cb/", "https://elsewhere.example/cb", "javascript:alert(1)"} {
		h.visitor().get("/authorize?client_id=sales&response_type=code&redirect_uri=" + url.QueryEscape(sent))
	}
	a := v.get("/developer/apps/sales")
	a.has(t, 200, "The trailing slash differs.", "Add this address only if its host is yours")
	if strings.Count(a.text, ">Add this address<") != 2 {
		t.Errorf("buttons: %d", strings.Count(a.text, ">Add this address<"))
	}
	v.submit(a, "/developer/apps/sales/callbacks", "uri", "http://app.example/").has(t, 422, "must use https")
	if a := v.submit(a, "/developer/apps/sales/callbacks", "uri", "https://app.saleswave.example/cb/"); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	c, err := h.Store.Client(t.Context(), "sales")
	ok(t, err)
	if len(c.RedirectURIs) != 2 {
		t.Errorf("%v", c.RedirectURIs)
	}
}

func TestStatic(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	a := v.get(h.static.paths["style.css"])
	if a.Code != 200 || a.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%d %v", a.Code, a.Header())
	}
	v.get("/static/style.css").has(t, 404)
	v.get("/static/..%2fweb.go").has(t, 404)
	v.header.Set("Accept-Encoding", "gzip")
	v.cookies = map[string]string{}
	if a := v.get("/signup"); a.Header().Get("Content-Encoding") != "gzip" || len(a.text) > 20<<10 {
		t.Errorf("%v", a.Header())
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36":           "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0": "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile/15E148 Safari/604.1":        "Safari on iPhone",
		"": "Unknown device",
	} {
		if got := device(locale.Get("en"), agent); got != want {
			t.Errorf("%s: %s", agent, got)
		}
	}
}
