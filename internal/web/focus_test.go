package web

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// focused is the name of the field that a page puts the cursor in, with its value
// where several share the name. There may be one such field, it is not hidden in
// a part of the page that is closed, and it says by an id of this page what is
// wrong with it.
func (a answer) focused(t *testing.T) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(a.text))
	ok(t, err)
	var found []*html.Node
	ids := map[string]string{}
	for n := range root.Descendants() {
		if _, has := attrs(n)["autofocus"]; has {
			found = append(found, n)
		}
		if n.FirstChild != nil {
			ids[attr(n, "id")] = n.FirstChild.Data
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d fields want the cursor in %s", len(found), a.text)
	}
	n := found[0]
	said := ""
	for _, id := range strings.Fields(attr(n, "aria-describedby")) {
		if strings.HasSuffix(id, "-error") {
			said = ids[id]
		}
	}
	if said == "" {
		t.Errorf("%s doesn't say what is wrong with it: %v", attr(n, "name"), attrs(n))
	}
	for up := n.Parent; up != nil; up = up.Parent {
		if _, open := attrs(up)["open"]; up.Data == "details" && !open {
			t.Errorf("%s is in a closed part of the page", attr(n, "name"))
		}
	}
	switch attr(n, "type") {
	case "radio", "checkbox":
		return attr(n, "name") + "=" + attr(n, "value")
	}
	if attr(n, "aria-invalid") != "true" {
		t.Errorf("%s isn't marked as wrong", attr(n, "name"))
	}
	return attr(n, "name")
}

// TestFocusOnFirstFault: a form that is shown again has the cursor in the first
// field that needs another look, whichever else do.
func TestFocusOnFirstFault(t *testing.T) {
	_, v, _ := workshop(t, withCertificates)
	for page, rows := range map[string]map[string][]string{
		"/account/profile profile-form": {
			"name":           {"name", strings.Repeat("a", 101), "birthdate", "yesterday", "country", strings.Repeat("a", 101)},
			"birthdate":      {"birthdate", "yesterday", "website", "http://x", "zoneinfo", "Mars"},
			"profile":        {"profile", "ftp://x", "website", "http://x"},
			"locale":         {"locale", "tlh", "phone_number", "none"},
			"street_address": {"street_address", strings.Repeat("a", 501), "country", strings.Repeat("a", 101)},
		},
		"/developer/apps/new app-form": {
			"name":          {"callbacks", "http://app.example/cb"},
			"callbacks":     {"name", "Notes", "type", "web", "callbacks", "http://app.example/cb"},
			"homepage":      {"name", "Notes", "type", "web", "callbacks", "https://app.example/cb", "homepage", "http:"},
			"type=web":      {"name", "Notes", "type", "", "callbacks", "https://app.example/cb"},
			"scope=address": {"name", "Notes", "type", "web", "callbacks", "https://app.example/cb", "scope", "undeclared"},
		},
		"/developer/apps/sales/security security-form": {
			"profile=oauth21":          {"profile", ""},
			"jwks_uri":                 {"jwks_uri", "http://app.example/keys"},
			"jwks":                     {"jwks", "{"},
			"tls_name":                 {"method", "tls_client_auth", "tls_name", ""},
			"request_uris":             {"request_uris", "http://app.example/r"},
			"sector":                   {"subject", "pairwise", "sector", "http://app.example/s"},
			"backchannel":              {"backchannel", "ftp://app.example/l"},
			"initiate":                 {"initiate", "ftp://app.example/l"},
			"grant=authorization_code": {"grant", ""},
			"alg_id_token":             {"alg_id_token", "none"},
		},
	} {
		path, form, _ := strings.Cut(page, " ")
		for want, pairs := range rows {
			t.Run(form+" "+want, func(t *testing.T) {
				shown := v.get(path)
				action, fields := formIn(t, shown.text, form)
				for i := 0; i+1 < len(pairs); i += 2 {
					fields.Set(pairs[i], pairs[i+1])
				}
				a := v.post(action, fields)
				if a.Code != 422 {
					t.Fatalf("%d %s", a.Code, a.text)
				}
				if got := a.focused(t); got != want {
					t.Errorf("the cursor is in %s", got)
				}
			})
		}
	}
	_, fields := formIn(t, v.get("/account/profile").text, "picture-form")
	a := v.upload(t, fields.Get("form"), "picture", "x.png", []byte("no picture"))
	if got := a.focused(t); a.Code/100 != 4 || got != "picture" {
		t.Errorf("%d, the cursor is in %s", a.Code, got)
	}
	// A form that nothing is wrong with takes the cursor nowhere.
	for _, path := range []string{"/account/profile", "/developer/apps/sales", "/developer/apps/sales/security"} {
		if a := v.get(path); strings.Contains(a.text, "autofocus") {
			t.Errorf("%s: a field wants the cursor", path)
		}
	}
}
