package upstreams

import (
	"io"
	"log"
	"maps"
	"net/http"
	"strings"
)

// Absent, in a map of claims, takes the claim out.
var Absent = new(struct{})

// Wrong is what a provider does wrong; its zero value is nothing.
type Wrong struct {
	IDToken  map[string]any // claims of the ID token, instead of the right ones
	UserInfo map[string]any // of userinfo, or of the profile
	Metadata map[string]any // of the discovery document
	Alg      string         // none, HS256 (with the client secret), or another than RS256
	Typ      string         // of the ID token's header
	OtherKey bool           // signs with a key that isn't published
	NoToken  bool           // answers without ID token
	Iss      any            // of the authorization response

	// By path: Redirect answers 307 there, Endless never stops, Silent never
	// answers, Status answers so.
	Redirect map[string]string
	Endless  string
	Silent   string
	Status   map[string]int
}

// Misbehave makes the provider do something wrong from now on.
func (p *Provider) Misbehave(w Wrong) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = w
}

func (p *Provider) misdeeds() Wrong {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrong
}

// spoil answers in place of the provider.
func (wrong Wrong) spoil(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case wrong.Silent == r.URL.Path:
		<-r.Context().Done()
	case wrong.Endless == r.URL.Path:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"keys":[],"endless":"`)
		for block := strings.Repeat("x", 64<<10); r.Context().Err() == nil; {
			if _, err := io.WriteString(w, block); err != nil {
				break
			}
		}
	case wrong.Redirect[r.URL.Path] != "":
		http.Redirect(w, r, wrong.Redirect[r.URL.Path], http.StatusTemporaryRedirect)
	case wrong.Status[r.URL.Path] != 0:
		w.WriteHeader(wrong.Status[r.URL.Path])
	default:
		return false
	}
	return true
}

// replaced is right with what stands in wrong instead.
func replaced(right, wrong map[string]any) map[string]any {
	out := maps.Clone(right)
	for name, v := range wrong {
		if v == any(Absent) {
			delete(out, name)
		} else {
			out[name] = v
		}
	}
	return out
}

// quiet: what tests do to a server isn't news.
var quiet = log.New(io.Discard, "", 0)
