package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/harness"
)

// cluster is one server on several nodes: one database, one master secret, one
// issuer. Requests go to the nodes in turn.
type cluster struct {
	*harness.Server // the first node

	clients []*http.Client // by node
	next    chan int
}

// nodes starts a cluster that every test client and user knows.
func nodes(t *testing.T, database string, n int) *cluster {
	t.Helper()
	config := setup(database)
	c := &cluster{Server: harness.Start(t, config), next: make(chan int, 1)}
	if err := harness.Populate(c.Server); err != nil {
		t.Fatal(err)
	}
	c.next <- 0
	c.clients = []*http.Client{{CheckRedirect: stay}}
	config.Issuer, config.Now = c.URL, c.Clock.Now
	for range n - 1 {
		node, err := valetkey.New(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		listener := httptest.NewServer(node)
		t.Cleanup(func() {
			listener.Close()
			if err := node.Close(); err != nil {
				t.Error(err)
			}
		})
		// A load balancer keeps the Host; here the address dialled differs.
		c.clients = append(c.clients, &http.Client{CheckRedirect: stay, Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, listener.Listener.Addr().String())
			},
		}})
	}
	return c
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// call posts a form to the next node. Its fault is a status of 0, so that it
// may be used beside others.
func (c *cluster) call(path, basic string, form url.Values) *harness.Answer {
	i := <-c.next
	c.next <- i + 1
	return c.at(i%len(c.clients), path, basic, form)
}

func (c *cluster) at(node int, path, basic string, form url.Values, headers ...string) *harness.Answer {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, c.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return &harness.Answer{Body: err.Error()}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	if id, password, ok := strings.Cut(basic, ":"); ok {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(password))
	}
	resp, err := c.clients[node].Do(req)
	if err != nil {
		return &harness.Answer{Body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return &harness.Answer{Body: err.Error()}
	}
	a := &harness.Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(content)}
	_ = json.Unmarshal(content, &a.JSON)
	return a
}

const web = "web:" + harness.Secret

