package oauth

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/jose"
)

// bare is a store that knows the built-in scopes and nothing else.
type bare struct{ Store }

func (bare) Catalog(context.Context) (*Catalog, error) {
	c := &Catalog{Scopes: map[string]Scope{}, Resources: map[string]Resource{}}
	for _, s := range BuiltinScopes() {
		c.Scopes[s.Name] = s
	}
	c.Scopes["audit"] = Scope{Name: "audit", Restricted: true}
	return c, nil
}

// FuzzParametersOf: what a request object says is what a request could say:
// text, each name once, and nothing of the JWT's own.
func FuzzParametersOf(f *testing.F) {
	for _, seed := range []string{
		`{"client_id":"a","max_age":600,"claims":{"id_token":{"email":null}},"resource":["x","y"]}`, `{"scope":["a"]}`, `{"state":null}`,
		`{"a":{}}`, `{"iss":"x","sub":"y","redirect_uri":"https://a.example"}`, `{"a":"1","a":"2"}`, `[]`, `{"a":"\u0000"}`, `{"resource":[1]}`, `{"a":true}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		req, refused := parametersOf(content)
		if refused != nil {
			if refused.Code != CodeInvalidRequestObject || printable200(refused.Description) != refused.Description {
				t.Fatalf("%q: %+v", content, refused)
			}
			return
		}
		for _, name := range notParameters {
			if req.Get(name) != "" {
				t.Fatalf("%q: %s got through", content, name)
			}
		}
		if req.repeated() != "" {
			t.Fatalf("%q: %s came twice", content, req.repeated())
		}
	})
}

// FuzzReadRegistration: whatever a stranger registers has none of what only an
// operator gives, and every address in it may be followed.
func FuzzReadRegistration(f *testing.F) {
	for _, seed := range []string{
		`{"redirect_uris":["https://a.example/cb"]}`, `{"redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code","client_credentials"],"scope":"openid audit"}`,
		`{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}`, `{"redirect_uris":[1]}`, `[]`, ``, `{"token_exchange":{"impersonation":true},"profile":"fapi2","redirect_uris":["https://a.example/cb"]}`,
		`{"redirect_uris":["https://a.example/cb"],"jwks":{"keys":[]},"logo_uri":"javascript:x"}`, `{"jwks":null,"redirect_uris":["https://a.example/cb"]}`,
	} {
		f.Add([]byte(seed))
	}
	s := sealer(f)
	s.Store = bare{}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := readRegistration(body)
		if err != nil {
			if AsError(err).Code != CodeInvalidClientMetadata {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		c, refused := s.strangersClient("id", m.Metadata, nil)
		if refused != nil {
			if refused.Code != CodeInvalidClientMetadata && refused.Code != CodeInvalidRedirectURI {
				t.Fatalf("%q: %+v", body, refused)
			}
			return
		}
		judgeStranger(t, body, c)
	})
}

func judgeStranger(t *testing.T, body []byte, c *Client) {
	t.Helper()
	if !subset(c.GrantTypes, strangersGrants) || c.Exchange != nil || c.FirstParty || c.Verified || c.Profile == ProfileFAPI2 || contains(c.scopes(), "audit") {
		t.Fatalf("%q: %+v", body, c)
	}
	for _, link := range []string{c.LogoURI, c.HomepageURI, c.PolicyURI, c.TermsURI, c.JWKSURI, c.InitiateLoginURI, c.SectorURI, c.BackchannelURI, c.FrontchannelURI} {
		if link != "" && SafeLink(link) == "" {
			t.Fatalf("%q: %s", body, link)
		}
	}
	if len(c.RedirectURIs) != len(c.redirects) {
		t.Fatalf("%q: %v", body, c.RedirectURIs)
	}
	again, err := json.Marshal(c.Metadata)
	if err != nil || c.Name == "" {
		t.Fatalf("%q: %v %q", body, err, again)
	}
}

// FuzzReadDocument: a metadata document makes a client of its own address, with
// no secret.
func FuzzReadDocument(f *testing.F) {
	const id = "https://a.example/client.json"
	for _, seed := range []string{
		`{"client_id":"` + id + `","redirect_uris":["https://a.example/cb"]}`, `{"client_id":"` + id + `","client_secret":"x"}`, `{"client_id":"` + id + `/"}`,
		`{"client_id":"` + id + `","redirect_uris":["http://localhost:1/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.example/jwks"}`, `{}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	s := sealer(f)
	s.Store = bare{}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, refused := s.readDocument(id, body)
		if refused != nil {
			if refused.Code != CodeInvalidRequest || refused.Parameter != "client_id" || printable200(refused.Description) != cut(refused.Description, 200) {
				t.Fatalf("%q: %+v", body, refused)
			}
			return
		}
		if c.ID != id || c.Source != SourceDocument || c.usesSecret() {
			t.Fatalf("%q: %+v", body, c)
		}
		judgeStranger(t, body, c)
	})
}

// FuzzAssertion: whatever an assertion says, what is found wrong with it is
// said in words, and a good one is of this client, for this server, and short.
func FuzzAssertion(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"c","sub":"c","aud":"https://as.example","exp":1800000060,"jti":"1"}`, `{"iss":"c","sub":"c","aud":["https://as.example/token"],"exp":1800000060,"jti":"1","nbf":1800000008}`,
		`{"exp":"1"}`, `{"aud":7}`, `{"iss":"c","sub":"c","aud":[],"exp":1e400}`, `{"iss":"c","iss":"d"}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	s := sealer(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		var a assertionClaims
		if jose.Decode(content, &a) != nil {
			return
		}
		for _, profile := range []Profile{ProfileOAuth21, ProfileFAPI2} {
			c := &Client{ID: "c", Metadata: Metadata{Profile: profile}}
			if s.assertionFault(c, Credentials{Path: PathToken}, &a, content) != "" {
				continue
			}
			if a.Issuer != "c" || a.Subject != "c" || a.ID == "" || int64(a.Expires) > s.Now().Add(assertionLife).Unix() || int64(a.Expires) <= s.Now().Add(-assertionSkew).Unix() {
				t.Fatalf("%q for %s", content, profile)
			}
		}
	})
}

// FuzzUserCode: what people type is either a code or none.
func FuzzUserCode(f *testing.F) {
	for _, seed := range []string{"WDJB-MJHT", " wdjb mjht ", "WDJBMJH", "WDJB-MJHA", "", "ＷＤＪＢ-MJHT", strings.Repeat("-", 100) + "WDJBMJHT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code := CanonicalUserCode(typed)
		if code != "" && (len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" || CanonicalUserCode(code) != code) {
			t.Fatalf("%q: %q", typed, code)
		}
	})
}
