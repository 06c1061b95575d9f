package demo

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Step is one of the things that happened, as the page shows it.
type Step struct {
	Title    string
	Words    string
	Request  string
	Response string
	Failed   bool
	Claims   []Claim
}

// Claim is one claim of a decoded token, explained.
type Claim struct{ Name, Value, Meaning string }

// recorder is a transport that writes down what passes.
type recorder struct {
	next  http.RoundTripper
	steps []Step
}

// RoundTrip notes the request and its answer, with every secret shortened.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := drain(&req.Body)
	if err != nil {
		return nil, err
	}
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answer, err := drain(&resp.Body)
	if err != nil {
		return nil, err
	}
	r.steps = append(r.steps, Step{
		Request: requestText(req, body), Response: responseText(resp, answer), Failed: resp.StatusCode >= 400,
		Claims: tokenClaims(answer),
	})
	return resp, nil
}

func drain(body *io.ReadCloser) ([]byte, error) {
	if *body == nil {
		return nil, nil
	}
	content, err := io.ReadAll(io.LimitReader(*body, 1<<20))
	if err != nil {
		return nil, err
	}
	if err := (*body).Close(); err != nil {
		return nil, err
	}
	*body = io.NopCloser(bytes.NewReader(content))
	return content, nil
}

func requestText(req *http.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nHost: %s\n", req.Method, req.URL.RequestURI(), req.URL.Host)
	if auth := req.Header.Get("Authorization"); auth != "" {
		scheme, credential, _ := strings.Cut(auth, " ")
		fmt.Fprintf(&b, "Authorization: %s %s\n", scheme, shorten(credential))
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "Content-Type: %s\n\n%s", req.Header.Get("Content-Type"), formText(string(body)))
	}
	return b.String()
}

// formText puts each parameter on a line of its own.
func formText(body string) string {
	values, err := url.ParseQuery(body)
	if err != nil {
		return ""
	}
	var lines []string
	for name := range values {
		lines = append(lines, "&"+name+"="+shortenIf(name, values.Get(name)))
	}
	slices.Sort(lines)
	return strings.TrimPrefix(strings.Join(lines, "\n"), "&")
}

func responseText(resp *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", resp.Status)
	for _, name := range []string{"Content-Type", "Cache-Control", "WWW-Authenticate", "Location"} {
		if v := resp.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	if len(body) == 0 {
		return b.String()
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "", "  ") == nil {
		body = pretty.Bytes()
	}
	return b.String() + "\n" + shortenJSON(string(body))
}

var secretMember = regexp.MustCompile(`("(?:access_token|refresh_token|id_token)": ")([^"]+)"`)

func shortenJSON(body string) string {
	return secretMember.ReplaceAllStringFunc(body, func(match string) string {
		parts := secretMember.FindStringSubmatch(match)
		return parts[1] + shorten(parts[2]) + `"`
	})
}

var secretNames = []string{"code", "client_secret", "refresh_token", "access_token", "token", "code_verifier", "state", "id_token_hint"}

func shortenIf(name, value string) string {
	if slices.Contains(secretNames, name) {
		return shorten(value)
	}
	return value
}

// shorten keeps enough of a secret to recognise it and too little to use it.
func shorten(s string) string {
	if len(s) <= 14 {
		return "…"
	}
	return s[:8] + "…" + s[len(s)-4:]
}

var meanings = map[string]string{
	"iss": "who issued it: the server", "sub": "who it speaks for: the user, by a stable id", "aud": "which API may take it",
	"client_id": "which app holds it", "exp": "when it ends", "iat": "when it was made", "jti": "its own id; revoking names it",
	"scope": "what the user allowed", "auth_time": "when the user signed in", "acr": "how strongly the user signed in",
	"amr": "by what: a password", "nonce": "ties the answer to the app's request", "azp": "for which app it was made",
	"sid": "the user's session at the server", "at_hash": "ties it to the access token",
}

// tokenClaims decodes the access token of a token answer, claim by claim. A
// client has no need to; it is here for people to see.
func tokenClaims(answer []byte) []Claim {
	var tokens struct {
		Access string `json:"access_token"`
	}
	if json.Unmarshal(answer, &tokens) != nil || strings.Count(tokens.Access, ".") != 2 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens.Access, ".")[1])
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var members map[string]any
	if decoder.Decode(&members) != nil {
		return nil
	}
	var claims []Claim
	for _, name := range []string{"iss", "sub", "aud", "client_id", "scope", "exp", "iat", "jti", "auth_time", "acr", "amr"} {
		if value, ok := members[name]; ok {
			claims = append(claims, Claim{Name: name, Value: claimText(name, value), Meaning: meanings[name]})
		}
	}
	return claims
}

func claimText(name string, value any) string {
	if number, ok := value.(json.Number); ok && (name == "exp" || name == "iat" || name == "auth_time") {
		if seconds, err := number.Int64(); err == nil {
			return fmt.Sprintf("%d (%s)", seconds, time.Unix(seconds, 0).UTC().Format("15:04:05 UTC"))
		}
	}
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}
