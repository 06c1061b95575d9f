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

// A payment needs two factors, shown within the last five minutes.
func ExampleAPI_RequireAuth() {
	api := resource.New(resource.Config{Issuer: "https://example.com", Audience: "https://api.example.com"})
	pay := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "paid") })

	step := resource.StepUp{ACR: []string{"2"}, MaxAge: 5 * time.Minute}
	http.Handle("POST /payments", api.RequireAuth(step, "payments")(pay))
}

// An API on many nodes behind a proxy: sender-constrained tokens (DPoP), and
// revoked ones refused at once.
func ExampleAPI_Close() {
	api := resource.New(resource.Config{
		Issuer:   "https://example.com",
		Audience: "https://api.example.com",

		// What clients write before the path, which DPoP proofs name:
		BaseURL: "https://api.example.com",
		// One memory of used proofs for all nodes:
		Replay: redis{},

		// A client with the scope revocations:read:
		ClientID:     "notes-api",
		ClientSecret: "from the environment",
		Revocations:  true,
		OnStale:      resource.StaleRefuse,
	})
	defer api.Close()
}

// redis stands for a database that all nodes share.
type redis struct{}

// UseOnce would be SET id 1 NX EXAT until.
func (redis) UseOnce(context.Context, string, time.Time) (bool, error) { return true, nil }
