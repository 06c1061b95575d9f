package web

import "testing"

// A refused callback address is named, since it may be one of many; and what is
// no address at all hears that, not which character of it is wrong.
func TestCallbackIsNamed(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	page := v.get("/developer/apps/new")
	for sent, want := range map[string]string{
		"not a url":                     "not a url” isn&#39;t an address. Write all of it, such as https://app.example/callback.",
		"app.example/cb":                "app.example/cb” isn&#39;t an address.",
		"localhost:3000/cb":             "localhost:3000/cb” isn&#39;t an address.",
		"https://app.example/a b":       "https://app.example/a b” can&#39;t be used. A callback address has a character that must be percent-encoded.",
		"http://app.example/cb":         "http://app.example/cb” can&#39;t be used. A callback address must use https.",
		"https://app.example/cb#<b>bad": "can&#39;t be used.",
	} {
		a := v.submit(page, "app-form", "name", "Notes", "type", "web", "callbacks", "https://app.example/cb\n"+sent)
		a.has(t, 422, `id="callbacks-error"`)
		a.has(t, 422, want)
	}
	v.submit(page, "app-form", "name", "Notes", "type", "native", "callbacks", "com.example.app:/cb\nNotes:/cb").has(t, 422, "Notes:/cb” can&#39;t be used.")
	v.submit(page, "app-form", "name", "Notes", "type", "web", "callbacks", "").has(t, 422, "Enter at least one callback address.")
}
