// Package endpoint speaks HTTP: it reads what the protocol's endpoints are
// sent, asks package oauth what to do, and writes the answer. It decides
// nothing and shows no page of its own.
package endpoint

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// Endpoints are the protocol on HTTP.
type Endpoints struct {
	OAuth   *oauth.Server
	Pages   Pages
	JWKS    func(context.Context) ([]byte, error)
	Origins Origins
	Address func(*http.Request) string // the client's, from trusted proxies only
	// Certificates are those that the client showed, to us or to a trusted proxy.
	Certificates func(*http.Request) []*x509.Certificate
	Log          *slog.Logger
}

// Pages are what people see; internal/web has them.
type Pages interface {
	// Browser returns the value that binds an interaction to this browser,
	// and sets its cookie when there is none.
	Browser(w http.ResponseWriter, r *http.Request) string
	// Session returns who is signed in; the zero Session when nobody is.
	Session(r *http.Request) (oauth.Session, error)
	// Reply sends the browser to a page or back to the client.
	Reply(w http.ResponseWriter, r *http.Request, reply oauth.Reply)
	// Error shows an error page.
	Error(w http.ResponseWriter, r *http.Request, err *oauth.Error)
}

// Origins knows the browser apps that may read answers: CORS.
type Origins interface {
	// AppOrigin says whether a registered browser app lives at an origin.
	AppOrigin(ctx context.Context, origin string) (bool, error)
}

// Routes registers every endpoint.
func (e *Endpoints) Routes(mux *http.ServeMux) {
	for _, path := range []string{oauth.PathAuthorize, "/authorise"} {
		mux.Handle(path, methods{"GET": e.authorize, "POST": e.authorizePosted})
	}
	e.MachineRoutes(mux)
	mux.Handle(oauth.PathRegister, methods{"POST": e.register})
	mux.Handle(oauth.PathRegister+"/{client_id}", methods{"GET": e.registration, "PUT": e.registration, "DELETE": e.registration})
	mux.Handle(oauth.PathJWKS, public(methods{"GET": e.jwks}))
	for _, path := range wellKnown(e.OAuth.Issuer) {
		mux.Handle(path, public(methods{"GET": e.metadata}))
	}
}

// MachineRoutes registers the endpoints that programs call, which are also
// those where a client certificate counts.
func (e *Endpoints) MachineRoutes(mux *http.ServeMux) {
	mux.Handle(oauth.PathToken, e.cors(methods{"POST": e.token}))
	mux.Handle(oauth.PathPushed, e.cors(methods{"POST": e.push}))
	mux.Handle(oauth.PathIntrospect, e.cors(methods{"POST": e.introspect}))
	mux.Handle(oauth.PathRevoke, e.cors(methods{"POST": e.revoke}))
	mux.Handle(oauth.PathUserInfo, e.cors(methods{"GET": e.userinfo, "POST": e.userinfo}))
	mux.Handle(oauth.PathDeviceAuthorization, methods{"POST": e.deviceAuthorization})
	mux.Handle(oauth.PathRevocations, methods{"GET": e.revocations})
}

// wellKnown lists the paths of both documents: OpenID Connect Discovery §4
// appends to the issuer, RFC 8414 §3 inserts before the issuer's path.
func wellKnown(issuer string) []string {
	var paths []string
	_, after, _ := strings.Cut(issuer, "://")
	_, path, _ := strings.Cut(after, "/")
	for _, name := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		paths = append(paths, name)
		if path != "" {
			paths = append(paths, name+"/"+path)
		}
	}
	return paths
}

// methods answers by request method; HEAD is answered like GET where that is,
// all else is 405 with Allow: RFC 9110 §15.5.6.
type methods map[string]http.HandlerFunc

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if handle, ok := m[method]; ok {
		handle(w, r)
		return
	}
	allowed := make([]string, 0, len(m))
	for name := range m {
		allowed = append(allowed, name)
	}
	slices.Sort(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	noStore(w)
	w.WriteHeader(http.StatusMethodNotAllowed)
}
