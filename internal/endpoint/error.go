package endpoint

import (
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// statuses: RFC 6749 §5.2, RFC 6750 §3.1. A code that isn't here is 400.
var statuses = map[string]int{
	oauth.CodeInvalidClient:          http.StatusUnauthorized,
	oauth.CodeInvalidToken:           http.StatusUnauthorized,
	oauth.CodeInsufficientScope:      http.StatusForbidden,
	oauth.CodeTemporarilyUnavailable: http.StatusServiceUnavailable,
	oauth.CodeServerError:            http.StatusInternalServerError,
	oauth.CodeTooManyRequests:        http.StatusTooManyRequests,
	codeTooLarge:                     http.StatusRequestEntityTooLarge,
}

func statusOf(code string) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusBadRequest
}

type errorDocument struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// fail answers a client of a JSON endpoint: RFC 6749 §5.2.
func (e *Endpoints) fail(w http.ResponseWriter, r *http.Request, err error) {
	told := oauth.AsError(err)
	e.log(r, told)
	noStore(w)
	status := statusOf(told.Code)
	if status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="valetkey"`)
	}
	switch status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	}
	code := told.Code
	if code == codeTooLarge || code == oauth.CodeTooManyRequests {
		code = oauth.CodeInvalidRequest
	}
	writeJSON(w, status, errorDocument{Error: code, Description: told.Description})
}

// failBearer answers the holder of an access token: RFC 6750 §3, RFC 9449 §7.1.
func (e *Endpoints) failBearer(w http.ResponseWriter, r *http.Request, byDPoP bool, err error) {
	told := oauth.AsError(err)
	e.log(r, told)
	noStore(w)
	scheme, status := "Bearer", statusOf(told.Code)
	if told.Code == oauth.CodeInvalidDPoPProof || told.Code == oauth.CodeUseDPoPNonce {
		byDPoP, status = true, http.StatusUnauthorized
	}
	if byDPoP {
		scheme = "DPoP"
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest:
		challenge := scheme + ` error="` + told.Code + `", error_description="` + told.Description + `"`
		if told.Code == oauth.CodeInsufficientScope {
			challenge += `, scope="` + told.Parameter + `"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, errorDocument{Error: told.Code, Description: told.Description})
}

// log tells faults of ours; what a client did wrong is for debugging.
func (e *Endpoints) log(r *http.Request, err *oauth.Error) {
	switch err.Code {
	case oauth.CodeServerError, oauth.CodeTemporarilyUnavailable:
		if r.Context().Err() != nil { // whoever asked has gone; that is no fault
			e.Log.DebugContext(r.Context(), "request given up", "path", r.URL.Path)
			return
		}
	}
	switch err.Code {
	case oauth.CodeServerError, oauth.CodeTemporarilyUnavailable:
		e.Log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err.Error())
	default:
		e.Log.DebugContext(r.Context(), "request refused", "path", r.URL.Path, "code", err.Code, "why", strings.ToValidUTF8(err.Error(), "?"))
	}
}
