package browser

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
	"github.com/valetkey/valetkey/test/upstreams"
)

// fellow has an account at one of the providers and nowhere else.
func fellow(name, email string) upstreams.Person {
	return upstreams.Person{
		Username: name, Subject: "70" + name[:1], Name: strings.ToUpper(name[:1]) + name[1:] + " Example", GivenName: name, FamilyName: "Example",
		Email: email, EmailVerified: true,
	}
}

// numbered is fellow for a provider whose ids are numbers.
func numbered(name, email, id string) upstreams.Person {
	p := fellow(name, email)
	p.Subject = id
	return p
}

// providers are all six that are clicked through.
type providers struct {
	example, google, microsoft, github, facebook, x *upstreams.Provider
}

func openProviders(t *testing.T) (p providers) {
	one := func(person ...upstreams.Person) upstreams.Options { return upstreams.Options{People: person} }
	p.example = upstreams.OIDC(t, one(fellow("olga", "olga@elsewhere.example"), fellow("impostor", "ada@example.com"), fellow("gina", "grace@example.com")))
	p.google = upstreams.Google(t, one(fellow("gustav", "gustav@gmail.com")))
	p.microsoft = upstreams.Microsoft(t, one(fellow("mia", "mia@corp.example")))
	p.github = upstreams.GitHub(t, one(numbered("hugo", "hugo@code.example", "4711")))
	p.facebook = upstreams.Facebook(t, one(numbered("fanny", "fanny@friends.example", "4712")))
	p.x = upstreams.X(t, one(numbered("xaver", "", "4713")))
	return p
}

func (p providers) connectors() []valetkey.Connector {
	of := func(c valetkey.Connector) valetkey.Connector {
		c.ClientID, c.ClientSecret = upstreams.ClientID, upstreams.ClientSecret
		return c
	}
	return []valetkey.Connector{
		of(valetkey.Connector{Name: "example", Kind: "oidc", Title: "Example ID", Issuer: p.example.URL, Order: 1}),
		of(valetkey.Connector{Name: "google", Kind: "google", Issuer: p.google.URL, Order: 2}),
		of(valetkey.Connector{Name: "microsoft", Kind: "microsoft", Issuer: p.microsoft.URL + "/{tenantid}/v2.0", Tenant: "common", Order: 3}),
		of(valetkey.Connector{
			Name: "github", Kind: "github", Issuer: p.github.URL + "/login/oauth", AuthorizeURL: p.github.URL + "/login/oauth/authorize", Order: 4,
			TokenURL: p.github.URL + "/login/oauth/access_token", ProfileURL: p.github.URL + "/user", EmailsURL: p.github.URL + "/user/emails",
		}),
		of(valetkey.Connector{
			Name: "facebook", Kind: "facebook", Issuer: p.facebook.URL, AuthorizeURL: p.facebook.URL + "/v23.0/dialog/oauth", Order: 5,
			TokenURL: p.facebook.URL + "/v23.0/oauth/access_token", ProfileURL: p.facebook.URL + "/v23.0/me",
		}),
		of(valetkey.Connector{
			Name: "x", Kind: "x", Issuer: p.x.URL, AuthorizeURL: p.x.URL + "/i/oauth2/authorize", Order: 6,
			TokenURL: p.x.URL + "/2/oauth2/token", ProfileURL: p.x.URL + "/2/users/me",
		}),
	}
}

// comesFrom presses the button of a provider, and there that of a person.
func (p *person) comesFrom(connector, who string) {
	p.t.Helper()
	p.press("#with-" + connector)
	p.do(visible("#upstream-page"))
	p.press("#person-" + who)
}

// TestPeopleUpstream: every provider is clicked through. Who comes for the first
// time gets an account, and has the same one the next time.
func TestPeopleUpstream(t *testing.T) {
	others := openProviders(t)
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: others.connectors()})
	p := somebody(t)
	p.connect(w, "saleswave")
	p.sees("Continue with Example ID", "Continue with Google", "Continue with Microsoft", "Continue with GitHub", "Continue with Facebook", "Continue with X")
	p.look("login-providers")
	for _, tt := range []struct{ connector, who, username, email string }{
		{"example", "olga", "olga", "olga@elsewhere.example"},
		{"google", "gustav", "gustav", "gustav@gmail.com"},
		{"microsoft", "mia", "mia", "mia@corp.example"},
		{"github", "hugo", "hugo", "hugo@code.example"},
		{"facebook", "fanny", "fanny", "fanny@friends.example"},
		{"x", "xaver", "xaver", ""},
	} {
		var first string
		for range 2 {
			p.forgets()
			p.connect(w, "saleswave")
			p.comesFrom(tt.connector, tt.who)
			out := p.returns("saleswave")
			if first == "" {
				first = w.sub(tt.username)
			}
			out.proved(t, first, "1", "fed")
		}
		u, err := w.Admin().User(t.Context(), tt.username)
		if err != nil || u.Email != tt.email {
			t.Errorf("%s: %+v %v", tt.connector, u, err)
		}
	}

	// By name, without a page of ours: idp_hint.
	p.forgets()
	p.connect(w, "saleswave", "idp_hint", "google")
	p.do(visible("#upstream-page"))
	p.press("#person-gustav")
	p.returns("saleswave").proved(t, w.sub("gustav"), "1", "fed")

	// What isn't the browser's own way back goes nowhere.
	p.forgets()
	p.open(w.URL + "/login/callback/google?code=made-up&state=made-up")
	p.sees("This sign-in can't be finished here", "Begin again.")
	p.look("callback-wrong")
	p.press("#error-page a.button")
	p.at("/login")
}

