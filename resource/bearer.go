package resource

import (
	"bytes"
	"crypto/x509"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/valetkey/valetkey/internal/dpop"
)

const (
	maxToken = 16 << 10
	maxForm  = 64 << 10

	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// caller is what a request shows of who makes it.
type caller struct {
	scheme      string            // by which the token came, "" when none did
	proof       *dpop.Proof       // nil when it came as Bearer
	certificate *x509.Certificate // nil when there is none
	token       *Token            // nil when it wasn't accepted
}

// authenticate finds and checks the request's token. The caller's scheme is set
// in any case: a refusal answers by it.
func (a *API) authenticate(r *http.Request) (by caller, err error) {
	scheme, text, err := credentials(r.Header["Authorization"])
	by.scheme = scheme
	switch {
	case r.URL.Query().Has("access_token"): // RFC 9700 §4.3.2: it's in logs by now
		return by, invalidRequest("an access token in the query is refused; send it in the Authorization header")
	case err != nil:
		return by, err
	}
	by.certificate = a.c.Certificate(r)
	if scheme == schemeDPoP {
		if by.proof, err = a.readProof(r, text); err != nil {
			return by, err
		}
	}
	if by.token, err = a.validate(r.Context(), text, by); err != nil {
		return by, err
	}
	// Only now, when we know whom we read and remember for.
	if by.proof != nil {
		err = a.useOnce(r.Context(), by.proof)
	}
	if err == nil && inBody(r) {
		err = invalidRequest("the access token was sent twice, in header and body")
	}
	return by, err
}

// credentials reads the Authorization header (RFC 6750 §2.1, RFC 9449 §7.1).
// Without one, or with another scheme, no token was sent.
func credentials(headers []string) (scheme, token string, err error) {
	if len(headers) > 1 {
		return "", "", invalidRequest("more than one Authorization header")
	}
	if len(headers) == 0 {
		return "", "", errNoToken
	}
	scheme, token, _ = strings.Cut(headers[0], " ")
	switch {
	case strings.EqualFold(scheme, schemeBearer):
		scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		scheme = schemeDPoP
	default:
		return "", "", errNoToken
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > maxToken || !isB64Token(token) {
		return scheme, "", invalidRequest("what follows " + scheme + " is not an access token")
	}
	return scheme, token, nil
}

// isB64Token: RFC 6750 §2.1, which admits no comma, quote, blank or control.
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("-._~+/", c) < 0 {
			return false
		}
	}
	return s != ""
}

// inBody looks for RFC 6750 §2.2's parameter in a form of up to 64 KiB and
// leaves the body as it was. Such a token is never used; sent besides another
// it is an error (RFC 6750 §2).
func inBody(r *http.Request) bool {
	if r.PostForm != nil { // somebody read it before us
		return r.PostForm.Has("access_token")
	}
	form, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || form != "application/x-www-form-urlencoded" || r.Body == nil {
		return false
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	var rest io.Reader = r.Body
	if err != nil {
		rest = failing{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), r.Body}
	values, _ := url.ParseQuery(string(head)) // what it could read, at least
	return values.Has("access_token")
}

// failing repeats an error to the handler that reads on.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// peerCertificate is the client's, if it showed one on this connection.
func peerCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}
