// Package demo holds the two programs that stand beside the server in
// `valetkey demo`: Saleswave, a third-party web app, and O-stock's
// Organization API. Both are ordinary programs: they know the server by its
// address alone, as anybody's would.
package demo

import (
	"encoding/json"
	"net/http"

	"github.com/valetkey/valetkey/resource"
)

// ScopeRead lets an app see organizations.
const ScopeRead = "organizations:read"

// Organization is what the API keeps.
type Organization struct {
	Name     string `json:"name"`
	City     string `json:"city"`
	Holdings int    `json:"holdings"` // positions in its portfolio
}

var organizations = []Organization{
	{Name: "Analytical Engines Ltd", City: "London", Holdings: 42},
	{Name: "Difference & Daughters", City: "Ockham", Holdings: 7},
	{Name: "Bernoulli Numbers plc", City: "Basel", Holdings: 128},
}

// NewAPI is O-stock's organization service: package resource looks at the
// token, the handler sees only requests that may be answered.
func NewAPI(check *resource.API) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /organizations", check.Require(ScopeRead)(http.HandlerFunc(listOrganizations)))
	mux.Handle("GET /.well-known/oauth-protected-resource", check.Metadata())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("O-stock Organization API. Ask GET /organizations with an access token of scope " + ScopeRead + ".\n"))
	})
	return mux
}

func listOrganizations(w http.ResponseWriter, r *http.Request) {
	token := resource.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // it is read as JSON, never as HTML
	_ = encoder.Encode(map[string]any{"seen_by": token.ClientID, "on_behalf_of": token.Subject, "organizations": organizations})
}