// TestPeopleUpstreamLink: an address is no proof. Who has one of ours is asked to
// sign in as before, and may then link the two.
func TestPeopleUpstreamLink(t *testing.T) {
	others := openProviders(t)
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: others.connectors()})
	p := somebody(t)
	p.connect(w, "saleswave")
	p.comesFrom("example", "impostor")
	p.at("/link")
	p.sees("Do you have an account here?", "Example ID says that you are ada@example.com", "To continue to Saleswave")
	p.look("link")
	q := p.tab()
	q.front()
	q.open(w.URL + "/account")
	q.at("/login") // nobody is signed in
	q.leaves()

	// The owner signs in, sees what is to be linked, and goes on to the app.
	p.front()
	p.press("#sign-in")
	p.at("/login")
	p.signsIn("ada", password)
	p.at("/link")
	p.sees("Link your account at Example ID?", "can sign in to the account")
	p.look("link-confirm")
	p.press("#link-form-submit")
	p.returns("saleswave").proved(t, w.sub("ada"), "1", "pwd")
	p.forgets()
	p.connect(w, "saleswave")
	p.comesFrom("example", "impostor")
	p.returns("saleswave").proved(t, w.sub("ada"), "1", "fed")

	// Whoever says no comes to the app as who they are.
	p.forgets()
	p.connect(w, "saleswave")
	p.comesFrom("example", "gina")
	p.press("#sign-in")
	p.signsIn("bob", password)
	p.press("#back")
	p.returns("saleswave").proved(t, w.sub("bob"), "1", "pwd")
	p.forgets()
	p.connect(w, "saleswave")
	p.comesFrom("example", "gina")
	p.at("/link")

	// Of two who want the same one linked, the second is told.
	q = somebody(t)
	q.connect(w, "saleswave")
	q.comesFrom("example", "gina")
	q.press("#sign-in")
	q.signsIn("grace", password)
	q.press("#link-form-submit")
	q.returns("saleswave").proved(t, w.sub("grace"), "1", "pwd")
	p.press("#sign-in")
	p.signsIn("bob", password)
	p.press("#link-form-submit")
	p.sees("This can't be linked", "is linked to another account here")
	p.look("link-conflict")
	p.press("#back")
	p.returns("saleswave").proved(t, w.sub("bob"), "1", "pwd")
	p.forgets()
	others.example.Put(fellow("nora", "grace@example.com"))
	p.connect(w, "saleswave")
	p.comesFrom("example", "nora")
	p.at("/link")

	// In another browser the offer is worth nothing.
	thief := somebody(t)
	thief.open(p.address().String())
	thief.sees("This page can't be continued here")
	stolen := p.address().Query()
	stolen.Del("i")
	thief.open(w.URL + "/link?" + stolen.Encode())
	thief.sees("This sign-in can't be finished here")

	// And after a quarter of an hour there is only the way back to sign in.
	w.Clock.Advance(16 * time.Minute)
	p.leave(chromedp.Reload())
	p.sees("This sign-in can't be finished here")
	p.wayOn()
}

// TestPeopleUpstreamTrouble: a provider that is down, or where the person said no,
// leaves them at the sign-in page, with all other ways.
func TestPeopleUpstreamTrouble(t *testing.T) {
	others := openProviders(t)
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: append(others.connectors(), valetkey.Connector{
		Name: "gone", Kind: "oidc", Title: "Gone ID", Issuer: "http://" + address, ClientID: "x", ClientSecret: "x", Order: 7,
	})})
	p := somebody(t)
	for _, connector := range []string{"example", "google", "microsoft", "github", "facebook", "x"} {
		p.connect(w, "saleswave")
		p.press("#with-" + connector)
		p.do(visible("#upstream-page"))
		p.press("#deny")
		p.sees("Sign in to continue to Saleswave", "You didn't sign in at ", "Nothing was shared.")
	}
	p.look("login-denied")

	// No discovery document: the person never leaves.
	p.connect(w, "saleswave")
	p.press("#with-gone")
	p.sees("Gone ID doesn't answer just now.", "Sign in to continue to Saleswave")
	p.look("login-down")

	// No token: they came back with a code that can't be redeemed.
	others.example.Misbehave(upstreams.Wrong{Status: map[string]int{"/token": http.StatusServiceUnavailable}})
	p.connect(w, "saleswave")
	p.comesFrom("example", "olga")
	p.sees("Example ID doesn't answer just now.", "Sign in to continue to Saleswave")
	// A token that isn't right.
	others.example.Misbehave(upstreams.Wrong{OtherKey: true})
	p.connect(w, "saleswave")
	p.comesFrom("example", "olga")
	p.sees("The answer of the other provider can't be trusted.")
	others.example.Misbehave(upstreams.Wrong{})

	// The form on that page works: the address is another page's, the way is not.
	p.signsIn("ada", password)
	p.returns("saleswave").proved(t, w.sub("ada"), "1", "pwd")

	// A provider that comes back comes back here too.
	p.forgets()
	p.connect(w, "saleswave")
	p.comesFrom("example", "olga")
	p.returns("saleswave").proved(t, w.sub("olga"), "1", "fed")
}

