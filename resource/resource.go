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
// Tokens are taken from the Authorization header only, as Bearer (RFC 6750) or
// DPoP (RFC 9449). One that is bound to a key comes as DPoP, with a proof by that
// key; one bound to a client certificate needs that certificate on the
// connection (RFC 8705). Neither is of use to who stole it. A browser's client
// can read the challenges and nonces of another origin only if your CORS answers
// expose WWW-Authenticate and DPoP-Nonce.
//
// A revoked opaque token is refused after IntrospectionCache, a revoked JWT when
// it expires, or at once with Revocations. RequireAuth asks for a better or more
// recent sign-in (RFC 9470).
//
// Let CORS preflights be answered outside of Require: they carry no token.
package resource

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/valetkey/valetkey/internal/dpop"
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
	nonces  *dpop.Nonces // nil without DPoPNonces
	used    *usedProofs
	feed    *feed        // nil without Revocations
	logged  atomic.Int64 // the second in which a failure was logged last
}

// New never fails: with a Config that can't work the API answers 503 and says
// why in the log. Check tells it at start-up. With Revocations, call Close when
// done.
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
	a.used = newUsedProofs(a.c.Now)
	if a.c.DPoPNonces {
		a.nonces = newNonces(a.c)
	}
	if a.c.Revocations {
		a.feed = startFeed(a.server, a.c)
	}
	return a
}

// Close ends the revocation feed, and returns when it has ended. Without one
// there is nothing to close.
func (a *API) Close() {
	if a.feed != nil {
		a.feed.close()
	}
}

// Check tells whether the API can work: whether the Config makes sense, the
// authorization server answers for its issuer, it has keys, and a revocation
// feed if that is wanted.
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
	if err == nil && a.feed != nil {
		err = a.feed.try(ctx)
	}
	return err
}

// Require lets requests through whose token is good and has all of these
// scopes. Others are answered as RFC 6750 §3 says.
func (a *API) Require(scopes ...string) func(http.Handler) http.Handler {
	return a.require(scopes, func(t *Token) error { return t.permits(scopes) })
}

func (a *API) require(scopes []string, permits func(*Token) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			by, err := a.authenticate(r)
			a.offerNonce(w.Header(), by)
			if err == nil {
				err = permits(by.token)
			}
			if errors.Is(err, errNoToken) { // whoever comes without one learns what to ask for: RFC 6750 §3
				err = &refusal{status: errNoToken.status, description: errNoToken.description, scopes: scopes}
			}
			if err != nil {
				a.refuse(w, r, by.scheme, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, by.token)))
		})
	}
}

// Validate checks a token that came by another way than HTTP. The error is
// ErrInvalidToken, ErrUnavailable or the context's. A token bound to a
// certificate or a key is refused: nothing was shown that could prove it.
func (a *API) Validate(ctx context.Context, token string) (*Token, error) {
	if len(token) > maxToken || !isB64Token(token) {
		return nil, invalidToken("the access token is malformed", nil)
	}
	return a.validate(ctx, token, caller{})
}

func (a *API) introspects() bool { return a.c.ClientID != "" }
