package endpoint

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/valetkey/valetkey/oauth"
)

// MaxBody is how many bytes a form may have.
const MaxBody = 64 << 10

func invalid(description string, cause error) *oauth.Error {
	return &oauth.Error{Code: oauth.CodeInvalidRequest, Description: description, Cause: cause}
}

// readQuery takes parameters from the query and only from there. Go drops a
// pair that it can't decode and goes on; here it is an error.
func readQuery(r *http.Request) (oauth.Request, *oauth.Error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return oauth.Request{}, invalid("the query is not well-formed", err)
	}
	return oauth.NewRequest(values)
}

// readForm takes parameters from the body and only from there, so that a
// credential in the query is never read: CONTRACT §4, decision 6.
func readForm(w http.ResponseWriter, r *http.Request) (oauth.Request, *oauth.Error) {
	body, err := readBody(w, r)
	if err != nil {
		return oauth.Request{}, err
	}
	values, fault := url.ParseQuery(string(body))
	if fault != nil {
		return oauth.Request{}, invalid("the body is not well-formed", fault)
	}
	return oauth.NewRequest(values)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *oauth.Error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || len(r.Header.Values("Content-Type")) > 1 {
		return nil, invalid("the body must be application/x-www-form-urlencoded", err)
	}
	if len(r.TransferEncoding) > 0 {
		// Whatever a proxy thought where the body ends, nothing follows it.
		w.Header().Set("Connection", "close")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &oauth.Error{Code: codeTooLarge, Description: "the body is larger than 64 KiB"}
	case err != nil:
		w.Header().Set("Connection", "close")
		return nil, invalid("the body could not be read", err)
	}
	return body, nil
}

// codeTooLarge is told as invalid_request, with status 413.
const codeTooLarge = "too_large"

// refuseQuery: what belongs into a body must not stand in a URL, where logs
// and histories keep it. RFC 6749 §2.3.1, RFC 9700 §4.3.2.
func refuseQuery(r *http.Request) *oauth.Error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("the query is not well-formed", err)
	}
	for _, name := range []string{
		"client_id", "client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "token", "access_token",
		"grant_type", "username", "password", "redirect_uri", "scope", "device_code", "assertion", "subject_token", "actor_token",
		"request", "id_token_hint",
	} {
		if query.Has(name) {
			return invalid("parameters belong into the body, not into the query", nil)
		}
	}
	return nil
}
