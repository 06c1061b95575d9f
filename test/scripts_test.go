// Package test holds conversations with a whole server: each file in scripts/
// is a promise, kept on every database.
package test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// TestScripts runs every script on SQLite and on PostgreSQL.
func TestScripts(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: "scripts",
				Setup: func(env *testscript.Env) error {
					return begin(env, database(env.T().(testing.TB)))
				},
				Cmds: commands,
			})
		})
	}
}

// conversation is the state of one script.
type conversation struct {
	srv     *harness.Server
	browser map[string]*harness.Browser
	who     string
	page    *harness.Page
	tab     *harness.Page // kept by keeppage
	answer  *harness.Answer
	answers bool // the answer is newer than the page

	config       valetkey.Config
	side         *harness.Side
	sites        map[string]*harness.Site
	keys         map[string]*harness.Key
	certificates map[string]*tls.Certificate
	presented    string      // the certificate that calls show, "" for none
	headers      http.Header // of the next call
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

type key struct{}

// begin starts a server with the people and apps that every script knows.
func begin(env *testscript.Env, database string) error {
	authority, err := harness.TestAuthority()
	if err != nil {
		return err
	}
	side, err := harness.OpenSide()
	if err != nil {
		return err
	}
	env.Defer(func() { _ = side.Close() })
	config := setup(database)
	config.FetchAllowLoopback, config.FetchRoots = true, authority.Pool
	config.MTLSURL, config.ClientCAs = side.URL, authority.Pool
	srv, err := harness.Launch(config)
	if err != nil {
		return err
	}
	env.Defer(func() { _ = srv.Stop() })
	if err := harness.Populate(srv); err != nil {
		return err
	}
	side.Serve(srv.MTLS())
	env.Values[key{}] = &conversation{
		srv: srv, browser: map[string]*harness.Browser{}, who: "main", config: config, side: side, sites: map[string]*harness.Site{},
		keys: map[string]*harness.Key{}, certificates: map[string]*tls.Certificate{}, headers: http.Header{},
	}
	env.Setenv("ISSUER", srv.URL)
	env.Setenv("MTLS", side.URL)
	env.Setenv("CHALLENGE", challenge())
	env.Setenv("VERIFIER", verifier)
	env.Setenv("PKCE", "code_challenge="+challenge()+"&code_challenge_method=S256")
	return nil
}

// of finds the script's state.
func of(ts *testscript.TestScript) *conversation { return ts.Value(key{}).(*conversation) }

var commands = map[string]func(*testscript.TestScript, bool, []string){
	"advance": func(ts *testscript.TestScript, _ bool, args []string) {
		d, err := time.ParseDuration(args[0])
		ts.Check(err)
		of(ts).srv.Clock.Advance(d)
	},
	"browser": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).who = args[0] },
	"get": func(ts *testscript.TestScript, _ bool, args []string) {
		page, err := of(ts).at(ts).Get(args[0])
		of(ts).show(ts, page, err)
	},
	"post": func(ts *testscript.TestScript, _ bool, args []string) {
		page, err := of(ts).at(ts).Post(args[0], form(args[1:]))
		of(ts).show(ts, page, err)
	},
	"submit": func(ts *testscript.TestScript, _ bool, args []string) {
		page, err := of(ts).at(ts).Submit(of(ts).page, args[0], args[1], form(args[2:]))
		of(ts).show(ts, page, err)
	},
	// submitscope SCOPE and withdraw CLIENT press the buttons of /account/apps.
	"submitscope": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).press(ts, "scope", args[0]) },
	"withdraw":    func(ts *testscript.TestScript, _ bool, args []string) { of(ts).press(ts, "client", args[0]) },
	// signin ADDRESS USER walks through sign-in and consent.
	"signin": func(ts *testscript.TestScript, _ bool, args []string) {
		page, err := of(ts).at(ts).SignIn(args[0], args[1], harness.Password)
		of(ts).show(ts, page, err)
	},
	// call PATH BASIC name=value… posts to an endpoint; BASIC is id:secret,
	// jwt:CLIENT:KEY for a new assertion, jwt:TOKEN for that one, or -.
	"call": func(ts *testscript.TestScript, _ bool, args []string) {
		values, basic := form(args[2:]), strings.TrimPrefix(args[1], "-")
		if text, found := strings.CutPrefix(args[1], "jwt:"); found {
			if client, name, fresh := strings.Cut(text, ":"); fresh {
				text = of(ts).jwt(ts, name, "JWT", of(ts).assertion(client), nil)
			}
			values.Set("client_assertion", text)
			values.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			basic = ""
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, args[0], strings.NewReader(values.Encode()))
		ts.Check(err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if id, password, ok := strings.Cut(basic, ":"); ok {
			req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(password))
		}
		of(ts).send(ts, req)
	},
	// bearer METHOD PATH TOKEN asks with an access token; 'DPoP TOKEN' by that
	// scheme, - without any.
	"bearer": func(ts *testscript.TestScript, _ bool, args []string) {
		req, err := http.NewRequestWithContext(context.Background(), args[0], args[1], nil)
		ts.Check(err)
		switch {
		case strings.Contains(args[2], " "):
			req.Header.Set("Authorization", args[2])
		case args[2] != "-":
			req.Header.Set("Authorization", "Bearer "+args[2])
		}
		of(ts).send(ts, req)
	},
	// register METHOD PATH TOKEN member… sends a JSON object; TOKEN may be -.
	"register": func(ts *testscript.TestScript, _ bool, args []string) {
		content, err := json.Marshal(of(ts).members(ts, args[3:]))
		ts.Check(err)
		var body io.Reader
		if args[0] == http.MethodPost || args[0] == http.MethodPut {
			body = strings.NewReader(string(content))
		}
		req, err := http.NewRequestWithContext(context.Background(), args[0], strings.TrimPrefix(args[1], of(ts).srv.URL), body)
		ts.Check(err)
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		if args[2] != "-" {
			req.Header.Set("Authorization", "Bearer "+args[2])
		}
		of(ts).send(ts, req)
	},
	// send NAME VALUE is a header of the next call; it may come twice.
	"send": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).headers.Add(args[0], args[1]) },

	// restart what=value… begins the server anew: registration, signup, nonce,
	// trust, unlimited.
	"restart": restartServer,
	// app ID member… registers a client as the operator does.
	"app": makeApp,
	// knows CLIENT: there is a row of it.
	"knows": func(ts *testscript.TestScript, neg bool, args []string) {
		if _, err := of(ts).srv.Admin().Client(context.Background(), args[0]); (err == nil) == neg {
			ts.Fatalf("client %s: %v", args[0], err)
		}
	},
	// initialtoken USES makes $INITIAL.
	"initialtoken": func(ts *testscript.TestScript, _ bool, args []string) {
		uses, err := strconv.ParseInt(args[0], 10, 64)
		ts.Check(err)
		_, token, err := of(ts).srv.Admin().CreateInitialToken(context.Background(), "a script's", uses, time.Hour)
		ts.Check(err)
		ts.Setenv("INITIAL", token)
	},

	// key NAME ALG makes $NAME_JWKS, $NAME_JKT and $NAME_KID.
	"key": func(ts *testscript.TestScript, _ bool, args []string) {
		k, err := harness.NewKey(args[1])
		ts.Check(err)
		of(ts).keys[args[0]] = k
		ts.Setenv(args[0]+"_JWKS", harness.JWKS(k))
		ts.Setenv(args[0]+"_JKT", k.JKT())
		ts.Setenv(args[0]+"_KID", k.KID())
	},
	// jwt VAR KEY TYP member…: KEY is a name, none, or secret:TEXT.
	"jwt": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv(args[0], of(ts).jwt(ts, args[1], args[2], nil, args[3:]))
	},
	// assertion CLIENT KEY member… makes $ASSERTION.
	"assertion": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv("ASSERTION", of(ts).jwt(ts, args[1], "JWT", of(ts).assertion(args[0]), args[2:]))
	},
	// requestobject CLIENT KEY member… makes $REQUEST.
	"requestobject": func(ts *testscript.TestScript, _ bool, args []string) {
		now := of(ts).srv.Clock.Now()
		ts.Setenv("REQUEST", of(ts).jwt(ts, args[1], "oauth-authz-req+jwt", map[string]any{
			"iss": args[0], "client_id": args[0], "aud": of(ts).srv.URL, "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}, args[2:]))
	},
	// proof KEY METHOD PATH member… makes $PROOF and sends it with the next call.
	"proof": func(ts *testscript.TestScript, _ bool, args []string) {
		c := of(ts)
		proof, err := c.keys[args[0]].Proof(args[1], c.srv.URL+args[2], c.srv.Clock.Now(), c.members(ts, args[3:]))
		ts.Check(err)
		ts.Setenv("PROOF", proof)
		c.headers.Add("DPoP", proof)
	},
	// ath VAR TOKEN is a token's hash for a proof.
	"ath": func(ts *testscript.TestScript, _ bool, args []string) { ts.Setenv(args[0], harness.ATH(args[1])) },
	// certificate NAME [self] makes $NAME_X5T and $NAME_JWKS.
	"certificate": makeCertificate,
	// present NAME: calls go to the listener that asks for certificates, with
	// this one; with - they go to the other again.
	"present": func(ts *testscript.TestScript, _ bool, args []string) {
		of(ts).presented = strings.TrimPrefix(args[0], "-")
	},

	// listen NAME [https] begins a site at $NAME.
	"listen": func(ts *testscript.TestScript, _ bool, args []string) {
		site, err := harness.OpenSite(len(args) > 1)
		ts.Check(err)
		ts.Defer(func() { _ = site.Close() })
		of(ts).sites[args[0]] = site
		ts.Setenv(args[0], site.URL)
	},
	// publish SITE PATH STATUS BODY [Header=value…]; the type is JSON unless a
	// header says otherwise.
	"publish": func(ts *testscript.TestScript, _ bool, args []string) {
		status, err := strconv.Atoi(args[2])
		ts.Check(err)
		header := http.Header{"Content-Type": {"application/json"}}
		for name, values := range form(args[4:]) {
			header[name] = values
		}
		of(ts).sites[args[0]].Publish(args[1], status, header, args[3])
	},
	// asked SITE PATH N waits until a path was asked for N times, never more; what
	// the last brought is in the environment, $LOGOUT_TOKEN for logout_token.
	"asked": func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		got, err := of(ts).sites[args[0]].Await(args[1], n, 20*time.Second)
		ts.Check(err)
		if len(got) != n {
			ts.Fatalf("%d requests for %s, want %d", len(got), args[1], n)
		}
		if n > 0 {
			for name, values := range got[n-1].Form {
				ts.Setenv(strings.ToUpper(name), values[0])
			}
		}
	},

	"status": func(ts *testscript.TestScript, neg bool, args []string) { of(ts).status(ts, neg, args[0]) },
	"json":   wantJSON,
	"body":   func(ts *testscript.TestScript, neg bool, args []string) { match(ts, neg, args[0], of(ts).answer.Body) },
	"header": func(ts *testscript.TestScript, neg bool, args []string) {
		match(ts, neg, args[1], of(ts).answer.Header.Get(args[0]))
	},
	// source and pagehead look at the page as it was sent.
	"source": func(ts *testscript.TestScript, neg bool, args []string) { match(ts, neg, args[0], of(ts).page.Body) },
	"pagehead": func(ts *testscript.TestScript, neg bool, args []string) {
		match(ts, neg, args[1], of(ts).page.Header.Get(args[0]))
	},
	"sees": func(ts *testscript.TestScript, neg bool, args []string) { match(ts, neg, args[0], of(ts).page.Text()) },
	"at": func(ts *testscript.TestScript, neg bool, args []string) {
		match(ts, neg, args[0], of(ts).page.URL.Path)
	},
	"element": wantElement,
	"sentto":  wantSentTo,
	"claim":   wantClaim,
	// head TOKEN NAME PATTERN of a JWT's header.
	"head": func(ts *testscript.TestScript, neg bool, args []string) { wantPart(ts, neg, 0, args) },
	// signed TOKEN TYP ALG: by a key of /jwks.
	"signed": wantSigned,
	"keepheader": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv(args[0], of(ts).answer.Header.Get(args[1]))
	},
	"keepbody": func(ts *testscript.TestScript, _ bool, args []string) { ts.Setenv(args[0], of(ts).answer.Body) },
	// keeppage and back: a page in another tab.
	"keeppage": func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).tab = of(ts).page },
	"back":     func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).page = of(ts).tab },
	// guess N CODE types a code that is none N times.
	"guess": func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		for range n {
			page, err := of(ts).at(ts).Get("/device")
			ts.Check(err)
			page, err = of(ts).at(ts).Submit(page, "device-form", "device-submit", url.Values{"user_code": {args[1]}})
			of(ts).show(ts, page, err)
			if page.Status != http.StatusUnprocessableEntity {
				ts.Fatalf("status %d: %s", page.Status, page.Text())
			}
		}
	},
	// follow ID goes where a link leads.
	"follow": func(ts *testscript.TestScript, _ bool, args []string) {
		link := regexp.MustCompile(`<a id="` + args[0] + `"[^>]* href="([^"]+)"`).FindStringSubmatch(of(ts).page.Body)
		if link == nil {
			ts.Fatalf("no link #%s", args[0])
		}
		page, err := of(ts).at(ts).Get(html.UnescapeString(link[1]))
		of(ts).show(ts, page, err)
	},
	// said PATTERN: the description of the last error that an app was sent.
	"said": func(ts *testscript.TestScript, neg bool, args []string) {
		match(ts, neg, args[0], of(ts).page.Location.Query().Get("error_description"))
	},
	// refused PATTERN: why app refused.
	"refused": func(ts *testscript.TestScript, neg bool, args []string) {
		match(ts, neg, args[0], ts.Getenv("REFUSED"))
	},
	// pause waits in real time.
	"pause": func(ts *testscript.TestScript, _ bool, args []string) {
		d, err := time.ParseDuration(args[0])
		ts.Check(err)
		time.Sleep(d)
	},
	// flood N registers N times, or until it is too often.
	"flood": func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		for range n {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "/register", strings.NewReader(`{"redirect_uris":["https://app.example/cb"]}`))
			ts.Check(err)
			req.Header.Set("Content-Type", "application/json")
			if of(ts).send(ts, req); of(ts).answer.Status == http.StatusTooManyRequests {
				return
			}
		}
	},
	// distinctkeys: each key of the set has a kid of its own.
	"distinctkeys": func(ts *testscript.TestScript, _ bool, _ []string) {
		keys, err := jose.ParseJWKS([]byte(of(ts).answer.Body))
		ts.Check(err)
		seen := map[string]bool{}
		for _, k := range keys {
			if k.KID == "" || seen[k.KID] {
				ts.Fatalf("kid %q in %s", k.KID, of(ts).answer.Body)
			}
			seen[k.KID] = true
		}
		if len(keys) < 2 {
			ts.Fatalf("%d keys", len(keys))
		}
	},
	// keep VAR TOKEN CLAIM puts a claim into the environment.
	"keep": func(ts *testscript.TestScript, _ bool, args []string) {
		value, _ := jwtPart(ts, args[1], 1)[args[2]]
		ts.Setenv(args[0], jsonText(ts, value))
	},
	"save": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv(args[0], of(ts).answer.String(args[1]))
	},
	"commits": func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Setenv("COMMITS", fmt.Sprint(of(ts).srv.Writes()))
	},
	// wrote N: so many durable commits since `commits`.
	"wrote": func(ts *testscript.TestScript, _ bool, args []string) {
		before, err := strconv.ParseUint(ts.Getenv("COMMITS"), 10, 64)
		ts.Check(err)
		if got := of(ts).srv.Writes() - before; fmt.Sprint(got) != args[0] {
			ts.Fatalf("%d durable commits, want %s", got, args[0])
		}
	},
	// admin does what an operator would: disable-user NAME, delete-client ID …
	"admin": func(ts *testscript.TestScript, neg bool, args []string) {
		err := harness.Operate(of(ts).srv, args)
		if (err != nil) != neg {
			ts.Fatalf("admin %v: %v", args, err)
		}
	},
}