// TestPeopleUpstreamOut: OpenID Connect RP-Initiated Logout §2 as a client, and
// Back-Channel Logout §2.5.
func TestPeopleUpstreamOut(t *testing.T) {
	others := openProviders(t)
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: others.connectors()})
	p := somebody(t)
	p.open(w.URL + "/login")
	p.comesFrom("example", "olga")
	p.at("/account")
	p.open(w.URL + "/logout")
	p.press("#logout-confirm")
	p.sees("signed out", "Sign out of Example ID too")
	p.look("logout-provider")
	p.press("#logout-provider")
	p.at("/logout") // by way of the provider
	p.sees("signed out")
	if asked := others.example.Seen("/logout"); len(asked) != 1 || asked[0].Query.Get("id_token_hint") == "" || asked[0].Query.Get("post_logout_redirect_uri") != w.URL+"/logout" {
		t.Errorf("%+v", asked)
	}

	// The provider ends it: without a browser.
	p.open(w.URL + "/login")
	p.comesFrom("example", "olga")
	p.at("/account")
	resp, err := http.PostForm(w.URL+"/login/backchannel/example", url.Values{"logout_token": {others.example.LogoutToken("olga", "", "logout+jwt", nil)}})
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("the logout token: %s", resp.Status)
	}
	p.open(w.URL + "/account")
	p.at("/login")
}

// TestPeopleUpstreamValetKey: a second server of our own is the provider, and its
// consent page stands on the way.
func TestPeopleUpstreamValetKey(t *testing.T) {
	ctx := context.Background()
	head := harness.Start(t, valetkey.Config{ThrottleOff: true, Name: "Head Office"})
	if _, err := head.Admin().CreateUser(ctx, valetkey.NewUser{
		Username: "carla", Name: "Carla Example", Email: "carla@head.example", Password: password, Claims: map[string]any{"email_verified": true},
	}); err != nil {
		t.Fatal(err)
	}
	const secret = "a secret that both of us know"
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true, Connectors: []valetkey.Connector{
		{Name: "head", Kind: "valetkey", Title: "Head Office", Issuer: head.URL, ClientID: "branch", ClientSecret: secret},
	}})
	if _, err := head.Admin().CreateClient(ctx, valetkey.NewClient{ID: "branch", Secret: secret, Metadata: oauth.Metadata{
		Name: "Branch", Type: oauth.TypeWeb, RedirectURIs: []string{w.URL + "/login/callback/head"}, PostLogoutRedirectURIs: []string{w.URL + "/logout"},
	}}); err != nil {
		t.Fatal(err)
	}
	p := somebody(t)
	p.connect(w, "saleswave")
	p.press("#with-head")
	p.sees("Sign in to continue to Branch", "Head Office")
	p.signsIn("carla", password)
	p.at("/consent")
	p.sees("Branch")
	p.press("#consent-allow")
	p.sees("Saleswave") // and now ours
	out := p.returns("saleswave")
	out.proved(t, w.sub("carla"), "1", "fed")
	u, err := w.Admin().User(ctx, "carla")
	if err != nil || u.Email != "carla@head.example" || !u.EmailVerified || u.Name != "Carla Example" {
		t.Errorf("%+v %v", u, err)
	}

	// Signed in there still, the way is one click; out there is the person's choice.
	p.loses(w, "session")
	p.connect(w, "saleswave")
	p.press("#with-head")
	p.returns("saleswave").proved(t, w.sub("carla"), "1", "fed")
	p.open(w.URL + "/logout")
	p.press("#logout-confirm")
	p.press("#logout-provider")
	p.at("/logout")
	if !strings.HasPrefix(p.address().String(), w.URL) {
		p.press("#logout-confirm") // the provider may ask
	}
	p.sees("signed out")
	p.connect(w, "saleswave")
	p.press("#with-head")
	p.do(visible("#login-form"))
	p.sees("Sign in to continue to Branch")
	p.signsIn("carla", password)
	p.returns("saleswave").proved(t, w.sub("carla"), "1", "fed")
}
