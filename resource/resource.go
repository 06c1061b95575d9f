// Package resource protects an API with the access tokens of Valet Key, or of
// any authorization server that follows RFC 9068.
//
//	api := resource.New(resource.Config{
//		Issuer:   "https://example.com",
//		Audience: "https://api.example.com",
//	})
//	mux.Handle("/notes", api.Require("notes:read")(notes))
//
// A handler behind Require asks FromContext who is calling:
//
//	token := resource.FromContext(r.Context())
//	fmt.Fprintf(w, "Hello %s", token.Subject)
//
// JWTs are verified here, against the server's key set, which is fetched when
// first needed and kept. Opaque tokens are introspected, if ClientID and
// ClientSecret are set. When the authorization server can't be reached and
// nothing is known about a token, the answer is 503 and not 401: the caller's
// token may be fine, and should not be thrown away.
//
// Tokens are taken from the Authorization header only. A token that is bound
// to a key (DPoP) is refused, since a stolen one would pass; one bound to a
// client certificate needs that certificate on the connection.
//
// Let CORS preflights be answered outside of Require: they carry no token.
package resource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// Config says whose tokens are accepted, and for what.
type Config struct {
	// Issuer is the authorization server, exactly as in its metadata: https,
	// or http on a loopback host.
	Issuer string
	// Audience is this API's name, its URL as a rule: what clients ask for by
	// the resource parameter (RFC 8707) and tokens carry in aud.
	Audience string

	// ClientID and ClientSecret let opaque tokens be introspected (RFC 7662).
	// Without them only JWTs are accepted.
	ClientID     string
	ClientSecret string
	// IntrospectionCache is how long an answer is good, and so how long a
	// revoked opaque token goes on working. Default 5 s; negative: not at all.
	IntrospectionCache time.Duration

	// Algs are the accepted signature algorithms: any of ES256, RS256, PS256
	// and EdDSA, which is the default.
	Algs []string
	// Leeway is how far the two clocks may be apart when exp, nbf and iat are
	// judged. Default 5 s; negative: none.
	Leeway time.Duration

	// ResourceMetadata is the URL where Metadata is served. Set, every refusal
	// names it, and a client can find its way from there (RFC 9728 §5.1).
	ResourceMetadata string
	// Scopes are listed in the metadata.
	Scopes []string

	// HTTPClient speaks to the authorization server. Default: 5 s, no
	// redirects. Answers of more than 64 KiB are refused in any case.
	HTTPClient *http.Client
	Log        *slog.Logger     // default slog.Default()
	Now        func() time.Time // default time.Now
}

// API checks tokens. Any number of goroutines may use it.
type API struct {
	c       Config
	algs    []jose.Alg
	wrong   error // what is wrong with the Config
	server  *server
	keys    *keySet
	answers *answers
	logged  atomic.Int64 // the second in which a failure was logged last
}

// New never fails: with a Config that can't work the API answers 503 and says
// why in the log. Check tells it at start-up.
func New(c Config) *API {
	a := &API{c: c.withDefaults()}
	a.algs, a.wrong = a.c.validate()
	if a.wrong != nil {
		a.c.Log.Error("resource: every request will be answered 503", "error", a.wrong)
		return a
	}
	a.server = newServer(a.c)
	a.keys = newKeySet(a.server, a.c.Now)
	a.answers = newAnswers(a.server, a.c)
	return a
}

// Check tells whether the API can work: whether the Config makes sense, the
// authorization server answers for its issuer, and it has keys.
func (a *API) Check(ctx context.Context) error {
	if a.wrong != nil {
		return a.wrong
	}
	doc, err := a.server.metadata(ctx)
	if err != nil {
		return err
	}
	if a.introspects() && doc.IntrospectionEndpoint == "" {
		return errors.New("resource: the authorization server has no introspection endpoint")
	}
	keys, err := a.keys.get(ctx, "")
	if err == nil && !slices.ContainsFunc(keys, func(k jose.PublicKey) bool { return slices.Contains(a.algs, k.Alg) }) {
		err = errors.New("resource: the authorization server has no key for the accepted algorithms")
	}
	return err
}

// Require lets requests through whose token is good and has all of these
// scopes. Others are answered as RFC 6750 §3 says.
func (a *API) Require(scopes ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := a.authenticate(r)
			if err == nil {
				err = token.permits(scopes)
			}
			if err != nil {
				a.refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, token)))
		})
	}
}

// Validate checks a token that came by another way than HTTP. The error is
// ErrInvalidToken, ErrUnavailable or the context's. A token bound to a certificate or a key
// is refused.
func (a *API) Validate(ctx context.Context, token string) (*Token, error) {
	if len(token) > maxToken || !isB64Token(token) {
		return nil, invalidToken("the access token is malformed", nil)
	}
	return a.validate(ctx, token, nil)
}

func (a *API) introspects() bool { return a.c.ClientID != "" }

func (c Config) withDefaults() Config {
	if c.IntrospectionCache == 0 {
		c.IntrospectionCache = 5 * time.Second
	}
	if c.Leeway == 0 {
		c.Leeway = 5 * time.Second
	}
	c.Leeway = max(c.Leeway, 0)
	if c.Algs == nil {
		c.Algs = []string{"ES256", "RS256", "PS256", "EdDSA"}
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{
			Timeout:       fetchTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // an API has no other wiring than this
	}
	return c
}

func (c Config) validate() (algs []jose.Alg, err error) {
	switch issuer, err := secureURL(c.Issuer); {
	case err != nil:
		return nil, fmt.Errorf("resource: Issuer: %w", err)
	case issuer.RawQuery != "" || issuer.ForceQuery: // RFC 8414 §2
		return nil, errors.New("resource: Issuer must have no query")
	case c.Audience == "":
		return nil, errors.New("resource: Audience must be set: without it, tokens for any other API would do")
	case (c.ClientID == "") != (c.ClientSecret == ""):
		return nil, errors.New("resource: ClientID and ClientSecret go together")
	}
	for _, name := range c.Algs {
		alg := jose.Alg(name)
		if !alg.Valid() {
			return nil, fmt.Errorf("resource: Algs: %q is none of ES256, RS256, PS256 and EdDSA", name)
		}
		algs = append(algs, alg)
	}
	return algs, nil
}

// secureURL takes https everywhere and http where nobody can listen.
func secureURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not an absolute URL", s)
	}
	host := u.Hostname()
	loopback := host == "localhost" || host == "127.0.0.1" || host == "::1"
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return nil, fmt.Errorf("%q is neither https nor on a loopback host", s)
	}
	return u, nil
}