func restartServer(ts *testscript.TestScript, _ bool, args []string) {
	c := of(ts)
	content, err := json.Marshal(c.members(ts, args))
	ts.Check(err)
	wanted := struct {
		Registration *oauth.RegistrationMode
		Signup       *bool
		Nonce        *bool
		Trust        *[]oauth.TrustedIssuer
		Unlimited    *bool
	}{&c.config.Registration, &c.config.Signup, &c.config.DPoPNonce, &c.config.TrustedIssuers, &c.config.ThrottleOff}
	ts.Check(json.Unmarshal(content, &wanted))
	ts.Check(c.srv.Restart(c.config))
	c.side.Serve(c.srv.MTLS())
}

// makeApp sets $SECRET for a client that needs one.
func makeApp(ts *testscript.TestScript, neg bool, args []string) {
	client := valetkey.NewClient{ID: args[0], Metadata: oauth.Metadata{Name: args[0]}}
	members := of(ts).members(ts, args[1:])
	client.FirstParty = members["first_party"] == true
	content, err := json.Marshal(members)
	ts.Check(err)
	ts.Check(json.Unmarshal(content, &client.Metadata))
	if m := &client.Metadata; m.RedirectURIs == nil && (m.GrantTypes == nil || slices.Contains(m.GrantTypes, oauth.GrantAuthorizationCode)) {
		m.RedirectURIs = []string{harness.Callback}
	}
	made, err := of(ts).srv.Admin().CreateClient(context.Background(), client)
	if (err != nil) != neg {
		ts.Fatalf("app %v: %v", args, err)
	}
	if err != nil {
		ts.Setenv("REFUSED", err.Error())
		return
	}
	ts.Setenv("SECRET", made.Secret)
}

