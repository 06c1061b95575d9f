//go:build unix

package browser

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/directory"
)

// corp is the directory as a connector: who is in level03, by way of level02 and
// level01, is of the payroll here.
func corp(d *directory.Directory) valetkey.Connector {
	return valetkey.Connector{
		Name: "corp", Kind: "active_directory", Title: "Corp", URL: []string{d.URL}, CAFile: d.CAFile, Base: directory.Base, Domains: []string{"corp.example"},
		BindDN: directory.BindDN, BindPassword: directory.BindPassword, GroupBase: directory.Groups, Groups: map[string]string{"level03": "payroll", "staff": "employees"},
	}
}

// TestPeopleDirectory: a username and password of a directory's, and what its
// groups allow, those that are in others too.
func TestPeopleDirectory(t *testing.T) {
	d := directory.Start(t)
	gone := corp(d)
	gone.Name, gone.Title, gone.URL, gone.Base, gone.Domains = "gone", "Gone", []string{"ldap://" + free(t)}, "dc=gone,dc=example", nil
	gone.BindDN, gone.GroupBase = "cn=reader,dc=gone,dc=example", ""
	w := settle(t, valetkey.Config{
		ThrottleOff: true, Signup: true, Connectors: []valetkey.Connector{corp(d), gone},
		Scopes: []oauth.Scope{{Name: "payroll:run", Title: "Run the payroll", Groups: []string{"payroll"}}, {Name: "canteen", Title: "Order lunch"}},
	}, valetkey.NewClient{ID: "staffonly", FirstParty: true, Metadata: oauth.Metadata{Name: "Intranet", Reserved: oauth.Reserved{Groups: []string{"employees"}}}})

	p := somebody(t)
	p.connect(w, "saleswave", "scope", "openid payroll:run canteen")
	p.press("#with-corp")
	p.sees("Sign in with Corp", "To continue to Saleswave")
	p.look("directory")
	p.write("#username", "alice")
	p.write("#password", "wrong")
	p.press("#directory-form-submit")
	p.sees("The username or the password is wrong.")
	p.look("directory-wrong")
	p.write("#password", directory.Password)
	p.press("#directory-form-submit")
	p.sees("Run the payroll", "Order lunch")
	out := p.returns("saleswave")
	out.proved(t, w.sub("alice"), "1", "fed")
	if out.Scope != "openid payroll:run canteen" {
		t.Errorf("alice's app was given %q", out.Scope)
	}

	// Bob is in no level: what is for the payroll isn't offered, nor given.
	p.forgets()
	p.connect(w, "saleswave", "scope", "openid payroll:run canteen")
	p.press("#with-corp")
	p.write("#username", "bob")
	p.write("#password", directory.Password)
	p.press("#directory-form-submit")
	if strings.Contains(p.text(), "Run the payroll") {
		t.Error("bob is asked for what he can't give")
	}
	if out := p.returns("saleswave"); out.Scope != "openid canteen" {
		t.Errorf("bob's app was given %q", out.Scope)
	}
	p.connect(w, "staffonly")
	p.returns("staffonly") // staff is a group of his

	// The password ran out, or the account is closed: what Active Directory says.
	for name, want := range map[string]string{"code532": "has expired. Change it there first.", "code533": "The username or the password is wrong."} {
		p.forgets()
		p.connect(w, "staffonly")
		p.press("#with-corp")
		p.write("#username", name)
		p.write("#password", directory.Password)
		p.press("#directory-form-submit")
		p.sees(want)
	}

	// A directory that is down.
	p.forgets()
	p.connect(w, "staffonly")
	p.press("#with-gone")
	p.write("#username", "alice")
	p.write("#password", directory.Password)
	p.press("#directory-form-submit")
	p.sees("Gone doesn't answer just now.")
	p.press("#back")
	p.sees("Sign in to continue to Intranet")

	// Who is in none of its groups isn't let in to the app, which is told.
	p.forgets()
	p.connect(w, "staffonly")
	p.signsIn("ada", password)
	if out := p.returns("staffonly"); out.Error != "access_denied" {
		t.Errorf("%+v", out)
	}
}

// TestPeopleHome: an address of some domain leads to where its owner signs in,
// from an app and from our own pages.
func TestPeopleHome(t *testing.T) {
	d := directory.Start(t)
	others := openProviders(t)
	connectors := append(others.connectors()[:1], corp(d))
	connectors[0].Domains = []string{"elsewhere.example"}
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: connectors})

	// To a directory: no password is needed to get there, and the name goes along.
	p := somebody(t)
	p.connect(w, "saleswave")
	p.write("#username", "alice@corp.example")
	p.press("#login-submit")
	p.at("/login/with/corp")
	if got := p.value(`document.getElementById("username").value`); got != "alice@corp.example" {
		t.Errorf("the name is %q", got)
	}
	p.press("#back")
	p.at("/login")
	p.sees("Sign in to continue to Saleswave")

	// To another provider.
	p.write("#username", "olga@elsewhere.example")
	p.press("#login-submit")
	p.do(visible("#upstream-page"))
	p.press("#person-olga")
	p.returns("saleswave").proved(t, w.sub("olga"), "1", "fed")

	// By login_hint, and without a page of ours.
	p.forgets()
	p.connect(w, "saleswave", "login_hint", "olga@elsewhere.example")
	p.do(visible("#upstream-page"))
	p.press("#deny")
	p.sees("Sign in to continue to Saleswave", "You didn't sign in at Example ID.")

	// From the account's own pages.
	q := somebody(t)
	q.open(w.URL + "/account")
	q.at("/login")
	q.write("#username", "olga@elsewhere.example")
	q.press("#login-submit")
	q.do(visible("#upstream-page"))
	q.press("#person-olga")
	q.at("/account")
}

