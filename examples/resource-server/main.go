// Command resource-server is an API that keeps people's notes. Package resource
// looks at the tokens; a handler only sees requests that may be answered.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/resource"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9001", "address to listen on")
	issuer := flag.String("issuer", "http://localhost:8080", "the authorization server")
	address := flag.String("url", "", "this API's URL, as it is declared at the authorization server (default http:// listen)")
	flag.Parse()
	api := resource.New(protection(*issuer, cmp.Or(*address, "http://"+*listen)))
	if err := run(*listen, api); err != nil {
		fmt.Fprintln(os.Stderr, "resource-server:", err)
		os.Exit(1)
	}
}

// protection says whose tokens are good, and for what.
func protection(issuer, address string) resource.Config {
	return resource.Config{
		Issuer: issuer, Audience: address, BaseURL: address, Scopes: []string{"notes:read", "notes:write"},
		ResourceMetadata: address + "/.well-known/oauth-protected-resource",
	}
}

func run(listen string, api *resource.API) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := api.Check(ctx); err != nil { // a wrong issuer is told now, not at the first request
		return err
	}
	slog.Info("ready", "listen", listen)
	server := &http.Server{Addr: listen, Handler: newHandler(api), ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// newHandler says what each request needs. Who wants to throw all notes away
// has to have signed in within the last five minutes: RFC 9470.
func newHandler(api *resource.API) http.Handler {
	n := &notes{of: map[string][]string{}}
	recent := resource.StepUp{MaxAge: 5 * time.Minute}
	mux := http.NewServeMux()
	mux.Handle("GET /notes", api.Require("notes:read")(http.HandlerFunc(n.list)))
	mux.Handle("POST /notes", api.Require("notes:write")(http.HandlerFunc(n.add)))
	mux.Handle("DELETE /notes", api.RequireAuth(recent, "notes:write")(http.HandlerFunc(n.clear)))
	mux.Handle(api.MetadataPath(), api.Metadata())
	return mux
}

// notes are kept by the token's subject, which is unique for its issuer.
type notes struct {
	mu sync.Mutex
	of map[string][]string
}

func (n *notes) list(w http.ResponseWriter, r *http.Request) {
	token := resource.FromContext(r.Context())
	n.mu.Lock()
	defer n.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"for": token.Subject, "by": token.ClientID, "notes": append([]string{}, n.of[token.Subject]...)})
}

func (n *notes) add(w http.ResponseWriter, r *http.Request) {
	note := strings.TrimSpace(r.FormValue("note"))
	if note == "" || len(note) > 1000 {
		http.Error(w, "note must be 1 to 1000 characters", http.StatusUnprocessableEntity)
		return
	}
	subject := resource.FromContext(r.Context()).Subject
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of[subject] = append(n.of[subject], note)
	w.WriteHeader(http.StatusNoContent)
}

func (n *notes) clear(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.of, resource.FromContext(r.Context()).Subject)
	w.WriteHeader(http.StatusNoContent)
}