// redeem and refresh ask the next node for tokens of the client web.
func (c *cluster) redeem(code string) *harness.Answer {
	return c.call("/token", web, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
}

func (c *cluster) refresh(token string) *harness.Answer {
	return c.call("/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// lives says whether any node takes a token for good.
func (c *cluster) lives(t *testing.T, client, token string) bool {
	t.Helper()
	for node := range c.clients {
		a := c.at(node, "/introspect", client+":"+harness.Secret, one("token", token))
		if a.Status != http.StatusOK {
			t.Fatalf("introspect: %d %s", a.Status, a.Body)
		}
		if a.JSON["active"] == true {
			return true
		}
	}
	return false
}

// code asks for one as whoever is signed in.
func (c *cluster) code(t *testing.T, b *harness.Browser, change url.Values) string {
	t.Helper()
	page, err := b.SignIn("/authorize?"+request(change).Encode(), "ada", harness.Password)
	if err != nil {
		t.Fatal(err)
	}
	if page.Location == nil || page.Location.Query().Get("code") == "" {
		t.Fatalf("no code: %s", outcome(page))
	}
	return page.Location.Query().Get("code")
}

// answers counts outcomes: "200", or the status and the error.
func answers(all []*harness.Answer) map[string]int {
	count := map[string]int{}
	for _, a := range all {
		count[strings.TrimSpace(fmt.Sprint(a.Status, " ", a.String("error")))]++
	}
	return count
}

// together makes n requests that begin at once.
func together(n int, do func(i int) *harness.Answer) []*harness.Answer {
	all := make([]*harness.Answer, n)
	parallel(n, func(i int) { all[i] = do(i) })
	return all
}

// clusters are the kinds of installation that races run on.
var clusters = []struct {
	name, database string
	nodes          int
}{
	{"sqlite", "sqlite", 1}, {"sqlite, two processes", "sqlite", 2}, {"postgres", "postgres", 1}, {"postgres, two nodes", "postgres", 2},
}

const contenders = 32

// TestRaces: groups E and G under contention, wherever the requests arrive.
func TestRaces(t *testing.T) {
	for _, k := range clusters {
		t.Run(k.name, func(t *testing.T) {
			c := nodes(t, databases[k.database](t), k.nodes)
			ada := c.Browser(t)
			c.code(t, ada, nil) // signs in and agrees
			t.Run("redeem", func(t *testing.T) { raceRedeem(t, c, ada) })
			t.Run("redeem as a public client", func(t *testing.T) { raceRedeemPublic(t, c, ada) })
			t.Run("refresh", func(t *testing.T) { raceRefresh(t, c, ada) })
			t.Run("refresh with generations mixed", func(t *testing.T) { raceGenerations(t, c, ada) })
			t.Run("disabled client", func(t *testing.T) { disableAfterRace(t, c, ada) })
		})
	}
}

// raceRedeem: 064, ONE(32); the client replayed its own code, so what the one
// was given has ended: decision 4.
func raceRedeem(t *testing.T, c *cluster, ada *harness.Browser) {
	for range 8 {
		code := c.code(t, ada, nil)
		all := together(contenders, func(int) *harness.Answer { return c.redeem(code) })
		if got := answers(all); got["200"] != 1 || got["400 invalid_grant"] != contenders-1 {
			t.Fatalf("064: %v", got)
		}
		for _, a := range all {
			if a.Status != http.StatusOK {
				continue
			}
			if c.lives(t, "web", a.String("access_token")) || c.lives(t, "web", a.String("refresh_token")) {
				t.Error("060: the tokens of a code that was used twice live")
			}
			if again := c.refresh(a.String("refresh_token")); again.String("error") != "invalid_grant" {
				t.Errorf("060: %d %s", again.Status, again.Body)
			}
		}
	}
}

// raceRedeemPublic: 064 for a public client. Contenders without the verifier
// are nobody: they get nothing and end nothing.
func raceRedeemPublic(t *testing.T, c *cluster, ada *harness.Browser) {
	code := c.code(t, ada, url.Values{"client_id": {"spa"}, "redirect_uri": {harness.SPACallback}})
	all := together(contenders, func(i int) *harness.Answer {
		v := verifier
		if i != contenders/2 {
			v = strings.ToUpper(verifier)
		}
		return c.call("/token", "", url.Values{"client_id": {"spa"}, "grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {v}})
	})
	if got := answers(all); got["200"] != 1 || got["400 invalid_grant"] != contenders-1 {
		t.Fatalf("064: %v", got)
	}
	if good := all[contenders/2]; good.Status != http.StatusOK || !c.lives(t, "api", good.String("access_token")) {
		t.Errorf("061: somebody without the verifier ended it: %s", good.Body)
	}
}

// raceRefresh: 097, 098; decision 5: parallel refreshes all succeed with one
// and the same successor, and never are two live.
func raceRefresh(t *testing.T, c *cluster, ada *harness.Browser) {
	old := c.redeem(c.code(t, ada, nil)).String("refresh_token")
	for range 8 {
		all := together(contenders, func(int) *harness.Answer { return c.refresh(old) })
		if got := answers(all); got["200"] != contenders {
			t.Fatalf("097, 098: %v", got)
		}
		successors := map[string]bool{}
		for _, a := range all {
			successors[a.String("refresh_token")] = true
		}
		if len(successors) != 1 || successors[old] || successors[""] {
			t.Fatalf("097, 098: %d successors", len(successors))
		}
		if c.lives(t, "web", old) {
			t.Error("097: the predecessor and its successor are both live")
		}
		old = all[0].String("refresh_token")
		if !c.lives(t, "web", old) {
			t.Error("097: the successor isn't live")
		}
	}
}

// raceGenerations: a predecessor and its successor at once. Whatever the
// order, nothing is answered but tokens and invalid_grant, and at most one
// refresh token is live in the end.
func raceGenerations(t *testing.T, c *cluster, ada *harness.Browser) {
	for range 8 {
		first := c.redeem(c.code(t, ada, nil)).String("refresh_token")
		second := c.refresh(first).String("refresh_token")
		all := together(contenders, func(i int) *harness.Answer { return c.refresh([]string{first, second}[i%2]) })
		got := answers(all)
		if got["200"] < contenders/2 || got["200"]+got["400 invalid_grant"] != contenders {
			t.Fatalf("098: %v", got)
		}
		seen := map[string]bool{first: true, second: true}
		for _, a := range all {
			seen[a.String("refresh_token")] = true
		}
		delete(seen, "")
		if len(seen) != 3 {
			t.Errorf("098: %d generations", len(seen))
		}
		live := slices.DeleteFunc(slices.Collect(maps.Keys(seen)), func(token string) bool { return !c.lives(t, "web", token) })
		if len(live) != 1 {
			t.Errorf("098: %d refresh tokens are live", len(live))
		}
	}
}

// disableAfterRace: 065: once the client is switched off, every token that a
// race returned is dead, on every node, within a second.
func disableAfterRace(t *testing.T, c *cluster, ada *harness.Browser) {
	tokens := c.redeem(c.code(t, ada, nil))
	all := together(contenders, func(int) *harness.Answer { return c.refresh(tokens.String("refresh_token")) })
	all = append(all, tokens)
	if err := harness.Operate(c.Server, []string{"disable-client", "web"}); err != nil {
		t.Fatal(err)
	}
	withinASecond(t, "065", func() bool {
		return !slices.ContainsFunc(all, func(a *harness.Answer) bool { return c.lives(t, "api", a.String("access_token")) })
	})
	withinASecond(t, "065", func() bool { return c.refresh(all[0].String("refresh_token")).String("error") == "invalid_client" })
	if err := harness.Operate(c.Server, []string{"enable-client", "web"}); err != nil {
		t.Fatal(err)
	}
	withinASecond(t, "065", func() bool { return c.refresh(all[0].String("refresh_token")).String("error") == "invalid_grant" })
	for _, a := range all {
		if c.lives(t, "api", a.String("access_token")) {
			t.Error("065: switching the client on again brought a token back")
		}
	}
}

// withinASecond: CONTRACT §4, decision 11.
func withinASecond(t *testing.T, id string, is func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < time.Second; time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Errorf("%s: not within a second", id)
}

// ending is something that ends what a person let an app do.
type ending struct {
	name string
	end  func(*testing.T, *cluster, *harness.Browser)
	undo func(*testing.T, *cluster)
}

var endings = []ending{
	{name: "logout", end: func(t *testing.T, _ *cluster, b *harness.Browser) {
		press(t, b, "/logout", "logout-form", "logout-done")
	}},
	{name: "consent withdrawn", end: func(t *testing.T, _ *cluster, b *harness.Browser) {
		page, err := b.Get("/account/apps")
		if err != nil {
			t.Error(err)
			return
		}
		form := url.Values{"form": {formToken(t, page, "/account/apps/withdraw")}, "client": {"web"}}
		if page, err = b.Post("/account/apps/withdraw", form); err != nil || page.Status != http.StatusOK || strings.Contains(page.Text(), "Saleswave") {
			t.Errorf("withdraw: %v %d %s", err, page.Status, page.Text())
		}
	}},
	{name: "password changed", end: operate("set-password", "ada", harness.Password)},
	{name: "user switched off", end: operate("disable-user", "ada"), undo: func(t *testing.T, c *cluster) { operate("enable-user", "ada")(t, c, nil) }},
	{name: "client switched off", end: operate("disable-client", "web"), undo: func(t *testing.T, c *cluster) {
		operate("enable-client", "web")(t, c, nil)
		withinASecond(t, "100", func() bool {
			for node := range c.clients {
				if c.at(node, "/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"rt_"}}).String("error") != "invalid_grant" {
					return false
				}
			}
			return true
		})
	}},
}

func operate(args ...string) func(*testing.T, *cluster, *harness.Browser) {
	return func(t *testing.T, c *cluster, _ *harness.Browser) {
		if err := harness.Operate(c.Server, args); err != nil {
			t.Error(err)
		}
	}
}

// press opens a page and sends its form.
func press(t *testing.T, b *harness.Browser, path, form, done string) {
	page, err := b.Get(path)
	if err == nil {
		page, err = b.Submit(page, form, "", nil)
	}
	if err != nil || page.ByID(done) == nil {
		t.Errorf("%s: %v", path, err)
	}
}

// formToken finds the hidden token of the form with an action.
func formToken(t *testing.T, page *harness.Page, action string) string {
	_, after, found := strings.Cut(page.Body, `action="`+action+`"`)
	_, after, named := strings.Cut(after, `name="form" value="`)
	token, _, _ := strings.Cut(after, `"`)
	if !found || !named {
		t.Errorf("no form to %s in %s", action, page.Text())
	}
	return token
}

// Test100EndingsRace: 069, 093, 100, 210: refreshes and redemptions that race
// what ends them. Whoever was first, nothing that came of them is alive a
// second later, on no node, and nothing brings it back.
func Test100EndingsRace(t *testing.T) {
	for _, k := range []int{0, 3} { // the smallest and the largest installation
		t.Run(clusters[k].name, func(t *testing.T) {
			c := nodes(t, databases[clusters[k].database](t), clusters[k].nodes)
			for _, e := range endings {
				t.Run(e.name, func(t *testing.T) {
					for range 8 {
						raceEnding(t, c, e)
					}
				})
			}
		})
	}
}

func raceEnding(t *testing.T, c *cluster, e ending) {
	t.Helper()
	ada := c.Browser(t)
	tokens := c.redeem(c.code(t, ada, nil))
	if tokens.Status != http.StatusOK {
		t.Fatalf("%d %s", tokens.Status, tokens.Body)
	}
	late := c.code(t, ada, nil) // is redeemed afterwards
	codes := make([]string, 4)
	for i := range codes {
		codes[i] = c.code(t, ada, nil)
	}
	var mu sync.Mutex
	got := []*harness.Answer{tokens}
	keep := func(a *harness.Answer) *harness.Answer {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, a)
		return a
	}
	parallel(len(codes)+5, func(i int) {
		switch {
		case i < len(codes):
			time.Sleep(time.Duration(i) * 2 * time.Millisecond)
			keep(c.redeem(codes[i]))
		case i == len(codes):
			e.end(t, c, ada)
		default: // a chain of refreshes until it ends
			token := tokens.String("refresh_token")
			for range 40 {
				a := keep(c.refresh(token))
				if a.Status != http.StatusOK {
					return
				}
				token = a.String("refresh_token")
			}
		}
	})
	for outcome := range answers(got) {
		if !slices.Contains([]string{"200", "400 invalid_grant", "401 invalid_client"}, outcome) {
			t.Errorf("100: %s", outcome)
		}
	}
	withinASecond(t, "100", func() bool {
		return !slices.ContainsFunc(got, func(a *harness.Answer) bool {
			return a.Status == http.StatusOK && c.lives(t, "api", a.String("access_token"))
		})
	})
	if e.undo != nil {
		e.undo(t, c)
	}
	for _, a := range got {
		if a.Status != http.StatusOK {
			continue
		}
		if again := c.refresh(a.String("refresh_token")); again.String("error") != "invalid_grant" {
			t.Fatalf("100: a refresh token lives: %d %s", again.Status, again.Body)
		}
		if c.lives(t, "web", a.String("refresh_token")) || c.lives(t, "api", a.String("access_token")) {
			t.Fatal("100: a token came back")
		}
	}
	if a := c.redeem(late); a.String("error") != "invalid_grant" {
		t.Errorf("069: a code lives: %d %s", a.Status, a.Body)
	}
}

// Test318OnEveryNode: an emergency at one node is one at every other within a
// second: the old key is gone, and what it signed is refused.
func Test318OnEveryNode(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			config := setup(database(t))
			config.Issuer = "http://localhost:8080"
			var nodes [2]*valetkey.Server
			for i := range nodes {
				var err error
				if nodes[i], err = valetkey.New(t.Context(), config); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = nodes[i].Close() }()
			}
			same := func(within time.Duration) bool {
				for began := time.Now(); time.Since(began) < within; time.Sleep(5 * time.Millisecond) {
					if one := jwks(t, nodes[0]); one == jwks(t, nodes[1]) && strings.Count(one, `"kid"`) >= 2 {
						return true
					}
				}
				return false
			}
			if !same(10 * time.Second) {
				t.Fatal("the nodes don't agree on their first keys")
			}
			for range 3 {
				before := jwks(t, nodes[0])
				// The other node may still hold the turn in which the first keys were made.
				err := nodes[0].Admin().RotateKey(t.Context(), "ES256", true)
				for began := time.Now(); err != nil && strings.Contains(err.Error(), "try again") && time.Since(began) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
					err = nodes[0].Admin().RotateKey(t.Context(), "ES256", true)
				}
				if err != nil {
					t.Fatal(err)
				}
				if jwks(t, nodes[0]) == before {
					t.Fatal("the key is as it was")
				}
				if !same(time.Second) {
					t.Error("318: the other node has another key set after a second")
				}
			}
		})
	}
}

