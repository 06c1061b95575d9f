package oauth

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Request is what came to an endpoint: its parameters as they were sent, from
// one place only (the query of a GET, the body of a POST).
type Request struct {
	params  url.Values
	address string
}

// From notes where a request came from.
func (r Request) From(address string) Request {
	r.address = address
	return r
}

// Caps on what a request may carry; a browser's URL is shorter than any.
const (
	maxParameters = 100
	maxValue      = 32 << 10
	maxState      = 4 << 10
)

// NewRequest takes decoded parameters. What no parameter may be (not UTF-8,
// NUL, too many, too long) is refused here for every endpoint at once;
// repetition is judged where it is known whom to tell.
func NewRequest(params url.Values) (Request, *Error) {
	n := 0
	for name, values := range params {
		for _, v := range values {
			if n++; n > maxParameters {
				return Request{}, invalidRequest("more than %d parameters", maxParameters)
			}
			switch {
			case len(v) > maxValue:
				return Request{}, invalidRequest("a parameter is longer than %d characters", maxValue).about(printable(name))
			case !utf8.ValidString(v) || !utf8.ValidString(name):
				return Request{}, invalidRequest("a parameter is not UTF-8").about(printable(name))
			case strings.IndexByte(v, 0) >= 0:
				return Request{}, invalidRequest("a parameter holds a NUL character").about(printable(name))
			}
		}
	}
	return Request{params: params}, nil
}

// Get returns a parameter's value. RFC 6749 §3.1: sent without a value is
// treated as if it were omitted.
func (r Request) Get(name string) string { return r.params.Get(name) }

// All returns every value of a parameter that may be repeated.
func (r Request) All(name string) []string {
	var out []string
	for _, v := range r.params[name] {
		if v != "" && !contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// repeatable: RFC 8707 §2, RFC 8693 §2.1.
var repeatable = map[string]bool{"resource": true, "audience": true}

// repeated names a parameter that came twice: RFC 6749 §3.1 and §3.2.
func (r Request) repeated() string {
	for name, values := range r.params {
		if len(values) > 1 && !repeatable[name] {
			return name
		}
	}
	return ""
}

// twice says whether one parameter was sent more than once.
func (r Request) twice(name string) bool { return len(r.params[name]) > 1 }

// AuthorizationRequest holds the parameters of an authorization request that
// passed the rules. Short JSON names keep the sealed URL short.
type AuthorizationRequest struct {
	ClientID     string         `json:"c"`
	RedirectURI  string         `json:"u"`
	ResponseMode string         `json:"m,omitempty"` // query or form_post, and each with .jwt
	Scopes       []string       `json:"s,omitempty"`
	Resources    []string       `json:"r,omitempty"`
	State        string         `json:"t,omitempty"`
	Nonce        string         `json:"n,omitempty"`
	Challenge    string         `json:"h,omitempty"` // PKCE, S256
	Prompt       []string       `json:"p,omitempty"`
	MaxAge       *int           `json:"x,omitempty"` // seconds
	LoginHint    string         `json:"l,omitempty"`
	HintSubject  string         `json:"i,omitempty"` // sub of id_token_hint
	ProviderHint string         `json:"d,omitempty"` // idp_hint: the connector to sign in with
	UILocales    []string       `json:"o,omitempty"`
	ACRValues    []string       `json:"a,omitempty"`
	Claims       *ClaimsRequest `json:"k,omitempty"`
	JKT          string         `json:"j,omitempty"` // dpop_jkt, RFC 9449 §10

	pushed bool // it came by PAR
	signed bool // it came in a request object
}

// prompts says whether prompt holds a value.
func (r *AuthorizationRequest) prompts(value string) bool { return contains(r.Prompt, value) }

// wanted is all that consent must cover: the scopes, and those whose claims
// the claims parameter names.
func (r *AuthorizationRequest) wanted() []string {
	wanted := append([]string(nil), r.Scopes...)
	for _, s := range r.Claims.scopesOf() {
		if !contains(wanted, s) {
			wanted = append(wanted, s)
		}
	}
	return wanted
}
