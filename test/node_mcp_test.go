package test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// TestNodeMCP: the official MCP client finds its way from the URL of
// examples/mcp-server alone, by a client id metadata document and by dynamic
// registration.
func TestNodeMCP(t *testing.T) {
	needNode(t)
	ca, server := nodeAuthority(t)
	address := freeAddress(t)
	url := "http://" + address + "/mcp"
	c := setup(databases["sqlite"](t))
	c.Registration, c.FetchAllowLoopback, c.FetchRoots = oauth.RegistrationOpen, true, ca.pool()
	c.Resources = append(c.Resources, oauth.Resource{URL: url, Name: "Organizations"})
	c.Scopes = append(c.Scopes, oauth.Scope{Name: "organizations:read", Title: "See your organizations", Resource: url})
	srv := harness.Start(t, c)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	startExample(t, "mcp-server", url, "-listen", address, "-issuer", srv.URL, "-url", url)
	runNode(t, srv, "mcp_client.mjs", map[string]string{
		"issuer": srv.URL, "url": url, "secret": harness.Secret, "document": publishDocument(t, server),
	}, ca.trusted(t))
}

// publishDocument serves a client id metadata document by https and returns its address.
func publishDocument(t *testing.T, server *nodePair) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"client_id": address, "client_name": "A program", "redirect_uris": []string{"http://127.0.0.1/callback"},
			"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none",
		})
	}))
	t.Cleanup(s.Close)
	address = "https://" + s.Listener.Addr().String() + "/client.json"
	s.TLS = server.asking()
	s.StartTLS()
	return address
}

// startExample builds an example, which is a module of its own, and runs it
// until the test ends. It is ready when url answers.
func startExample(t *testing.T, name, url string, arguments ...string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir, build.Env = filepath.Join("..", "examples", name), append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var out bytes.Buffer
	cmd := exec.Command(program, arguments...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 500 {
		if resp, err := http.Get(url); err == nil {
			_ = resp.Body.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	t.Fatalf("%s didn't start: %s", name, out.String())
}
