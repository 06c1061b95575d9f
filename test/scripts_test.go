// Package test holds conversations with a whole server: each file in scripts/
// is a promise, kept on every database.
package test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
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

	"github.com/valetkey/valetkey/internal/testkit"
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
	answer  *harness.Answer
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

type key struct{}

// begin starts a server with the people and apps that every script knows.
func begin(env *testscript.Env, database string) error {
	srv, err := harness.Launch(setup(database))
	if err != nil {
		return err
	}
	env.Defer(func() { _ = srv.Stop() })
	if err := harness.Populate(srv); err != nil {
		return err
	}
	env.Values[key{}] = &conversation{srv: srv, browser: map[string]*harness.Browser{}, who: "main"}
	env.Setenv("ISSUER", srv.URL)
	env.Setenv("CHALLENGE", challenge())
	env.Setenv("VERIFIER", verifier)
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
	// call PATH BASIC name=value… posts to an endpoint; BASIC is id:secret or -.
	"call": func(ts *testscript.TestScript, _ bool, args []string) {
		basic := strings.TrimPrefix(args[1], "-")
		answer, err := of(ts).srv.Call(args[0], basic, form(args[2:]))
		ts.Check(err)
		of(ts).answer = answer
		for env, member := range map[string]string{"ACCESS": "access_token", "REFRESH": "refresh_token", "ID_TOKEN": "id_token"} {
			if v := answer.String(member); v != "" {
				ts.Setenv(env, v)
			}
		}
	},
	// bearer METHOD PATH TOKEN asks with an access token.
	"bearer": func(ts *testscript.TestScript, _ bool, args []string) {
		req, err := http.NewRequestWithContext(context.Background(), args[0], of(ts).srv.URL+args[1], nil)
		ts.Check(err)
		if args[2] != "-" {
			req.Header.Set("Authorization", "Bearer "+args[2])
		}
		of(ts).answer, err = harness.Do(req)
		ts.Check(err)
	},
	"status": func(ts *testscript.TestScript, neg bool, args []string) { of(ts).status(ts, neg, args[0]) },
	"json":   wantJSON,
	"body":   func(ts *testscript.TestScript, neg bool, args []string) { match(ts, neg, args[0], of(ts).answer.Body) },
	"header": func(ts *testscript.TestScript, neg bool, args []string) {
		match(ts, neg, args[1], of(ts).answer.Header.Get(args[0]))
	},
	"sees": func(ts *testscript.TestScript, neg bool, args []string) { match(ts, neg, args[0], of(ts).page.Text()) },
	"at": func(ts *testscript.TestScript, neg bool, args []string) {
		match(ts, neg, args[0], of(ts).page.URL.Path)
	},
	"element": wantElement,
	"sentto":  wantSentTo,
	"claim":   wantClaim,
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
	c.page = page
	if page.Location == nil {
		return
	}
	ts.Setenv("LOCATION", page.Location.String())
	for env, name := range map[string]string{"CODE": "code", "STATE": "state", "ERROR": "error"} {
		ts.Setenv(env, page.Location.Query().Get(name))
	}
}

func (c *conversation) status(ts *testscript.TestScript, neg bool, want string) {
	got := 0
	switch {
	case c.answer != nil && c.page == nil, c.answer != nil:
		got = c.answer.Status
	case c.page != nil:
		got = c.page.Status
	}
	if (fmt.Sprint(got) == want) == neg {
		ts.Fatalf("status %d, want %s\n%s", got, want, c.last())
	}
}

func (c *conversation) last() string {
	if c.answer != nil {
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
// parameters are exactly those named.
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
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(query)), func(n string) bool { return n == "error_description" })
	if !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
		ts.Fatalf("parameters %v, want %v", query, slices.Sorted(maps.Keys(want)))
	}
	for name := range want {
		match(ts, false, "^(?:"+want.Get(name)+")$", query.Get(name))
	}
}

// wantClaim: claim TOKEN NAME PATTERN of a JWT's payload; `! claim` wants the
// name absent.
func wantClaim(ts *testscript.TestScript, neg bool, args []string) {
	parts := strings.Split(args[0], ".")
	if len(parts) != 3 {
		ts.Fatalf("no JWT: %s", args[0])
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	ts.Check(err)
	var claims map[string]any
	ts.Check(json.Unmarshal(payload, &claims))
	value, present := claims[args[1]]
	if len(args) == 2 {
		if present == neg {
			ts.Fatalf("claim %s in %s", args[1], payload)
		}
		return
	}
	text, ok := value.(string)
	if !ok {
		content, err := json.Marshal(value)
		ts.Check(err)
		text = string(content)
	}
	match(ts, neg, "^(?:"+args[2]+")$", text)
}