func makeCertificate(ts *testscript.TestScript, _ bool, args []string) {
	authority, err := harness.TestAuthority()
	ts.Check(err)
	make := authority.Client
	if len(args) > 1 {
		make = harness.SelfSigned
	}
	made, err := make(args[0])
	ts.Check(err)
	jwks, err := harness.CertificateJWKS(made)
	ts.Check(err)
	of(ts).certificates[args[0]] = made
	ts.Setenv(args[0]+"_X5T", harness.Thumbprint(made))
	ts.Setenv(args[0]+"_JWKS", jwks)
}

// send makes a call: to the listener for certificates while one is presented.
func (c *conversation) send(ts *testscript.TestScript, req *http.Request) {
	origin, certificate := c.srv.URL, (*tls.Certificate)(nil)
	if c.presented != "" {
		origin, certificate = c.side.URL, c.certificates[c.presented]
	}
	var err error
	req.URL, err = url.Parse(origin + req.URL.String())
	ts.Check(err)
	req.Host = req.URL.Host
	maps.Copy(req.Header, c.headers)
	clear(c.headers)
	client, err := harness.ClientTo(certificate)
	ts.Check(err)
	c.answer, err = harness.DoBy(client, req)
	ts.Check(err)
	c.answers = true
	for env, member := range keptMembers {
		if v := c.answer.String(member); v != "" {
			ts.Setenv(env, v)
		}
	}
}

