package resource_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/valetkey/valetkey/resource"
)

func Example() {
	api := resource.New(resource.Config{
		Issuer:   "https://example.com",
		Audience: "https://api.example.com",

		// So that a client that was refused finds its way:
		ResourceMetadata: "https://api.example.com/.well-known/oauth-protected-resource",
		Scopes:           []string{"notes:read", "notes:write"},
	})

	notes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := resource.FromContext(r.Context())
		fmt.Fprintf(w, "the notes of %s, for %s", token.Subject, token.ClientID)
	})

	mux := http.NewServeMux()
	mux.Handle("GET /notes", api.Require("notes:read")(notes))
	mux.Handle("POST /notes", api.Require("notes:write")(notes))
	mux.Handle(api.MetadataPath(), api.Metadata())

	server := &http.Server{Addr: ":8082", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// An API that should not start with a Config that can't work.
func ExampleAPI_Check() {
	api := resource.New(resource.Config{
		Issuer:   "https://example.com",
		Audience: "https://api.example.com",

		// Opaque tokens are accepted as well:
		ClientID:     "notes-api",
		ClientSecret: "from the environment",
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := api.Check(ctx); err != nil {
		log.Fatal(err)
	}
}
