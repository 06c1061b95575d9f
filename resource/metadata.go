package resource

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// wellKnown: RFC 9728 §3.
const wellKnown = "/.well-known/oauth-protected-resource"

// MetadataPath is where Metadata belongs on the API's host: RFC 9728 §3.1 puts
// the well-known part in front of the resource's own path.
//
//	mux.Handle(api.MetadataPath(), api.Metadata())
func (a *API) MetadataPath() string {
	u, err := url.Parse(a.c.Audience)
	if err != nil || u.Host == "" {
		return wellKnown
	}
	return wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
}

// Metadata serves the document of RFC 9728 §2, by which a client that knows
// only this API finds the authorization server.
func (a *API) Metadata() http.Handler {
	doc, err := json.Marshal(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported,omitempty"`
		Methods  []string `json:"bearer_methods_supported"`
	}{a.c.Audience, []string{a.c.Issuer}, a.c.Scopes, []string{"header"}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch {
		case err != nil || a.wrong != nil:
			http.Error(w, "not configured", http.StatusServiceUnavailable)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "GET only", http.StatusMethodNotAllowed)
		default:
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "public, max-age=3600")
			h.Set("Access-Control-Allow-Origin", "*") // browsers' clients look here, too
			_, _ = w.Write(doc)
		}
	})
}