// Test320NodesStartAtOnce: several nodes that begin on an empty database make
// one set of keys, of one installation.
func Test320NodesStartAtOnce(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			config := setup(database(t))
			config.Issuer = "http://localhost:8080"
			servers := make([]*valetkey.Server, 4)
			parallel(len(servers), func(i int) {
				var err error
				if servers[i], err = valetkey.New(context.Background(), config); err != nil {
					t.Error(err)
				}
			})
			if t.Failed() {
				t.FailNow()
			}
			for _, s := range servers {
				defer func() { _ = s.Close() }()
			}
			if links := setupLinks(t, servers); links != 1 {
				t.Errorf("309, 320: %d links make an administrator", links)
			}
			sets := map[string]int{}
			for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
				clear(sets)
				for _, s := range servers {
					sets[jwks(t, s)]++
				}
				if len(sets) == 1 && strings.Count(jwks(t, servers[0]), `"kid"`) >= 2 {
					break
				}
			}
			if len(sets) != 1 {
				t.Fatalf("320: %d sets of keys", len(sets))
			}
			algs := map[string]int{}
			keys, err := servers[0].Admin().Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				algs[fmt.Sprint(k.Alg)]++
			}
			for alg, n := range algs {
				if n != 1 {
					t.Errorf("320: %d keys of %s", n, alg)
				}
			}
			if algs["ES256"] != 1 || algs["RS256"] != 1 {
				t.Errorf("320: %v", algs)
			}
		})
	}
}

