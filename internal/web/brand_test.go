package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/login"
)

// TestBrandContrast: WCAG 2.2 §1.4.3; an accent that can't be read stops the
// start.
func TestBrandContrast(t *testing.T) {
	for accent, want := range map[string]string{
		"#0b5c63": "", "#b00020": "", "#1d4ed8": "", "#ffcc00": "contrast", "#777777": "contrast", "red": "no colour", "#fff": "no colour",
	} {
		err := CheckBrand(Brand{Accent: accent})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", accent, err)
		}
	}
	if got := contrast("#000000", "#ffffff"); got != 21 {
		t.Errorf("black on white: %v", got)
	}
	if err := CheckBrand(Brand{Links: []BrandLink{{"Help", "javascript:alert(1)"}}}); err == nil {
		t.Error("a link that runs a script")
	}
	if err := CheckBrand(Brand{Logo: []byte("<svg onload=alert(1)>")}); err == nil {
		t.Error("an SVG logo")
	}
	if err := CheckBrand(Brand{Accent: "#0b5c63", Dark: "#222222"}); err == nil {
		t.Error("a dark accent on dark ground")
	}
}

// TestBrand: the server's own looks, an app's own, and a page of the operator's
// beside ours.
func TestBrand(t *testing.T) {
	folder := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(folder, "badge.html"), []byte(`{{template "card-top" .}}{{with .D}}<h1>Show your badge</h1>
<form id="badge-form" method="post" action="{{.Action}}"><input type="hidden" name="form" value="{{.Form}}"><input name="badge"><button type="submit">In</button></form>{{.Problem}}{{end}}{{template "card-end" .}}`), 0o600))
	h := newHouse(t, func(c *Config) {
		c.Brand = Brand{Name: "Corner Shop", Accent: "#1d4ed8", Logo: tinyPNG(t), Links: []BrandLink{{"Help", "https://shop.example/help"}}, CSS: []byte(".card{border-radius:0}")}
		c.Brands = map[string]Brand{"sales": {Name: "Saleswave Desk", Accent: "#b00020"}}
		c.Overlay = folder
	})
	h.user("ada")
	h.Login.Chain = []login.Authenticator{{Name: "badge", Factor: 1, Title: "Use your badge", Template: "badge"}}
	page := h.visitor().get("/login")
	for _, want := range []string{"Corner Shop", `href="https://shop.example/help"`, "/static/brand.", "/static/logo.", "Use your badge"} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("the sign-in page lacks %q", want)
		}
	}
	if strings.Contains(page.Body.String(), `id="password"`) {
		t.Error("a password is asked for that is switched off")
	}
	own := h.visitor().get("/login/own/badge")
	if own.Code != http.StatusOK || !strings.Contains(own.Body.String(), "Show your badge") {
		t.Errorf("the page of its own: %d", own.Code)
	}
	c := h.client("sales", "")
	v := h.visitor()
	if body := v.follow(v.get(authorizePath(c))).Body.String(); !strings.Contains(body, "Saleswave Desk") || !strings.Contains(body, "/static/brand-1.") {
		t.Errorf("the app's own looks aren't on its page: %s", body)
	}
}
