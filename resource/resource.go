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
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/valetkey/valetkey/internal/jose"
)

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
