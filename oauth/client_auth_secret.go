package oauth

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/secret"
)

// basic reads the Authorization header: RFC 6749 §2.3.1, id and secret are
// form-urlencoded before they are joined and base64-encoded.
func basic(given Credentials) (id, password string, present bool, err *Error) {
	switch len(given.Authorization) {
	case 0:
		return "", "", false, nil
	case 1:
	default:
		return "", "", true, invalidClient("more than one Authorization header")
	}
	return ParseBasic(given.Authorization[0])
}

// ParseBasic decodes an Authorization header of scheme Basic. Another scheme
// is a failed authentication, because the endpoints that call it take no other.
func ParseBasic(header string) (id, password string, present bool, err *Error) {
	refuse := func() (string, string, bool, *Error) {
		return "", "", true, invalidClient("the Authorization header is not a well-formed Basic credential")
	}
	scheme, encoded, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Basic") || len(encoded) > 4096 {
		return refuse()
	}
	raw, e := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(encoded, " "))
	if e != nil || strings.ContainsAny(encoded, "\r\n") {
		return refuse()
	}
	left, right, colon := strings.Cut(string(raw), ":")
	if !colon {
		return refuse()
	}
	id, e1 := url.QueryUnescape(left)
	password, e2 := url.QueryUnescape(right)
	if e1 != nil || e2 != nil || id == "" || !clean(id) || !clean(password) {
		return refuse()
	}
	return id, password, true, nil
}

func clean(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func triedBasic(given Credentials) (string, bool, *Error) {
	id, password, present, err := basic(given)
	return id, present && password != "", err
}

func triedPost(given Credentials) (string, bool, *Error) {
	if given.Request.Get("client_secret") == "" {
		return "", false, nil
	}
	id := given.Request.Get("client_id")
	if id == "" {
		return "", false, invalidClient("client_secret came without client_id").about("client_id")
	}
	return id, true, nil
}

// checkSecret compares in constant time. A secret that we made has 256 bits
// and needs no slow hash; one that an operator chose has its slow hash behind
// a cache.
func checkSecret(ctx context.Context, s *Server, c *Client, given Credentials) error {
	password := given.Request.Get("client_secret")
	if _, fromHeader, present, _ := basic(given); present {
		password = fromHeader
	}
	ok := secret.Matches(password, c.SecretHash)
	if !ok && c.SecretPHC != "" && s.Secret != nil {
		var err error
		if ok, err = s.Secret.Verify(ctx, given.Address, password, c.SecretPHC); err != nil {
			return newError(CodeTemporarilyUnavailable, "too many slow checks at once; try again").because(err)
		}
	}
	if !ok {
		err := invalidClient("client authentication failed")
		s.problem(ctx, c, invalidClient("the client secret was wrong"), "", nil)
		return err
	}
	return nil
}
