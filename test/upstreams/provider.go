// Package upstreams has providers to sign in with that exist on this machine
// only: Google, Microsoft, GitHub, Facebook and X under their real paths,
// answering as they document, and an OpenID Connect provider that can be made to
// misbehave in one thing at a time. Each shows a page with a button a person. It
// imports nothing of the project.
package upstreams

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// Every provider knows one app.
const (
	ClientID     = "client-of-valetkey"
	ClientSecret = "s3cret:of/the client"
)

// Person is somebody who has an account.
type Person struct {
	Username, Subject, Name, GivenName, FamilyName, Email string
	EmailVerified                                         bool
	Picture                                               string
	Groups                                                []string
	Claims                                                map[string]any // what else the ID token or the profile says
}

// People have an account where a test names no others.
func People() []Person {
	return []Person{
		{
			Username: "alice", Subject: "1001", Name: "Alice Example", GivenName: "Alice", FamilyName: "Example",
			Email: "alice@gmail.com", EmailVerified: true, Picture: "https://pictures.example/alice.png", Groups: []string{"staff", "admins"},
		},
		{Username: "bob", Subject: "1002", Name: "Bob Example", GivenName: "Bob", FamilyName: "Example", Email: "bob@corp.example", EmailVerified: true},
	}
}

// Options are zero in most tests.
type Options struct {
	TLS    bool // https with a certificate of its own authority; else http
	People []Person
	Now    func() time.Time // the system's clock when nil
}

// Provider is one that listens until its test ends.
type Provider struct {
	URL    string
	Roots  *x509.CertPool // its authority, with TLS
	CAFile string         // the same in PEM

	dialect dialect
	now     func() time.Time
	mux     *http.ServeMux

	mu     sync.Mutex
	people []Person
	picked string // who is signed in there already
	wrong  Wrong
	grants map[string]grant // by code
	tokens map[string]grant // by access token
	seen   []Seen
	keys   []key
}

// dialect is in what a provider differs from others.
type dialect struct {
	title     string
	basic     bool // takes the secret by Basic
	post      bool // takes it in the form
	pkce      bool // insists on it
	iss       func(p *Provider) string
	denied    url.Values // what an error response has beside error
	answer    func(p *Provider, w http.ResponseWriter, r *http.Request, g grant)
	refuse    func(w http.ResponseWriter, r *http.Request, code string)
	authorize string
	token     string
}

// Seen is a request that the provider received.
type Seen struct {
	Method, Path string
	Query, Form  url.Values
	Header       http.Header
}

func start(t testing.TB, o Options, d dialect, routes func(*Provider)) *Provider {
	t.Helper()
	p := &Provider{dialect: d, now: o.Now, people: o.People, mux: http.NewServeMux(), grants: map[string]grant{}, tokens: map[string]grant{}, keys: []key{firstKey()}}
	if p.now == nil {
		p.now = time.Now
	}
	if p.people == nil {
		p.people = People()
	}
	p.mux.HandleFunc("GET "+d.authorize, p.showPage)
	p.mux.HandleFunc("POST "+d.authorize, p.takePage)
	p.mux.HandleFunc("POST "+d.token, p.redeem)
	routes(p)
	s := httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	s.Config.ErrorLog = quiet
	if o.TLS {
		s.StartTLS()
		p.trust(t, s.Certificate())
	} else {
		s.Start()
	}
	p.URL = s.URL
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return p
}

func (p *Provider) trust(t testing.TB, c *x509.Certificate) {
	t.Helper()
	p.Roots = x509.NewCertPool()
	p.Roots.AddCert(c)
	p.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(p.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	p.seen = append(p.seen, Seen{r.Method, r.URL.Path, r.URL.Query(), r.PostForm, r.Header.Clone()})
	wrong := p.wrong
	p.mu.Unlock()
	if !wrong.spoil(w, r) {
		p.mux.ServeHTTP(w, r)
	}
}

// Seen lists the requests to a path; all with "".
func (p *Provider) Seen(path string) []Seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.seen), func(s Seen) bool { return path != "" && s.Path != path })
}

// SignedIn makes somebody signed in there: the page isn't shown any more. ""
// ends it.
func (p *Provider) SignedIn(username string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.picked = username
}

// Put adds a person, or changes one.
func (p *Provider) Put(person Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.people = append(slices.DeleteFunc(slices.Clone(p.people), func(o Person) bool { return o.Username == person.Username }), person)
}

func (p *Provider) person(username string) (Person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.people, func(o Person) bool { return o.Username == username })
	if i < 0 {
		return Person{}, false
	}
	return p.people[i], true
}
