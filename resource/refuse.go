package resource

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrInvalidToken is behind every refusal of a token.
	ErrInvalidToken = errors.New("invalid access token")
	// ErrUnavailable says that the token can't be judged now: the authorization
	// server doesn't answer. Trying again may help.
	ErrUnavailable = errors.New("authorization server unavailable")

	errRevoked = invalidToken("the access token has been revoked", nil)
	errNoToken = &refusal{status: http.StatusUnauthorized, description: "an access token is needed"}
)

// refusal is an answer of RFC 6750 §3.1.
type refusal struct {
	status      int
	code        string // "" when no token was sent
	description string // in ASCII, without quotes
	scopes      []string
	step        StepUp
	kind, cause error // the cause is for the log only
}

func (e *refusal) Error() string {
	if e.cause != nil {
		return e.description + ": " + e.cause.Error()
	}
	return e.description
}

// Unwrap makes errors.Is work for the exported kinds.
func (e *refusal) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func invalidToken(description string, cause error) error {
	return &refusal{status: http.StatusUnauthorized, code: "invalid_token", description: description, kind: ErrInvalidToken, cause: cause}
}

func invalidRequest(description string) error {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", description: description}
}

func insufficientScope(scopes []string) error {
	return &refusal{status: http.StatusForbidden, code: "insufficient_scope", description: "the access token lacks a scope", scopes: scopes}
}

func unavailable(cause error) error {
	return &refusal{status: http.StatusServiceUnavailable, description: "the access token can't be checked now", kind: ErrUnavailable, cause: cause}
}

const retryAfter = 5 // seconds

// refuse writes the answer. A token that is refused is everyday business and
// logged for debugging only; a server that can't be reached is not.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, scheme string, err error) {
	var e *refusal
	if !errors.As(err, &e) { // the request's context ended while it waited
		e = &refusal{status: http.StatusServiceUnavailable, description: "the request was given up", cause: err}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	if e.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
		if now := a.c.Now().Unix(); a.logged.Swap(now) != now { // one line a second is enough
			a.c.Log.ErrorContext(r.Context(), "resource: "+e.description, "error", e.cause)
		}
	} else {
		for _, challenge := range a.challenges(scheme, e) {
			h.Add("WWW-Authenticate", challenge)
		}
		a.c.Log.DebugContext(r.Context(), "resource: request refused", "status", e.status, "error", e)
	}
	w.WriteHeader(e.status)
	body := map[string]string{"error_description": e.description}
	if e.code != "" {
		body["error"] = e.code
	}
	_ = json.NewEncoder(w).Encode(body)
}

// challenges are one of RFC 9449 §7.1 for what came by DPoP. Else there is the
// one of RFC 6750 §3, and beside a 401 the other scheme is offered, as in RFC
// 9449 §7.2: a token bound to a key needs it.
func (a *API) challenges(scheme string, e *refusal) []string {
	offer := []param{{"algs", proofAlgs}}
	switch {
	case scheme == schemeDPoP:
		return []string{challenge(schemeDPoP, a.params(e), offer)}
	case e.status != http.StatusUnauthorized:
		return []string{challenge(schemeBearer, a.params(e))}
	}
	return []string{challenge(schemeBearer, a.params(e)), challenge(schemeDPoP, offer, a.where())}
}

type param struct{ name, value string }

// params: RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1. Without a token there is no
// error code (RFC 6750 §3.1).
func (a *API) params(e *refusal) (list []param) {
	if e.code != "" {
		list = append(list, param{"error", e.code}, param{"error_description", e.description})
	}
	list = append(list, param{"scope", strings.Join(e.scopes, " ")}, param{"acr_values", strings.Join(e.step.ACR, " ")})
	if e.step.MaxAge > 0 {
		list = append(list, param{"max_age", strconv.FormatInt(int64(e.step.MaxAge/time.Second), 10)})
	}
	return append(list, a.where()...)
}

func (a *API) where() []param { return []param{{"resource_metadata", a.c.ResourceMetadata}} }

// challenge is RFC 9110 §11.6.1; empty parameters are left out.
func challenge(scheme string, lists ...[]param) string {
	text := ""
	for _, p := range slices.Concat(lists...) {
		if p.value != "" {
			text += `, ` + p.name + `="` + quotable(p.value) + `"`
		}
	}
	return strings.TrimSuffix(scheme+" "+strings.TrimPrefix(text, ", "), " ")
}

// quotable drops what RFC 6750 §3 doesn't allow between the quotes.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}