// keptMembers are the members of an answer that go into the environment.
var keptMembers = map[string]string{
	"ACCESS": "access_token", "REFRESH": "refresh_token", "ID_TOKEN": "id_token", "REQUEST_URI": "request_uri",
	"DEVICE_CODE": "device_code", "USER_CODE": "user_code", "CLIENT_ID": "client_id", "CLIENT_SECRET": "client_secret",
	"REGISTRATION_TOKEN": "registration_access_token", "REGISTRATION": "registration_client_uri",
}

func (c *conversation) members(ts *testscript.TestScript, words []string) map[string]any {
	out, err := harness.Members(c.srv.Clock.Now(), words)
	ts.Check(err)
	return out
}

// assertion: RFC 7523 §3.
func (c *conversation) assertion(client string) map[string]any {
	now := c.srv.Clock.Now()
	return map[string]any{
		"iss": client, "sub": client, "aud": c.srv.URL, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
}

func (c *conversation) jwt(ts *testscript.TestScript, by, typ string, claims map[string]any, words []string) string {
	if claims == nil {
		claims = map[string]any{}
	}
	claims = harness.Merge(claims, c.members(ts, words))
	password, secret := strings.CutPrefix(by, "secret:")
	var token string
	var err error
	switch {
	case secret:
		token, err = harness.HS256(password, claims)
	case by == "none":
		token, err = harness.Unsigned(claims)
	default:
		token, err = c.keys[by].JWT(typ, claims)
	}
	ts.Check(err)
	return token
}

// wantSigned checks a token of ours as anybody can.
func wantSigned(ts *testscript.TestScript, neg bool, args []string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, of(ts).srv.URL+"/jwks", nil)
	ts.Check(err)
	answer, err := harness.Do(req)
	ts.Check(err)
	keys, err := jose.ParseJWKS([]byte(answer.Body))
	ts.Check(err)
	_, _, err = jose.Verify(args[0], []string{args[1]}, []jose.Alg{jose.Alg(args[2])}, keys)
	if (err == nil) == neg {
		ts.Fatalf("%s: %v", args[0], err)
	}
}

