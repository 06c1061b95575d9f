package valetkey_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/resource"
)

// An authorization server inside another program, and an API that takes its
// tokens.
func Example() {
	ctx := context.Background()
	srv, err := valetkey.New(ctx, valetkey.Config{
		Issuer:   "http://localhost:8080",
		Database: "sqlite::memory:", // or sqlite:auth.db, or postgres://…
		Scopes:   []oauth.Scope{{Name: "notes:read", Title: "Read your notes"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	notes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "notes of %s\n", resource.FromContext(r.Context()).Subject)
	})
	api := resource.New(resource.Config{Issuer: "http://localhost:8080", Audience: "http://localhost:8080"})
	mux := http.NewServeMux()
	mux.Handle("/", srv)
	mux.Handle("/notes", api.Require("notes:read")(notes))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost:8080/notes", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate") != "")
	// Output: 401 true
}
