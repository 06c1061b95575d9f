package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// apacheConfig: the app behind it is protected as a whole. It reads userinfo
// into headers, and keeps its sessions where a back-channel logout finds them.
const apacheConfig = `
ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
ServerName localhost
Listen %[2]s
%[3]s
OIDCProviderMetadataURL %[4]s/.well-known/openid-configuration
OIDCClientID apache
%[5]s
OIDCRedirectURI %[6]s/callback
OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef
OIDCScope "openid email profile phone"
OIDCPKCEMethod S256
OIDCSessionType server-cache
ProxyPass /callback !
ProxyPass / %[7]s/
<Location />
	AuthType openid-connect
	Require valid-user
</Location>
<Location /bye>
	AuthType None
	Require all granted
</Location>
`

// apacheServer is Debian's Apache with mod_auth_openidc before an app that
// answers with the headers it got.
type apacheServer struct {
	url string // of its own; http://localhost, so that no cookie of ours reaches it
	dir string
}

func startApache(t *testing.T) *apacheServer {
	t.Helper()
	if left("apache") {
		t.Skip("TEST_SKIP leaves apache out")
	}
	_, port, _ := strings.Cut(freeAddress(t), ":")
	return &apacheServer{url: "http://localhost:" + port, dir: t.TempDir()}
}