// TestPeopleForeign: node-oidc-provider, another maker's, is a provider like any.
func TestPeopleForeign(t *testing.T) {
	if strings.Contains(","+os.Getenv("TEST_SKIP")+",", ",node,") {
		t.Skip("TEST_SKIP leaves node out")
	}
	const secret = "a secret that both of us know"
	// Who registers with whom: the provider wants the callback first, and the
	// server the issuer. The one is a name on a port that is free.
	front := free(t)
	issuer := foreign(t, map[string]string{
		"client": "branch", "secret": secret,
		"callback": "http://" + strings.Replace(front, "127.0.0.1", "localhost", 1) + "/login/callback/foreign", "signedOut": "http://" + strings.Replace(front, "127.0.0.1", "localhost", 1) + "/logout",
	})
	w := settleAt(t, front, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: []valetkey.Connector{
		{Name: "foreign", Kind: "oidc", Title: "Foreign ID", Issuer: issuer, ClientID: "branch", ClientSecret: secret},
	}})
	p := somebody(t)
	p.connect(w, "saleswave")
	p.press("#with-foreign")
	p.press("#login")
	p.press("#consent")
	out := p.returns("saleswave")
	u, err := w.Admin().User(t.Context(), "frida")
	if err != nil || u.Email != "frida@foreign.example" || u.Name != "Frida Example" {
		t.Fatalf("%+v %v\n%s", u, err, p.text())
	}
	out.proved(t, u.Subject, "1", "fed")
	p.open(w.URL + "/logout")
	p.press("#logout-confirm")
	p.press("#logout-provider")
	p.press("#leave")
	p.at("/logout")
	p.sees("signed out")
}

// foreign runs the provider until the test ends.
func foreign(t *testing.T, settings map[string]string) (issuer string) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "oidc_provider.mjs", string(text))
	cmd.Dir, cmd.Stderr = "../node", os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("node is needed; `make test` installs it, TEST_SKIP=node leaves it out: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line := bufio.NewScanner(out)
	for line.Scan() {
		if strings.HasPrefix(line.Text(), "http://") {
			return line.Text()
		}
	}
	t.Fatal("the provider doesn't listen")
	return ""
}

// TestAccountDirectory: an account of a directory's becomes a way in by its own
// username and password, given on a page of ours; and is unlinked again.
func TestAccountDirectory(t *testing.T) {
	d := directory.Start(t)
	gone := valetkey.Connector{Name: "gone", Kind: "ldap", Title: "Gone", URL: []string{"ldap://" + free(t)}, Base: "dc=gone,dc=example", BindDN: "cn=reader,dc=gone,dc=example", BindPassword: "x"}
	w := settle(t, valetkey.Config{ThrottleOff: true, Connectors: []valetkey.Connector{corp(d), gone}})

	p := somebody(t)
	p.home(w, "ada")
	p.page(w, "/account/security")
	p.press("#link-corp")
	p.at("/account/link/corp")
	p.sees("Link your account at Corp", "Sign in to it once, so that we know it is yours.")
	p.focused("username")
	p.look("account-link-directory")
	p.write("#username", "alice")
	p.write("#password", "wrong")
	p.press("#linking-form-submit")
	p.at("/account/link/corp")
	p.sees("The username or the password is wrong.")
	p.focused("password") // the name is kept
	if got := p.value(`document.getElementById("username").value`); got != "alice" {
		t.Errorf("the name is %q", got)
	}
	p.look("account-link-directory-wrong")

	// By the keys alone, to the question whether to link, and no link yet.
	p.types(directory.Password)
	p.enters()
	p.at("/link")
	p.sees("Link your account at Corp?", "alice", "can sign in to the account ada@example.com")
	p.look("account-link-directory-sure")
	p.press("#back")
	p.at("/account/security")
	p.lacks("Linked just now")

	// A password that ran out there, and a directory that is down, link nothing.
	for _, tt := range []struct{ connector, name, want string }{
		{"corp", "code532", "Your password at Corp has expired. Change it there first."},
		{"gone", "alice", "Gone doesn't answer just now. Try again later."},
	} {
		p.page(w, "/account/security")
		p.press("#link-" + tt.connector)
		p.write("#username", tt.name)
		p.write("#password", directory.Password)
		p.press("#linking-form-submit")
		p.sees(tt.want)
	}
	p.press("#back")
	p.at("/account/security")
	p.lacks("Linked just now")

	// Linked.
	p.press("#link-corp")
	p.write("#username", "alice")
	p.write("#password", directory.Password)
	p.press("#linking-form-submit")
	p.press("#link-form-submit")
	p.at("/account/security")
	p.sees("Corp", "Linked just now")
	p.look("account-linked-directory")
	p.page(w, "/account/activity")
	p.sees("Your account at Corp was linked")

	// It signs ada in, and nobody else can link it.
	p.forgets()
	p.open(w.URL + "/login")
	p.press("#with-corp")
	p.write("#username", "alice")
	p.write("#password", directory.Password)
	p.press("#directory-form-submit")
	p.at("/account")
	p.sees("Ada Lovelace")
	q := somebody(t)
	q.home(w, "grace")
	q.page(w, "/account/security")
	q.press("#link-corp")
	q.write("#username", "alice")
	q.write("#password", directory.Password)
	q.press("#linking-form-submit")
	q.press("#link-form-submit")
	q.sees("This can't be linked", "is linked to another account here.")

	// And goes again, after a fresh proof.
	p.page(w, "/account/security")
	p.press("#unlink-1")
	p.at("/login")
	p.signsIn("ada", password)
	p.at("/account/security")
	p.press("#unlink-1")
	p.at("/account/security")
	p.lacks("Linked just now")
}