func jwks(t *testing.T, s *valetkey.Server) string {
	t.Helper()
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "http://localhost:8080/jwks", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("jwks: %d %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// setupLinks asks every node for a link at once, opens the one that works on all
// the nodes, uses it on all of them at once, and tells how many made an
// administrator.
func setupLinks(t *testing.T, servers []*valetkey.Server) int {
	t.Helper()
	links := make([]string, len(servers))
	parallel(len(servers), func(i int) {
		var err error
		if links[i], err = servers[i].SetupLink(context.Background()); err != nil {
			t.Error(err)
		}
	})
	open := func(i int, link string) *httptest.ResponseRecorder {
		page := httptest.NewRecorder()
		servers[i].ServeHTTP(page, httptest.NewRequest(http.MethodGet, link, nil))
		return page
	}
	newest := slices.IndexFunc(links, func(link string) bool { return open(0, link).Code == http.StatusOK })
	if newest < 0 {
		t.Fatal("309: no link works")
	}
	pages := make([]*httptest.ResponseRecorder, len(servers))
	for i := range pages {
		pages[i] = open(i, links[newest])
	}
	parallel(len(servers), func(i int) {
		_, after, _ := strings.Cut(pages[i].Body.String(), `name="form" value="`)
		token, _, _ := strings.Cut(after, `"`)
		form := url.Values{"form": {token}, "username": {fmt.Sprint("root", i)}, "password": {harness.Password}}
		req := httptest.NewRequest(http.MethodPost, links[newest], strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, cookie := range pages[i].Result().Cookies() {
			req.AddCookie(cookie)
		}
		answer := httptest.NewRecorder()
		servers[i].ServeHTTP(answer, req)
		if answer.Code != http.StatusSeeOther && answer.Code != http.StatusNotFound {
			t.Errorf("309: %d %s", answer.Code, answer.Body)
		}
	})
	users, err := servers[0].Admin().Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if link, err := servers[0].SetupLink(t.Context()); err != nil || len(users) > 0 && link != "" {
		t.Errorf("309: another link %q: %v", link, err)
	}
	return len(users)
}

// Test070FailingInsert: 070: a database that fails at the moment of redemption
// is 503 without a token, and nothing is spent: the same code, and the same
// refresh token, work afterwards.
func Test070FailingInsert(t *testing.T) {
	database := databases["postgres"](t)
	c := nodes(t, database, 1)
	ada := c.Browser(t)
	tokens := c.redeem(c.code(t, ada, nil))
	code := c.code(t, ada, nil)
	db, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	run := func(query string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for state, what := range map[string]string{"53100": "disk full", "53300": "too many connections", "57014": "cancelled", "25006": "read only", "58030": "I/O error"} {
		run(`CREATE FUNCTION fail() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '` + state + `'; END $$ LANGUAGE plpgsql`)
		run(`CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON authorizations FOR EACH ROW EXECUTE FUNCTION fail()`)
		for name, a := range map[string]*harness.Answer{"redeem": c.redeem(code), "refresh": c.refresh(tokens.String("refresh_token"))} {
			if a.Status != http.StatusServiceUnavailable || a.String("error") != "temporarily_unavailable" || a.Header.Get("Retry-After") == "" ||
				a.String("access_token") != "" || strings.Contains(a.Body, "injected") {
				t.Errorf("070 %s, %s: %d %s", what, name, a.Status, a.Body)
			}
		}
		run(`DROP FUNCTION fail() CASCADE`)
	}
	if a := c.redeem(code); a.Status != http.StatusOK || !c.lives(t, "web", a.String("access_token")) {
		t.Errorf("070: the code was spent: %d %s", a.Status, a.Body)
	}
	if a := c.refresh(tokens.String("refresh_token")); a.Status != http.StatusOK {
		t.Errorf("070: the refresh token was spent: %d %s", a.Status, a.Body)
	}
}