func (c *conversation) at(ts *testscript.TestScript) *harness.Browser {
	if c.browser[c.who] == nil {
		b, err := harness.OpenBrowser(c.srv.URL)
		ts.Check(err)
		c.browser[c.who] = b
	}
	return c.browser[c.who]
}

// press submits the first form with a hidden field of this value; the one with
// nothing but that field and the token, when it is the client.
func (c *conversation) press(ts *testscript.TestScript, name, value string) {
	page, err := c.at(ts).SubmitWith(c.page, name, value)
	c.show(ts, page, err)
}

// show keeps a page, and what a redirect to an app carried.
func (c *conversation) show(ts *testscript.TestScript, page *harness.Page, err error) {
	ts.Check(err)
	c.page, c.answers = page, false
	if page.Location == nil {
		return
	}
	ts.Setenv("LOCATION", page.Location.String())
	for env, name := range map[string]string{"CODE": "code", "STATE": "state", "ERROR": "error", "RESPONSE": "response"} {
		ts.Setenv(env, page.Location.Query().Get(name))
	}
}

func (c *conversation) status(ts *testscript.TestScript, neg bool, want string) {
	got := 0
	switch {
	case c.answers:
		got = c.answer.Status
	case c.page != nil:
		got = c.page.Status
	}
	if (fmt.Sprint(got) == want) == neg {
		ts.Fatalf("status %d, want %s\n%s", got, want, c.last())
	}
}

