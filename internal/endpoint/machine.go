package endpoint

import (
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// introspectionJWT: RFC 9701 §4.
const introspectionJWT = "application/token-introspection+jwt"

func (e *Endpoints) introspectJWT(w http.ResponseWriter, r *http.Request, given oauth.Credentials) {
	token, err := e.OAuth.IntrospectionJWT(r.Context(), given)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	noStore(w)
	writeText(w, introspectionJWT, token)
}

// push: RFC 9126 §2.
func (e *Endpoints) push(w http.ResponseWriter, r *http.Request) {
	given, refused := e.credentials(w, r)
	if refused != nil {
		e.fail(w, r, refused)
		return
	}
	answer, err := e.OAuth.Push(r.Context(), given)
	e.nonce(w, given, err)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	noStore(w)
	writeJSON(w, http.StatusCreated, answer)
}

// deviceAuthorization: RFC 8628 §3.1.
func (e *Endpoints) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	given, refused := e.credentials(w, r)
	if refused != nil {
		e.fail(w, r, refused)
		return
	}
	answer, err := e.OAuth.AuthorizeDevice(r.Context(), given)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	noStore(w)
	writeJSON(w, http.StatusOK, answer)
}

// register: RFC 7591 §3.
func (e *Endpoints) register(w http.ResponseWriter, r *http.Request) {
	call, ok := e.registrationCall(w, r)
	if !ok {
		return
	}
	answer, err := e.OAuth.Register(r.Context(), call)
	if err != nil {
		e.failRegistration(w, r, err)
		return
	}
	noStore(w)
	writeJSON(w, http.StatusCreated, answer)
}

// registration is a client's own address: RFC 7592 §2.
func (e *Endpoints) registration(w http.ResponseWriter, r *http.Request) {
	call, ok := e.registrationCall(w, r)
	if !ok {
		return
	}
	var answer *oauth.Registration
	var err error
	switch r.Method {
	case http.MethodPut:
		answer, err = e.OAuth.UpdateRegistration(r.Context(), call)
	case http.MethodDelete:
		err = e.OAuth.DeleteRegistration(r.Context(), call)
	default:
		answer, err = e.OAuth.ReadRegistration(r.Context(), call)
	}
	if err != nil {
		e.failRegistration(w, r, err)
		return
	}
	noStore(w)
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (e *Endpoints) registrationCall(w http.ResponseWriter, r *http.Request) (oauth.RegistrationCall, bool) {
	call := oauth.RegistrationCall{Address: e.Address(r), ID: r.PathValue("client_id")}
	if refused := refuseQuery(r); refused != nil {
		e.fail(w, r, refused)
		return call, false
	}
	if headers := r.Header.Values("Authorization"); len(headers) == 1 {
		scheme, token, _ := strings.Cut(headers[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			call.Token = strings.TrimSpace(token)
		}
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return call, true
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		noStore(w)
		writeJSON(w, http.StatusUnsupportedMediaType, errorDocument{Error: oauth.CodeInvalidRequest, Description: "the body must be application/json"})
		return call, false
	}
	if call.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody)); err != nil {
		e.fail(w, r, &oauth.Error{Code: codeTooLarge, Description: "the body could not be read, or is larger than 64 KiB", Cause: err})
		return call, false
	}
	return call, true
}

// failRegistration: RFC 7591 §3.2.2; a bad token is RFC 6750's.
func (e *Endpoints) failRegistration(w http.ResponseWriter, r *http.Request, err error) {
	switch told := oauth.AsError(err); told.Code {
	case oauth.CodeInvalidToken:
		e.failBearer(w, r, false, told)
	case oauth.CodeAccessDenied:
		noStore(w)
		writeJSON(w, http.StatusForbidden, errorDocument{Error: told.Code, Description: told.Description})
	default:
		e.fail(w, r, told)
	}
}
