package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// tv is an app that signs people in on another device.
func (h *house) tv(change ...func(*oauth.Metadata)) *oauth.Client {
	h.t.Helper()
	return h.client("tv", "", append([]func(*oauth.Metadata){func(m *oauth.Metadata) {
		*m = oauth.Metadata{Name: "Living room TV", HomepageURI: "https://tv.example", Type: oauth.TypeNative, GrantTypes: []string{oauth.GrantDeviceCode}}
	}}, change...)...)
}

// asks does what the device does and returns the code that it shows.
func (h *house) asks(c *oauth.Client) string {
	h.t.Helper()
	req, bad := oauth.NewRequest(url.Values{"client_id": {c.ID}, "scope": {"openid orgs:read notes:write"}})
	if bad != nil {
		h.t.Fatal(bad)
	}
	answer, err := h.OAuth.AuthorizeDevice(h.t.Context(), oauth.Credentials{Request: req, Method: "POST", Path: oauth.PathDeviceAuthorization, Address: "203.0.113.9"})
	ok(h.t, err)
	return answer.UserCode
}

func TestGoldenDevice(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.tv()
	v := h.visitor()
	a := v.get("/device")
	golden(t, "device", a)
	a = v.submit(a, "device-form", "user_code", "wdjb-mjht")
	a.has(t, 422, `value="wdjb-mjht"`, `aria-invalid="true"`, `id="device-problem"`)
	golden(t, "device_wrong", a)
	code := h.asks(c)
	h.advance(2 * time.Minute)
	a = v.submit(a, "device-form", "user_code", strings.ToLower(code))
	if to := a.Header().Get("Location"); a.Code != 303 || !strings.HasPrefix(to, "/login?i=") {
		t.Fatalf("%d %s", a.Code, to)
	}
	a = v.follow(v.submit(v.follow(a), "login-form", "username", "ada", "password", password))
	a.has(t, 200, `id="device-warning"`, `id="device-code" class="usercode">`+code, "203.0.113.9", "2 minutes ago")
	golden(t, "device_consent", a)
	done := v.submit(a, "consent-form", "decision", "allow")
	done.has(t, 200, `id="device-done"`)
	golden(t, "device_done", done)
	v.submit(a, "consent-form", "decision", "allow").has(t, 400, "can&#39;t be used any more") // answered before

	// A link shows its code, and asks.
	code = h.asks(c)
	a = v.get("/device?user_code=" + code)
	a.has(t, 200, `value="`+code+`"`, "readonly", "Does your device show this code?")
	golden(t, "device_link", a)
	a = v.follow(v.submit(a, "device-form"))
	a.has(t, 200, `id="consent-form"`)
	a = v.submit(a, "consent-form", "decision", "deny")
	a.has(t, 200, "was not connected")
	golden(t, "device_denied", a)
}

// Opening the link, however often, decides nothing.
func TestDeviceLinkDecidesNothing(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.tv()
	v := h.visitor()
	v.signIn("ada")
	code := h.asks(c)
	for range 3 {
		v.get("/device?user_code="+code).has(t, 200, `id="device-submit"`)
		v.get("/device?user_code="+code+"&decision=allow").has(t, 200, `id="device-submit"`)
	}
	v.follow(v.submit(v.get("/device?user_code="+code), "device-form")).has(t, 200, `id="consent-form"`)
	for _, odd := range []string{"", "WDJB", "AEIO-UAEI", "wdjbmjht0", strings.Repeat("W", 500)} {
		if a := v.get("/device?user_code=" + odd); a.Code != 200 || strings.Contains(a.text, "readonly") {
			t.Errorf("%q: %d", odd, a.Code)
		}
	}
}

// Case 206 for the one form that changes nothing by itself: with it somebody
// could be led to a consent page that they never asked for.
func TestDeviceNeedsItsForm(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.tv()
	code := h.asks(c)
	v, other := h.visitor(), h.visitor()
	_, before := formIn(t, v.get("/device").text, "device-form")
	_, foreign := formIn(t, other.get("/device").text, "device-form")
	v.signIn("ada")
	for name, token := range map[string]string{"none": "", "of another browser": foreign.Get("form"), "of another session": before.Get("form"), "junk": "x"} {
		if a := v.post("/device", url.Values{"user_code": {code}, "form": {token}}); a.Code != 403 {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
}

// RFC 8628 §5.1: ten wrong codes of a browser, and no more.
func TestDeviceGuesses(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.tv()
	v := h.visitor()
	page := v.get("/device")
	for range 10 {
		v.submit(page, "device-form", "user_code", "WDJB-MJHT").has(t, 422, "No device waits")
	}
	a := v.submit(page, "device-form", "user_code", h.asks(c))
	a.has(t, 429, `id="error-page"`, "Too many tries", `id="error-code">too_many_requests`)
	if a.Header().Get("Retry-After") != "3600" {
		t.Errorf("Retry-After: %q", a.Header().Get("Retry-After"))
	}
	golden(t, "device_slow", a)
	h.advance(time.Hour + time.Second)
	if a := v.submit(v.get("/device"), "device-form", "user_code", h.asks(c)); a.Code != 303 {
		t.Errorf("after an hour: %d", a.Code)
	}
}
