package endpoint

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// authorize: RFC 6749 §3.1.
func (e *Endpoints) authorize(w http.ResponseWriter, r *http.Request) {
	req, refused := readQuery(r)
	if refused != nil {
		e.Pages.Error(w, r, refused)
		return
	}
	session, err := e.Pages.Session(r)
	if err != nil {
		e.Pages.Error(w, r, oauth.AsError(err))
		return
	}
	standing := oauth.Standing{Session: session}
	var reply oauth.Reply
	if envelope := req.Get("i"); envelope != "" && req.Get("client_id") == "" {
		reply, err = e.OAuth.AuthorizeSealed(r.Context(), envelope, standing)
	} else {
		reply, err = e.OAuth.Authorize(r.Context(), req.From(e.Address(r)), standing)
	}
	e.reply(w, r, reply, err)
}

// authorizePosted: OpenID Connect Core §3.1.2.1 allows POST. The session
// isn't visible to a cross-site POST, so a GET follows.
func (e *Endpoints) authorizePosted(w http.ResponseWriter, r *http.Request) {
	req, refused := readForm(w, r)
	if refused == nil && r.URL.RawQuery != "" {
		refused = invalid("parameters belong either into the query or into the body", nil)
	}
	if refused != nil {
		e.Pages.Error(w, r, refused)
		return
	}
	envelope, refusal, err := e.OAuth.AuthorizePosted(r.Context(), req.From(e.Address(r)))
	if err != nil || refusal != nil {
		e.reply(w, r, refusal, err)
		return
	}
	noStore(w)
	w.Header().Set("Location", e.OAuth.Issuer+oauth.PathAuthorize+"?i="+url.QueryEscape(envelope))
	w.WriteHeader(http.StatusSeeOther)
}

func (e *Endpoints) reply(w http.ResponseWriter, r *http.Request, reply oauth.Reply, err error) {
	if err != nil {
		told := oauth.AsError(err)
		e.log(r, told)
		e.Pages.Error(w, r, told)
		return
	}
	e.Pages.Reply(w, r, reply)
}

// credentials reads a POST to an endpoint that clients call.
func (e *Endpoints) credentials(w http.ResponseWriter, r *http.Request) (oauth.Credentials, *oauth.Error) {
	if err := refuseQuery(r); err != nil {
		return oauth.Credentials{}, err
	}
	req, err := readForm(w, r)
	if err != nil {
		return oauth.Credentials{}, err
	}
	given := e.sender(r)
	given.Request, given.Authorization, given.Address = req, r.Header.Values("Authorization"), e.Address(r)
	return given, nil
}

// sender is what a request shows of keys, by DPoP or certificate.
func (e *Endpoints) sender(r *http.Request) oauth.Credentials {
	return oauth.Credentials{DPoP: r.Header["Dpop"], Certificates: e.Certificates(r), Method: r.Method, Path: r.URL.Path}
}

// nonce gives a client the nonce for its next DPoP proof: RFC 9449 §8.2.
func (e *Endpoints) nonce(w http.ResponseWriter, given oauth.Credentials, err error) {
	if len(given.DPoP) == 0 && err == nil {
		return
	}
	nonce := ""
	if err != nil {
		nonce = e.OAuth.NonceFor(err)
	} else {
		nonce = e.OAuth.FreshNonce()
	}
	if nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
}

// token: RFC 6749 §3.2.
func (e *Endpoints) token(w http.ResponseWriter, r *http.Request) {
	given, refused := e.credentials(w, r)
	if refused != nil {
		e.fail(w, r, refused)
		return
	}
	answer, err := e.OAuth.Token(r.Context(), given)
	e.nonce(w, given, err)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	noStore(w)
	writeJSON(w, http.StatusOK, answer)
}

// introspect: RFC 7662 §2.
func (e *Endpoints) introspect(w http.ResponseWriter, r *http.Request) {
	given, refused := e.credentials(w, r)
	if refused != nil {
		e.fail(w, r, refused)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), introspectionJWT) {
		e.introspectJWT(w, r, given)
		return
	}
	answer, err := e.OAuth.Introspect(r.Context(), given)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	noStore(w)
	writeJSON(w, http.StatusOK, answer)
}

// revoke: RFC 7009 §2; 200 with an empty body and no content type.
func (e *Endpoints) revoke(w http.ResponseWriter, r *http.Request) {
	given, refused := e.credentials(w, r)
	if refused != nil {
		e.fail(w, r, refused)
		return
	}
	if err := e.OAuth.Revoke(r.Context(), given); err != nil {
		e.fail(w, r, err)
		return
	}
	noStore(w)
	w.Header()["Content-Type"] = nil // keeps net/http from guessing one
	w.WriteHeader(http.StatusOK)
}

// jwks: RFC 7517 §5.
func (e *Endpoints) jwks(w http.ResponseWriter, r *http.Request) {
	document, err := e.JWKS(r.Context())
	if err != nil {
		e.fail(w, r, err)
		return
	}
	cacheable(w)
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document)
}

// metadata: OpenID Connect Discovery §4, RFC 8414 §3.
func (e *Endpoints) metadata(w http.ResponseWriter, r *http.Request) {
	document, err := e.OAuth.Metadata(r.Context())
	if err != nil {
		e.fail(w, r, err)
		return
	}
	cacheable(w)
	writeJSON(w, http.StatusOK, document)
}

// cacheable: an hour at most, since a signing key is published a day before it
// signs.
func cacheable(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header()["X-Content-Type-Options"] = noSniffValue
}
