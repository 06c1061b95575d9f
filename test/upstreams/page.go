package upstreams

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// page has a button a person, #person-USERNAME, and #deny.
var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body><main id="upstream-page"><h1>Sign in with {{.Title}}</h1>
<form method="post">
{{range .People}}<p><button type="submit" name="person" value="{{.Username}}" id="person-{{.Username}}">Continue as {{.Name}}</button></p>
{{end}}<p><button type="submit" name="person" value="" id="deny">Cancel</button></p>
</form></main></body></html>
`))

// grant is what somebody agreed to.
type grant struct {
	person  Person
	request url.Values
	tenant  string // Microsoft's
}

func (p *Provider) showPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	picked, people := p.picked, p.people
	p.mu.Unlock()
	switch {
	case !p.acceptable(w, q):
	case picked != "":
		p.agree(w, r, picked)
	case q.Get("prompt") == "none":
		p.respond(w, r, url.Values{"error": {"login_required"}})
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, struct {
			Title  string
			People []Person
		}{p.dialect.title, people})
	}
}

func (p *Provider) takePage(w http.ResponseWriter, r *http.Request) {
	switch {
	case !p.acceptable(w, r.URL.Query()):
	case r.PostForm.Get("person") == "":
		refusal := url.Values{"error": {"access_denied"}, "error_description": {"The person said no."}}
		for name, values := range p.dialect.denied {
			refusal[name] = values
		}
		p.respond(w, r, refusal)
	default:
		p.agree(w, r, r.PostForm.Get("person"))
	}
}

// acceptable: a mistake of the app's is shown, and goes nowhere.
func (p *Provider) acceptable(w http.ResponseWriter, q url.Values) bool {
	problem := ""
	switch {
	case q.Get("client_id") != ClientID:
		problem = "unknown client_id"
	case q.Get("redirect_uri") == "":
		problem = "no redirect_uri"
	case q.Get("response_type") != "code" && p.dialect.title != "GitHub": // GitHub knows nothing else
		problem = "response_type isn't code"
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256", p.dialect.pkce && q.Get("code_challenge") == "":
		problem = "no code_challenge with S256"
	default:
		return true
	}
	http.Error(w, problem, http.StatusBadRequest)
	return false
}

func (p *Provider) agree(w http.ResponseWriter, r *http.Request, username string) {
	person, ok := p.person(username)
	if !ok {
		http.Error(w, "nobody of that name", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.grants[code] = grant{person: person, request: r.URL.Query(), tenant: r.PathValue("tenant")}
	p.mu.Unlock()
	p.respond(w, r, url.Values{"code": {code}})
}

// respond sends the browser back: RFC 6749 §4.1.2, RFC 9207 §2.
func (p *Provider) respond(w http.ResponseWriter, r *http.Request, answer url.Values) {
	u, err := url.Parse(r.URL.Query().Get("redirect_uri"))
	if err != nil {
		http.Error(w, "redirect_uri isn't a URL", http.StatusBadRequest)
		return
	}
	q := u.Query()
	for name, values := range answer {
		q[name] = values
	}
	if state := r.URL.Query().Get("state"); state != "" {
		q.Set("state", state)
	}
	if p.dialect.iss != nil {
		q.Set("iss", p.dialect.iss(p))
	}
	switch iss := p.misdeeds().Iss.(type) {
	case string:
		q.Set("iss", iss)
	case *struct{}:
		q.Del("iss")
	}
	u.RawQuery = q.Encode()
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	http.Redirect(w, r, u.String(), status)
}

// Browse does what a browser would: it presses somebody's button, or with ""
// the one that says no, and tells what was sent back.
func (p *Provider) Browse(authorizeURL, username string) (url.Values, error) {
	if !strings.HasPrefix(authorizeURL, p.URL+"/") {
		return nil, fmt.Errorf("%s isn't an address of %s", authorizeURL, p.dialect.title)
	}
	client := http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.Roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
	}
	form := strings.NewReader(url.Values{"person": {username}}.Encode())
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, authorizeURL, form)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	back, err := resp.Location()
	if err != nil {
		return nil, errors.Join(err, errors.New(resp.Status))
	}
	return back.Query(), nil
}