// serve runs it until the test ends; credential are the lines that prove it.
func (a *apacheServer) serve(t *testing.T, issuer, credential string) {
	t.Helper()
	const modules = "/usr/lib/apache2/modules/"
	load := ""
	for _, name := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http", "auth_openidc"} {
		if _, err := os.Stat(modules + "mod_" + name + ".so"); err != nil {
			t.Fatalf("Apache with mod_auth_openidc is needed; `make test` installs it: %v", err)
		}
		load += "LoadModule " + name + "_module " + modules + "mod_" + name + ".so\n"
	}
	if os.Geteuid() == 0 {
		load += "User www-data\nGroup www-data\n"
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(app.Close)
	address := "127.0.0.1:" + a.url[strings.LastIndex(a.url, ":")+1:]
	config := filepath.Join(a.dir, "apache.conf")
	content := fmt.Sprintf(apacheConfig, a.dir, address, load, issuer, credential, a.url, app.URL)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "/usr/sbin/apache2"
	}
	// It ends when its standard input does, and so with this process too.
	cmd := exec.Command("sh", "-c", `"$0" -f "$1" -DFOREGROUND & cat >/dev/null; kill -TERM $!; wait $!`, program, config)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second // a child of Apache's that stays keeps nobody waiting
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = alive.Close()
		_ = cmd.Wait()
		if log, _ := os.ReadFile(a.dir + "/error.log"); t.Failed() {
			t.Logf("%s%s", out.String(), log)
		}
	})
	for range 500 {
		if resp, err := http.Get(a.url + "/bye"); err == nil {
			_ = resp.Body.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("Apache doesn't answer: %s", out.String())
}

// open follows a browser from an address of Apache's, through our pages, to
// what the app answers. It tells whether somebody had to sign in.
func (a *apacheServer) open(t *testing.T, b *harness.Browser, path, username string) (headers map[string][]string, signedIn bool) {
	t.Helper()
	page, err := b.Get(a.url + path)
	for range 6 {
		switch {
		case err != nil:
			t.Fatal(err)
		case page.ByID("login-form") != nil || page.ByID("consent-form") != nil:
			signedIn = signedIn || page.ByID("login-form") != nil
			page, err = b.SignIn(page.URL.String(), username, harness.Password)
		case page.Location != nil:
			page, err = b.Get(page.Location.String())
		case page.Status == http.StatusOK:
			if err := json.Unmarshal([]byte(page.Body), &headers); err != nil {
				t.Fatalf("%v: %s", err, page.Text())
			}
			return headers, signedIn
		default:
			t.Fatalf("%d at %s: %s", page.Status, page.URL, page.Text())
		}
	}
	t.Fatalf("no end of redirects: %v", page.Location)
	return nil, false
}

// apacheBrowser looks like one to mod_auth_openidc, which tells others 401.
func apacheBrowser(t *testing.T, srv *harness.Server) *harness.Browser {
	t.Helper()
	b := srv.Browser(t)
	b.Header.Set("Accept", "text/html")
	return b
}

// TestApache: a real app in front of which mod_auth_openidc signs people in,
// and which hears of their sign-out.
func TestApache(t *testing.T) {
	apache := startApache(t)
	c := setup(databases["sqlite"](t))
	c.FetchAllowLoopback = true // its back channel is on this machine
	srv := harness.Start(t, c)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	client, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: "apache", FirstParty: true, Metadata: oauth.Metadata{
		Name: "Intranet", RedirectURIs: []string{apache.url + "/callback"}, PostLogoutRedirectURIs: []string{apache.url + "/bye"},
		BackchannelURI: apache.url + "/callback?logout=backchannel", BackchannelSession: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	apache.serve(t, srv.URL, "OIDCClientSecret "+client.Secret)
	b := apacheBrowser(t, srv)

	t.Run("signs in, and tells the app who it is", func(t *testing.T) {
		headers, signedIn := apache.open(t, b, "/deep/link?x=1", "ada")
		if !signedIn {
			t.Error("nobody was asked to sign in")
		}
		for name, want := range map[string]string{
			"email": "ada@example.com", "email_verified": "1", "name": "Ada Lovelace", "birthdate": "1815-12-10",
			"phone_number": "+44 20 7946 0000", "iss": srv.URL,
		} {
			if got := headers["Oidc_claim_"+name]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if len(headers["Oidc_claim_sub"]) != 1 || len(headers["Oidc_access_token"]) != 1 {
			t.Errorf("%v", headers)
		}
	})
	t.Run("keeps its own session", func(t *testing.T) {
		if page, err := b.Get(apache.url + "/"); err != nil || page.Status != http.StatusOK {
			t.Errorf("%v %s", err, outcome(page))
		}
	})
	t.Run("hears of a sign-out by the back channel", func(t *testing.T) {
		page, err := b.Get("/logout")
		if err != nil {
			t.Fatal(err)
		}
		if page, err = b.Submit(page, "logout-form", "logout-confirm", nil); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(page.TextOf("logout-told"), "Intranet") {
			t.Fatal(page.Text())
		}
		// The old session of Apache's own is worth nothing any more.
		if _, signedIn := apache.open(t, b, "/", "ada"); !signedIn {
			t.Error("nobody was asked to sign in again")
		}
	})
	t.Run("signs out here and there", func(t *testing.T) {
		page, err := b.Get(apache.url + "/callback?logout=" + apache.url + "/bye")
		if err != nil || page.Location == nil {
			t.Fatalf("%v %s", err, page.Text())
		}
		if page.Location.Path == "/logout" {
			page, err = b.Get(page.Location.String())
		}
		if err != nil || page.Location == nil || page.Location.String() != apache.url+"/bye" {
			t.Fatalf("%v %v %s", err, page.Location, page.Text())
		}
		if _, signedIn := apache.open(t, b, "/", "ada"); !signedIn {
			t.Error("the session outlived the sign-out")
		}
	})
}

// TestApacheByAssertion: mod_auth_openidc proves itself by client_secret_jwt,
// with the token endpoint as aud: CONTRACT §4, decision 7.
func TestApacheByAssertion(t *testing.T) {
	apache := startApache(t)
	srv := start(t)
	client, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: "apache", Metadata: oauth.Metadata{
		Name: "Intranet", RedirectURIs: []string{apache.url + "/callback"}, AuthMethod: oauth.AuthSecretJWT, IDTokenAlg: "ES256",
	}})
	if err != nil {
		t.Fatal(err)
	}
	apache.serve(t, srv.URL, "OIDCClientSecret "+client.Secret+"\nOIDCProviderTokenEndpointAuth client_secret_jwt\nOIDCIDTokenSignedResponseAlg ES256")
	headers, _ := apache.open(t, apacheBrowser(t, srv), "/", "ada")
	if got := headers["Oidc_claim_email"]; len(got) != 1 || got[0] != "ada@example.com" {
		t.Errorf("%v", headers)
	}
}
