package web

import (
	"bytes"
	"context"
	"image"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

func TestProfile(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	said := []string{
		"name", "Ada Lovelace", "given_name", "Ada", "middle_name", "King", "family_name", "Lovelace", "nickname", "Countess", "gender", "female",
		"birthdate", "1815-12-10", "profile", "https://ada.example/me", "website", "https://ada.example", "zoneinfo", "Europe/London", "locale", "de",
		"phone_number", "+44 20 7946 0000", "street_address", "12 St James's Square\r\nFlat 2", "postal_code", "SW1Y 4JH", "locality", "London", "region", "England", "country", "United Kingdom",
	}
	if a := v.submit(v.get("/account/profile"), "profile-form", said...); a.Code != 303 || a.Header().Get("Location") != "/account#done" {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	v.get("/account").has(t, 200, `id="done"`, "Saved.")
	claims, err := h.Login.Claims(t.Context(), ada.Subject)
	ok(t, err)
	for i := 0; i+1 < len(said); i += 2 {
		want := strings.ReplaceAll(said[i+1], "\r\n", "\n")
		got := claims[said[i]]
		if parts, _ := claims["address"].(map[string]any); parts[said[i]] != nil {
			got = parts[said[i]]
		}
		if got != want {
			t.Errorf("%s is %v", said[i], got)
		}
	}
	a := v.get("/account")
	a.has(t, 200, "Ada Lovelace", "Countess", "Deutsch", "Europe/London")
	golden(t, "account_full", a)
	golden(t, "account_profile", v.get("/account/profile"))
	// What is emptied is gone, and what is not sent stays.
	v.raw("/account/profile", "profile-form", "/account/profile", url.Values{"nickname": {""}, "region": {" "}, "locality": {"Marylebone"}})
	claims, err = h.Login.Claims(t.Context(), ada.Subject)
	ok(t, err)
	address, _ := claims["address"].(map[string]any)
	if claims["nickname"] != nil || address["region"] != nil || address["locality"] != "Marylebone" || claims["gender"] != "female" {
		t.Errorf("%v", claims)
	}
	found, err := h.Store.Activities(t.Context(), ada.Subject, 10)
	ok(t, err)
	if len(found) != 2 || found[0].Kind != login.DidChangeProfile {
		t.Errorf("%v", found)
	}
	v.submit(v.get("/account/profile"), "profile-form") // nothing changed
	if found, err = h.Store.Activities(t.Context(), ada.Subject, 10); err != nil || len(found) != 2 {
		t.Errorf("%v %v", found, err)
	}
}

// Case 261: what somebody else confirms, the person can't say; nor anything that
// is no field of the form.
func TestProfileTakesNoMore(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	ada.Claims = oauth.Claims{
		"phone_number": "+44 1", "phone_number_verified": true, "address": map[string]any{"formatted": "1 Road\nTown", "locality": "Town"},
		"picture": "https://pictures.example/ada", "website": "http://old.example",
	}
	ok(t, h.Store.UpdateUser(t.Context(), ada))
	v := h.visitor()
	v.signIn("ada")
	before := h.everything(ada)
	evil := url.Values{
		"email": {"thief@evil.example"}, "email_verified": {"true"}, "phone_number_verified": {"true"}, "picture": {"https://evil.example/x"}, "admin": {"true"},
		"preferred_username": {"root"}, "username": {"root"}, "sub": {"x"}, "groups": {"admins"}, "updated_at": {"1"}, "formatted": {"x"}, "password": {"x"}, "two_step": {"true"},
	}
	if a := v.raw("/account/profile", "profile-form", "/account/profile", evil); a.Code != 303 {
		t.Fatalf("%d", a.Code)
	}
	if after := h.everything(ada); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
	v.do("POST", "/account/profile", "application/json", []byte(`{"email_verified":true}`)).has(t, 400)
	v.raw("/account/profile", "profile-form", "/account/profile", url.Values{"nickname": {"a", "b"}}).has(t, 400)
	// An old value that would be refused now stops nothing else.
	if a := v.submit(v.get("/account/profile"), "profile-form", "nickname", "Ada"); a.Code != 303 {
		t.Errorf("%d %v", a.Code, errorsIn(a))
	}
	if got := h.again(ada).Claims; got["phone_number_verified"] != true || got["website"] != "http://old.example" {
		t.Errorf("%v", got)
	}
	// Another number is not the one that was confirmed, nor is the whole address
	// what its parts say.
	v.submit(v.get("/account/profile"), "profile-form", "phone_number", "+44 20 7946 0000", "locality", "City")
	got := h.again(ada).Claims
	if address := got["address"].(map[string]any); got["phone_number_verified"] != nil || address["formatted"] != nil || address["locality"] != "City" {
		t.Errorf("%v", got)
	}
}

func TestProfileFaults(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	before := h.everything(ada)
	for _, row := range []struct{ field, value, want string }{
		{"name", strings.Repeat("ä", 101), "at most 100"},
		{"nickname", "a\tb", "can&#39;t be typed"},
		{"website", "http://ada.example", "begins with https://"},
		{"website", "javascript:alert(1)", "begins with https://"},
		{"website", "https://a@evil.example/", "begins with https://"},
		{"profile", "ada.example", "begins with https://"},
		{"profile", "https://ada.example/" + strings.Repeat("a", 500), "at most 500"},
		{"birthdate", "10.12.1815", "1990-12-31"},
		{"birthdate", "2029-02-30", "1990-12-31"},
		{"birthdate", "2031-01-01", "1990-12-31"},
		{"birthdate", "2031", "1990-12-31"},
		{"birthdate", "0000", "1990-12-31"},
		{"zoneinfo", "Local", "No time zone"},
		{"zoneinfo", "../../etc/passwd", "No time zone"},
		{"zoneinfo", "/etc/localtime", "No time zone"},
		{"zoneinfo", "Europe", "No time zone"},
		{"zoneinfo", "Mars/Olympus", "No time zone"},
		{"locale", "tlh", "Choose one"},
		{"phone_number", "call me", "in digits"},
		{"phone_number", "+", "in digits"},
		{"street_address", strings.Repeat("a", 501), "at most 500"},
	} {
		a := v.submit(v.get("/account/profile"), "profile-form", row.field, row.value)
		a.has(t, 422, "Nothing was saved.", "One field needs another look.", `id="`+row.field+`-error">`, row.want)
		if got := errorsIn(a); len(got) != 1 || !strings.HasPrefix(got[0], row.field+": ") {
			t.Errorf("%s=%.40s: %v", row.field, row.value, got)
		}
	}
	if after := h.everything(ada); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
	golden(t, "account_profile_wrong", v.submit(v.get("/account/profile"), "profile-form", "birthdate", "tomorrow", "phone_number", "call me", "nickname", "Countess"))
	for field, values := range map[string][]string{
		"birthdate":    {"1990", "1990-12-31", "0000-02-29", "2030-01-02"},
		"zoneinfo":     {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+1"},
		"phone_number": {"+1 (604) 555-1234;ext=5678", "112 112", "(0511) 123456"},
		"website":      {"https://xn--bcher-kva.example/a?b=c"},
	} {
		for _, value := range values {
			if a := v.submit(v.get("/account/profile"), "profile-form", field, value); a.Code != 303 {
				t.Errorf("%s=%s: %v", field, value, errorsIn(a))
			}
		}
	}
}

// Names are text, and turn nothing around them.
func TestProfileNamesAreText(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	for _, name := range append(hostile, "x\u2067y") {
		if a := v.submit(v.get("/account/profile"), "profile-form", "name", name, "nickname", name, "street_address", name); a.Code != 303 {
			t.Errorf("%q: %d %v", name, a.Code, errorsIn(a))
		}
		for _, path := range []string{"/account", "/account/profile", "/account/data"} {
			a := v.get(path)
			for _, bad := range []string{"<script>alert", "<img src=x", "</title><h1>", "\u202e", "\u2067"} {
				if strings.Contains(a.text, bad) {
					t.Errorf("%s with %q holds %q", path, name, bad)
				}
			}
		}
	}
	// Of an old row, which turns nothing but itself.
	user, err := h.Store.UserByName(t.Context(), "ada")
	ok(t, err)
	user.Name, user.Claims = "evil\u202e", oauth.Claims{"nickname": "evil\u202e", "picture": "javascript:alert(1)"}
	ok(t, h.Store.UpdateUser(t.Context(), user))
	v.get("/account").has(t, 200, "<bdi>evil\u202e</bdi>")
	if a := v.get("/account/profile"); strings.Contains(a.text, `src="javascript`) {
		t.Error("an address of another place is shown")
	}
}

// upload sends a picture in the field that the form has for it.
func (v *visitor) upload(t *testing.T, token, field, filename string, content []byte) answer {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	ok(t, w.WriteField("form", token))
	part, err := w.CreateFormFile(field, filename)
	ok(t, err)
	_, err = part.Write(content)
	ok(t, err)
	ok(t, w.Close())
	return v.do("POST", "/account/picture", w.FormDataContentType(), out.Bytes())
}

// Cases 224 to 229.
func TestPicture(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	h := newHouse(t)
	ada := h.user("ada")
	ada.Claims = oauth.Claims{"picture": "https://pictures.example/ada"}
	ok(t, h.Store.UpdateUser(t.Context(), ada))
	v := h.visitor()
	v.signIn("ada")
	v.get("/account/profile").has(t, 200, "kept at <strong>pictures.example</strong>", `id="picture-remove"`)
	_, fields := formIn(t, v.get("/account/profile").text, "picture-form")
	token := fields.Get("form")
	before := h.everything(ada)
	for name, row := range map[string]struct {
		file   string
		bytes  []byte
		status int
		words  string
	}{
		"svg":         {"x.svg", []byte("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), 415, "SVG"},
		"svg as png":  {"x.png", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "SVG"},
		"page":        {"x.png", []byte("<html><script>alert(1)</script>"), 415, "SVG"},
		"too many px": {"x.png", hugePNG(t, 50_000), 422, "4096"},
		"too large":   {"x.png", make([]byte, maxLogo+1), 413, "1 MiB"},
		"far too":     {"x.png", make([]byte, maxUpload+1), 413, "1 MiB"},
		"damaged":     {"x.png", tinyPNG(t)[:40], 422, "damaged"},
		"nothing":     {"x.png", nil, 422, "Choose a file"},
	} {
		t.Run(name, func(t *testing.T) { v.upload(t, token, "picture", row.file, row.bytes).has(t, row.status, row.words) })
	}
	v.upload(t, token, "logo", "x.png", tinyPNG(t)).has(t, 400) // it is no field of this form
	v.upload(t, "x", "picture", "x.png", tinyPNG(t)).has(t, 403)
	if after := h.everything(ada); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
	golden(t, "account_picture_wrong", v.upload(t, token, "picture", "x.svg", []byte("<svg/>")))
	polyglot := append(encoded(t, picture(1024, 256)), "<script>alert(1)</script>"...)
	if a := v.upload(t, token, "picture", `C:\..\..\x.png`, polyglot); a.Code != 303 {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	id := h.again(ada).PictureID
	claims, err := h.Login.Claims(t.Context(), ada.Subject)
	ok(t, err)
	if claims["picture"] != issuer+"/pictures/"+id {
		t.Errorf("the claim is %v", claims["picture"])
	}
	a := h.visitor().get("/pictures/" + id)
	config, kind, err := image.DecodeConfig(strings.NewReader(a.text))
	if err != nil || kind != "png" || config.Width != 512 || config.Height != 128 || strings.Contains(a.text, "script") {
		t.Errorf("%v %s %v", err, kind, config)
	}
	for header, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Cross-Origin-Resource-Policy": "cross-origin",
	} {
		if got := a.Header().Get(header); got != want {
			t.Errorf("%s: %s", header, got)
		}
	}
	v.get("/account").has(t, 200, `src="/pictures/`+id+`"`)
	// A new one has a new address, and the old one is gone.
	h.advance(time.Second)
	v.upload(t, token, "picture", "y.png", tinyPNG(t))
	if next := h.again(ada).PictureID; next == id || next == "" {
		t.Errorf("the id stayed %s", next)
	}
	h.visitor().get("/pictures/"+id).has(t, 404)
	golden(t, "account_picture", v.get("/account/profile"))
	if a := v.submit(v.get("/account/profile"), "/account/picture/remove"); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	claims, err = h.Login.Claims(t.Context(), ada.Subject)
	if ok(t, err); claims["picture"] != nil || h.again(ada).PictureID != "" {
		t.Errorf("%v", claims["picture"])
	}
	h.visitor().get("/pictures/nothing").has(t, 404)
}

// elsewhere is an embedder's own user base.
type elsewhere struct{ subject string }

func (elsewhere) Claims(context.Context, string) (oauth.Claims, error) {
	return oauth.Claims{"name": "Ada <b>there</b>", "email": "ada@there.example", "email_verified": true, "nickname": "Countess"}, nil
}

func (e elsewhere) Authenticate(context.Context, string, string) (string, error) {
	return e.subject, nil
}

// Whose profile an embedder keeps changes nothing of it here.
func TestKeptElsewhere(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Login.External = elsewhere{"there-1"} })
	v := h.visitor()
	v.signIn("ada")
	ada, err := h.Store.User(t.Context(), "there-1")
	ok(t, err)
	before := h.everything(ada)
	a := v.get("/account")
	a.has(t, 200, `id="elsewhere"`, "ada@there.example", "Ada &lt;b&gt;there&lt;/b&gt;", "Countess")
	if strings.Contains(a.text, `id="profile-edit"`) {
		t.Error("offers to edit")
	}
	golden(t, "account_elsewhere", a)
	for _, path := range []string{"/account/profile", "/account/email", "/account/password", "/account/delete", "/account/security"} {
		a := v.get(path)
		a.has(t, 200, `id="elsewhere"`)
		if path != "/account/security" && strings.Count(a.text, "<form") != strings.Count(v.get("/account").text, "<form") {
			t.Errorf("%s has a form", path)
		}
	}
	r := h.request(v)
	session, err := h.Session(r)
	ok(t, err)
	for path, purpose := range map[string]string{
		"/account/profile": "profile", "/account/picture/remove": "picture-remove", "/account/email": "email", "/account/password": "password", "/account/delete": "account-delete",
	} {
		v.post(path, url.Values{"form": {h.formToken(nil, r, session, purpose, "")}, "name": {"x"}, "email": {"x@evil.example"}, "new": {password + "!"}, "username": {"ada"}}).has(t, 403, `id="elsewhere"`)
	}
	v.upload(t, h.formToken(nil, r, session, "picture", ""), "picture", "x.png", tinyPNG(t)).has(t, 403, `id="elsewhere"`)
	if after := h.everything(ada); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
}
