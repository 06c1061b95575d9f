package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

func invalidRequestObject(format string, args ...any) *Error {
	return newError(CodeInvalidRequestObject, format, args...).about("request")
}

// requestObjectTypes: RFC 9101 §4 and §10.8.
var requestObjectTypes = []string{"oauth-authz-req+jwt", "JWT", ""}

// Limits of FAPI 2.0 Message Signing §5.3.1, which are good for everybody.
const (
	requestObjectAge  = time.Hour // from nbf to exp, and from nbf to now
	requestObjectSkew = 30 * time.Second
)

// openRequestObject returns the parameters of a request object where there is
// one, and nothing of what stands beside it: RFC 9101 §6.3. Without one the
// request is returned as it is.
func (s *Server) openRequestObject(ctx context.Context, c *Client, req Request) (opened Request, signed bool, refused *Error) {
	text, reference := req.Get("request"), req.Get("request_uri")
	switch {
	case req.twice("request") || req.twice("request_uri"):
		return req, false, invalidRequest("request or request_uri was sent more than once").about("request")
	case text == "" && reference == "":
		return req, false, nil
	case text != "" && reference != "": // RFC 9101 §5
		return req, false, invalidRequest("request and request_uri can't stand together").about("request")
	case reference != "":
		var err *Error
		if text, err = s.fetchRequestObject(ctx, c, reference); err != nil {
			return req, false, err
		}
	}
	claims, err := s.verifyRequestObject(ctx, c, text)
	if err != nil {
		return req, false, err
	}
	opened, err = parametersOf(claims)
	switch {
	case err != nil:
		return req, false, err
	case opened.Get("client_id") != c.ID:
		return req, false, invalidRequestObject("client_id in the request object differs from the one beside it")
	case opened.Get("request") != "" || opened.Get("request_uri") != "":
		return req, false, invalidRequestObject("a request object holds no request or request_uri")
	}
	return opened, true, nil
}

// fetchRequestObject: OpenID Connect Core §6.2. Only addresses that the client
// registered are fetched, so nobody can send us elsewhere: CONTRACT §4, 14.
func (s *Server) fetchRequestObject(ctx context.Context, c *Client, reference string) (string, *Error) {
	if !slices.Contains(c.RequestURIs, reference) || s.Outbound == nil {
		return "", newError(CodeRequestURINotSupported, "request_uri is neither pushed nor registered by this app").about("request_uri")
	}
	if !s.mayAct("request_uri\x00"+reference, 60, time.Minute) {
		return "", invalidRequestURI("request_uri is fetched too often")
	}
	address, _, _ := strings.Cut(reference, "#")
	document, err := s.Outbound.Get(ctx, address, maxKeySetSize)
	if err != nil {
		return "", invalidRequestURI("request_uri could not be fetched").because(err)
	}
	return strings.TrimSpace(string(document.Body)), nil
}

// verifyRequestObject: RFC 9101 §6.2. An unsigned one is none.
func (s *Server) verifyRequestObject(ctx context.Context, c *Client, text string) ([]byte, *Error) {
	_, _, err := jose.KeyID(text)
	switch {
	case strings.Count(text, ".") == 2 && strings.HasSuffix(text, "."): // alg none
		return nil, newError(CodeRequestNotSupported, "unsigned request objects are not supported").about("request")
	case len(c.keys) == 0 && c.JWKSURI == "":
		return nil, newError(CodeRequestNotSupported, "this app registered no keys to verify a request object with").about("request")
	case err != nil:
		return nil, invalidRequestObject("the request object is no signed JWT").because(err)
	}
	keys, err := s.clientKeys(ctx, c, text)
	if err != nil {
		return nil, invalidRequestObject("the keys of the app could not be had").because(err)
	}
	content, _, err := jose.Verify(text, requestObjectTypes, c.algs(c.RequestAlg), keys)
	if err != nil {
		return nil, invalidRequestObject("the request object is not signed by a key of this app").because(err)
	}
	return content, s.checkRequestObject(c, content)
}

// requestObjectClaims are those that speak of the object itself.
type requestObjectClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jose.Audience    `json:"aud"`
	Expires   jose.NumericDate `json:"exp"`
	NotBefore jose.NumericDate `json:"nbf"`
}

// checkRequestObject: RFC 9101 §4 and §10.8; FAPI 2.0 Message Signing §5.3.1 makes iss, aud,
// nbf and exp necessary.
func (s *Server) checkRequestObject(c *Client, content []byte) *Error {
	var o requestObjectClaims
	if err := jose.Decode(content, &o); err != nil {
		return invalidRequestObject("the request object is not well-formed").because(err)
	}
	now, strict := s.Now(), c.Profile == ProfileFAPI2
	expires, begins := time.Unix(int64(o.Expires), 0), time.Unix(int64(o.NotBefore), 0)
	switch {
	case strict && (o.Issuer == "" || len(o.Audience) == 0 || o.Expires == 0 || o.NotBefore == 0):
		return invalidRequestObject("profile fapi2 wants iss, aud, nbf and exp in a request object")
	case o.Issuer != "" && o.Issuer != c.ID:
		return invalidRequestObject("iss of the request object must be the client_id")
	case o.Subject == c.ID:
		return invalidRequestObject("a request object has no sub: it could pass for a client assertion")
	case len(o.Audience) > 0 && !contains(o.Audience, s.Issuer):
		return invalidRequestObject("aud of the request object must be this issuer")
	case o.Expires != 0 && !now.Before(expires.Add(requestObjectSkew)):
		return invalidRequestObject("the request object has expired")
	case o.NotBefore != 0 && begins.After(now.Add(requestObjectSkew)):
		return invalidRequestObject("nbf of the request object lies in the future")
	case strict && (now.Sub(begins) > requestObjectAge || expires.Sub(begins) > requestObjectAge):
		return invalidRequestObject("a request object is good for at most 60 minutes from nbf")
	}
	return nil
}

// notParameters are the claims of the JWT itself.
var notParameters = []string{"iss", "aud", "exp", "nbf", "iat", "jti", "sub"}

// parametersOf turns claims into parameters: strings as they are, numbers and
// truth values as written, objects as their JSON, lists where a parameter may
// be repeated.
func parametersOf(content []byte) (Request, *Error) {
	var claims map[string]json.RawMessage
	if err := jose.Decode(content, &claims); err != nil {
		return Request{}, invalidRequestObject("the request object is not well-formed").because(err)
	}
	params := url.Values{}
	for name, raw := range claims {
		if slices.Contains(notParameters, name) {
			continue
		}
		values, err := parameterValues(name, raw)
		if err != nil {
			return Request{}, invalidRequestObject("%s in the request object is not a value that a parameter can have", printable(name)).because(err)
		}
		params[name] = values
	}
	req, err := NewRequest(params)
	if err != nil {
		return req, invalidRequestObject("%s", err.Description)
	}
	return req, nil
}

func parameterValues(name string, raw json.RawMessage) (values []string, err error) {
	switch raw[0] {
	case '"':
		values = make([]string, 1)
		return values, jose.Decode(raw, &values[0])
	case '[':
		if !repeatable[name] {
			return nil, errors.New("a list")
		}
		return values, jose.Decode(raw, &values)
	case 'n': // null is the same as left out
		return nil, nil
	}
	return []string{string(raw)}, nil
}
