package oauth

import (
	"errors"
	"fmt"
)

// Error is a protocol error: what the client is told, and what we log.
type Error struct {
	Code        string // from the spec's registry, e.g. "invalid_grant"
	Description string // for the client's developer; safe to show
	Parameter   string // the request parameter at fault, when there is one
	App         string // the name of the app whose request it was, for a page
	Cause       error  // for our log only, never sent

	isNoted bool // the client's owner has been told, with more detail
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Description, e.Cause)
	}
	return e.Code + ": " + e.Description
}

func (e *Error) Unwrap() error { return e.Cause }

// because adds the cause for our log and returns the same error.
func (e *Error) because(err error) *Error {
	e.Cause = err
	return e
}

// about names the parameter at fault; error pages show it.
func (e *Error) about(parameter string) *Error {
	e.Parameter = parameter
	return e
}

// noted marks that the owner has been told already.
func (e *Error) noted() *Error {
	e.isNoted = true
	return e
}

// What a Store answers besides success. A caller tells them apart with
// errors.Is; anything else is a fault of ours.
var (
	ErrNotFound    = errors.New("not found")
	ErrReplayed    = errors.New("used before")
	ErrConflict    = errors.New("conflict")
	ErrEnded       = errors.New("ended")
	ErrUnavailable = errors.New("storage is unavailable")
	ErrProofUsed   = errors.New("a once-only proof was used before")
)

// The codes of RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6 (and Unmet Authentication Requirements 1.0),
// RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 8707 §2, RFC 9101 §6, RFC 7591 §3.2.2, RFC 8628 §3.5 and RFC 9449 §5, §8.
// too_many_requests is ours: it goes with status 429.
const (
	CodeInvalidRequest          = "invalid_request"
	CodeInvalidClient           = "invalid_client"
	CodeInvalidGrant            = "invalid_grant"
	CodeInvalidScope            = "invalid_scope"
	CodeInvalidTarget           = "invalid_target"
	CodeInvalidToken            = "invalid_token"
	CodeInsufficientScope       = "insufficient_scope"
	CodeUnauthorizedClient      = "unauthorized_client"
	CodeUnsupportedGrantType    = "unsupported_grant_type"
	CodeUnsupportedResponseType = "unsupported_response_type"
	CodeUnsupportedTokenType    = "unsupported_token_type"
	CodeAccessDenied            = "access_denied"
	CodeLoginRequired           = "login_required"
	CodeConsentRequired         = "consent_required"
	CodeInteractionRequired     = "interaction_required"
	CodeSelectionRequired       = "account_selection_required"
	CodeUnmetAuthentication     = "unmet_authentication_requirements"
	CodeRequestNotSupported     = "request_not_supported"
	CodeRequestURINotSupported  = "request_uri_not_supported"
	CodeRegistrationUnsupported = "registration_not_supported"
	CodeInvalidRedirectURI      = "invalid_redirect_uri"
	CodeInvalidClientMetadata   = "invalid_client_metadata"
	CodeInvalidRequestObject    = "invalid_request_object"
	CodeInvalidRequestURI       = "invalid_request_uri"
	CodeInvalidDPoPProof        = "invalid_dpop_proof"
	CodeUseDPoPNonce            = "use_dpop_nonce"
	CodeAuthorizationPending    = "authorization_pending"
	CodeSlowDown                = "slow_down"
	CodeExpiredToken            = "expired_token"
	CodeTooManyRequests         = "too_many_requests"
	CodeServerError             = "server_error"
	CodeTemporarilyUnavailable  = "temporarily_unavailable"
)

func newError(code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

func invalidRequest(format string, args ...any) *Error {
	return newError(CodeInvalidRequest, format, args...)
}

func invalidClient(format string, args ...any) *Error {
	return newError(CodeInvalidClient, format, args...)
}

func invalidGrant(format string, args ...any) *Error {
	return newError(CodeInvalidGrant, format, args...)
}

func invalidScope(format string, args ...any) *Error {
	return newError(CodeInvalidScope, format, args...).about("scope")
}

func invalidToken(format string, args ...any) *Error {
	return newError(CodeInvalidToken, format, args...)
}

// AsError turns any error into what may be told: an *Error as it is, a store
// that can't be reached as temporarily_unavailable, all else as server_error.
func AsError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrUnavailable):
		return newError(CodeTemporarilyUnavailable, "the server can't reach its storage; try again").because(err)
	default:
		return newError(CodeServerError, "the server met an error of its own").because(err)
	}
}
