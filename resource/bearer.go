package resource

import (
	"bytes"
	"crypto/x509"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxToken = 16 << 10
	maxForm  = 64 << 10
)

// authenticate finds and checks the request's token.
func (a *API) authenticate(r *http.Request) (*Token, error) {
	text, err := bearer(r.Header["Authorization"])
	switch {
	case r.URL.Query().Has("access_token"): // RFC 9700 §4.3.2: it's in logs by now
		return nil, invalidRequest("an access token in the query is refused; send it in the Authorization header")
	case err != nil:
		return nil, err
	}
	token, err := a.validate(r.Context(), text, certificate(r))
	if err != nil {
		return nil, err
	}
	// Only now, when we know whom we read for.
	if inBody(r) {
		return nil, invalidRequest("the access token was sent twice, in header and body")
	}
	return token, nil
}

// bearer reads the Authorization header (RFC 6750 §2.1). Without one, or with
// another scheme, no token was sent.
func bearer(headers []string) (string, error) {
	if len(headers) > 1 {
		return "", invalidRequest("more than one Authorization header")
	}
	if len(headers) == 0 {
		return "", errNoToken
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errNoToken
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > maxToken || !isB64Token(token) {
		return "", invalidRequest("what follows Bearer is not an access token")
	}
	return token, nil
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

// certificate is the client's, if it showed one on this connection.
func certificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}
