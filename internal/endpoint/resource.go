package endpoint

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// userinfo: OpenID Connect Core §5.3; the token comes in the header or, by
// POST, in the body, and never in both: RFC 6750 §2.
func (e *Endpoints) userinfo(w http.ResponseWriter, r *http.Request) {
	call, ok := e.resourceCall(w, r)
	if !ok {
		return
	}
	answer, err := e.OAuth.UserInfo(r.Context(), call)
	e.nonce(w, call.Given, err)
	if err != nil {
		e.failBearer(w, r, call.DPoP, err)
		return
	}
	noStore(w)
	if answer.JWT != "" {
		writeText(w, "application/jwt", answer.JWT)
		return
	}
	writeJSON(w, http.StatusOK, answer.Claims)
}

// revocations is the feed of revoked tokens, a long poll.
func (e *Endpoints) revocations(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	r = r.Clone(r.Context())
	r.URL.RawQuery = "" // its own parameters; a token in it is not looked at
	call, ok := e.resourceCall(w, r)
	if !ok {
		return
	}
	err := e.OAuth.FeedReader(r.Context(), call)
	e.nonce(w, call.Given, err)
	if err != nil {
		e.failBearer(w, r, call.DPoP, err)
		return
	}
	asked := oauth.FeedCall{Seen: query.Get("seen")}
	for name, set := range map[string]func(int64){
		"since": func(n int64) { asked.Since = time.Unix(n, 0) },
		"wait":  func(n int64) { asked.Wait = time.Duration(min(n, 3600)) * time.Second },
	} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			e.fail(w, r, invalid(name+" is a number of seconds", err))
			return
		}
		set(n)
	}
	patient := http.NewResponseController(w) // ReadFeed ends by itself
	_ = patient.SetReadDeadline(time.Time{}) // else net/http calls the request off
	_ = patient.SetWriteDeadline(time.Time{})
	answer, err := e.OAuth.ReadFeed(r.Context(), asked)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	noStore(w)
	writeJSON(w, http.StatusOK, answer)
}

// resourceCall reads the access token of a request; without one it answers
// itself with a challenge that names no error: RFC 6750 §3.1, RFC 9449 §7.1.
func (e *Endpoints) resourceCall(w http.ResponseWriter, r *http.Request) (oauth.ResourceCall, bool) {
	call := oauth.ResourceCall{Given: e.sender(r)}
	token, byDPoP, refused := accessToken(w, r)
	switch {
	case refused != nil:
		e.failBearer(w, r, byDPoP, refused)
		return call, false
	case token == "":
		noStore(w)
		w.Header().Add("WWW-Authenticate", "Bearer")
		w.Header().Add("WWW-Authenticate", `DPoP algs="RS256 ES256 EdDSA PS256"`)
		w.WriteHeader(http.StatusUnauthorized)
		return call, false
	}
	call.Token, call.DPoP = token, byDPoP
	return call, true
}

func accessToken(w http.ResponseWriter, r *http.Request) (token string, byDPoP bool, refused *oauth.Error) {
	if err := refuseQuery(r); err != nil {
		return "", false, err
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", false, invalid("more than one Authorization header", nil)
	}
	if len(headers) == 1 {
		scheme, value, _ := strings.Cut(headers[0], " ")
		byDPoP = strings.EqualFold(scheme, "DPoP")
		if token = strings.TrimSpace(value); !byDPoP && !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", false, &oauth.Error{Code: oauth.CodeInvalidToken, Description: "the Authorization header is no Bearer or DPoP token"}
		}
	}
	if r.Method != http.MethodPost || r.ContentLength == 0 {
		return token, byDPoP, nil
	}
	req, err := readForm(w, r)
	switch {
	case err != nil && token != "" && r.Header.Get("Content-Type") == "":
		return token, byDPoP, nil
	case err != nil:
		return "", byDPoP, err
	case req.Get("access_token") != "" && token != "":
		return "", byDPoP, invalid("the access token was sent twice", nil)
	case token == "":
		token = req.Get("access_token")
	}
	return token, byDPoP, nil
}