func (c *conversation) last() string {
	if c.answers {
		return c.answer.Body
	}
	return c.page.Text()
}

// form reads name=value words; a name alone unsets.
func form(args []string) url.Values {
	values := url.Values{}
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			values[name] = nil
			continue
		}
		values.Add(name, value)
	}
	return values
}

func match(ts *testscript.TestScript, neg bool, pattern, text string) {
	re, err := regexp.Compile(pattern)
	ts.Check(err)
	if re.MatchString(text) == neg {
		ts.Fatalf("pattern %q against:\n%s", pattern, text)
	}
}

// wantJSON: json MEMBER PATTERN; `! json MEMBER` wants it absent.
func wantJSON(ts *testscript.TestScript, neg bool, args []string) {
	a := of(ts).answer
	if len(args) == 1 {
		if _, present := a.JSON[args[0]]; present == neg {
			ts.Fatalf("member %s in: %s", args[0], a.Body)
		}
		return
	}
	match(ts, neg, "^(?:"+args[1]+")$", a.String(args[0]))
}

// wantElement: element ID PATTERN.
func wantElement(ts *testscript.TestScript, neg bool, args []string) {
	page := of(ts).page
	if len(args) == 1 {
		if (page.ByID(args[0]) != nil) == neg {
			ts.Fatalf("element #%s in: %s", args[0], page.Text())
		}
		return
	}
	match(ts, neg, args[1], page.TextOf(args[0]))
}

// wantSentTo: sentto PREFIX name=PATTERN… for the last redirect to an app; the
// parameters are exactly those named, and with an error its description, in the
// characters of RFC 6749 §4.1.2.1.
func wantSentTo(ts *testscript.TestScript, _ bool, args []string) {
	page := of(ts).page
	if page.Location == nil {
		ts.Fatalf("not sent anywhere; status %d: %s", page.Status, page.Text())
	}
	if !strings.HasPrefix(page.Location.String(), args[0]) {
		ts.Fatalf("sent to %s", page.Location)
	}
	query := page.Location.Query()
	want := form(args[1:])
	names := slices.Sorted(maps.Keys(query))
	if query.Has("error") {
		names = slices.DeleteFunc(names, func(n string) bool { return n == "error_description" })
		match(ts, false, `^[ !#-\[\]-~]*$`, query.Get("error_description"))
	}
	if !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
		ts.Fatalf("parameters %v, want %v", query, slices.Sorted(maps.Keys(want)))
	}
	for name := range want {
		match(ts, false, "^(?:"+want.Get(name)+")$", query.Get(name))
	}
}

// wantClaim: claim TOKEN NAME PATTERN of a JWT's payload; `! claim` wants the
// name absent.
func wantClaim(ts *testscript.TestScript, neg bool, args []string) { wantPart(ts, neg, 1, args) }

func wantPart(ts *testscript.TestScript, neg bool, i int, args []string) {
	members := jwtPart(ts, args[0], i)
	value, present := members[args[1]]
	if len(args) == 2 {
		if present == neg {
			ts.Fatalf("%s in %v", args[1], members)
		}
		return
	}
	match(ts, neg, "^(?:"+args[2]+")$", jsonText(ts, value))
}

// jwtPart is a JWT's header, 0, or payload, 1.
func jwtPart(ts *testscript.TestScript, token string, i int) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		ts.Fatalf("no JWT: %s", token)
	}
	content, err := base64.RawURLEncoding.DecodeString(parts[i])
	ts.Check(err)
	var members map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	decoder.UseNumber()
	ts.Check(decoder.Decode(&members))
	return members
}

// jsonText is a string as it is, all else as JSON.
func jsonText(ts *testscript.TestScript, value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	content, err := json.Marshal(value)
	ts.Check(err)
	return string(content)
}
