package oauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/valetkey/valetkey/internal/seal"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sealer is a server that can seal and open, which is all that parsers need.
func sealer(tb testing.TB) *Server {
	tb.Helper()
	ring, err := seal.Parse(seal.Generate())
	if err != nil {
		tb.Fatal(err)
	}
	return New(Server{Issuer: "https://as.example", Seal: ring, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
}

// FuzzNewRequest: what passes is text, bounded, and read back as it was sent.
func FuzzNewRequest(f *testing.F) {
	for _, query := range []string{
		"", "a=1&a=2", "a=%00", "a=%ff", "%ff=a", "resource=x&resource=x", "state=" + strings.Repeat("s", maxState), "a=1;b=2", "%00=1", "a",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		req, refused := NewRequest(values)
		if refused != nil {
			if refused.Code != CodeInvalidRequest || refused.Description == "" || printable(refused.Parameter) != refused.Parameter {
				t.Fatalf("refused as %+v", refused)
			}
			return
		}
		for name, sent := range values {
			if !utf8.ValidString(req.Get(name)) || strings.ContainsRune(req.Get(name), 0) || len(req.Get(name)) > maxValue {
				t.Fatalf("%q is %q", name, req.Get(name))
			}
			if len(sent) == 1 && req.Get(name) != sent[0] {
				t.Fatalf("%q: %q was read as %q", name, sent[0], req.Get(name))
			}
			if (len(sent) > 1) != req.twice(name) {
				t.Fatalf("%q: sent %d times, twice is %v", name, len(sent), req.twice(name))
			}
			if len(sent) > 1 && !repeatable[name] && req.repeated() == "" {
				t.Fatalf("%q came %d times and nobody noticed", name, len(sent))
			}
		}
	})
}

// FuzzParseRedirectURI: what may be registered is a plain URI of a scheme that
// its kind of app may have, and matches itself and, but for a loopback
// literal's port, nothing else.
func FuzzParseRedirectURI(f *testing.F) {
	for _, text := range []string{
		"https://app.example/cb", "http://127.0.0.1/cb", "http://[::1]:80/cb", "http://127.0.0.1.evil:1/cb", "com.example.app:/cb", "javascript:alert(1)",
		"https://a@b@evil/cb", `https://app.example\@evil`, "https://*.app.example", "https://as.example/cb", "https://app.example/%2e%2e/x", "https:app.example",
		"http://localhost:80@evil/", "https://app.example/cb?code=1", "https://app.example/cb#f", "//app.example/cb", "https://[::1%25eth0]/",
	} {
		f.Add(text, text+"x")
	}
	f.Fuzz(func(t *testing.T, text, sent string) {
		for _, kind := range []ClientType{TypeWeb, TypeSPA, TypeNative} {
			u, refused := ParseRedirectURI(text, kind, "https://as.example")
			if refused != nil {
				if refused.Code != CodeInvalidRedirectURI {
					t.Fatalf("%q: %v", text, refused)
				}
				if u.matches(text) && text != "" {
					t.Fatalf("%q was refused and matches", text)
				}
				continue
			}
			judgeRegistered(t, u, text, kind)
			judgeMatch(t, u, text, sent)
		}
	})
}

func judgeRegistered(t *testing.T, u RedirectURI, text string, kind ClientType) {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil || !u.matches(text) || u.String() != text {
		t.Fatalf("%q: %v, matches itself %v", text, err, u.matches(text))
	}
	switch web := parsed.Scheme == "https" || parsed.Scheme == "http" && isLoopbackHost(parsed.Hostname()); {
	case !web && (kind != TypeNative || !strings.Contains(parsed.Scheme, ".")):
		t.Fatalf("%q for %s", text, kind)
	case web && (parsed.Hostname() == "" || strings.EqualFold(parsed.Hostname(), "as.example") && (parsed.Port() == "" || parsed.Port() == "443")):
		t.Fatalf("%q for %s", text, kind)
	case parsed.User != nil || parsed.Fragment != "" || strings.ContainsAny(text, "*\\ \r\n\x00#"):
		t.Fatalf("%q was taken", text)
	}
}

// judgeMatch: a sent URI that differs from the registered one by more than a
// port of the same loopback literal is another one.
func judgeMatch(t *testing.T, u RedirectURI, text, sent string) {
	t.Helper()
	if sent == text || !u.matches(sent) {
		return
	}
	a, errA := url.Parse(text)
	b, errB := url.Parse(sent)
	if errA != nil || errB != nil || a.Hostname() != b.Hostname() || !slices.Contains([]string{"127.0.0.1", "::1"}, b.Hostname()) ||
		a.Scheme != "http" || b.Scheme != "http" || b.User != nil || a.EscapedPath() != b.EscapedPath() || a.RawQuery != b.RawQuery || b.Fragment != "" {
		t.Fatalf("registered %q, matches %q", text, sent)
	}
}

// FuzzMatchLoopback: RFC 8252 §7.3, the port is free and nothing else.
func FuzzMatchLoopback(f *testing.F) {
	f.Add("http://127.0.0.1/cb", "http://127.0.0.1:80/cb")
	f.Add("http://127.0.0.1:1/cb", "http://127.0.0.1:80@evil/cb")
	f.Add("http://[::1]/", "http://[::1]:65536/")
	f.Add("http://127.0.0.1/cb", "http://127.0.0.1:00080/cb")
	f.Fuzz(func(t *testing.T, registered, sent string) {
		if !matchLoopback(registered, sent) {
			return
		}
		u, err := url.Parse(sent)
		if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" || u.User != nil {
			t.Fatalf("%q matches %q", sent, registered)
		}
	})
}

// FuzzParseBasic: RFC 6749 §2.3.1; what is decoded would be encoded to it.
func FuzzParseBasic(f *testing.F) {
	for _, header := range []string{"Basic d2ViOnB3", "basic  d2ViOnB3", "Basic YSUzQWI6YyUzQWQ=", "Bearer x", "Basic", "", "Basic !!!", "Basic d2Vi", "Basic OnB3"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		id, password, present, err := ParseBasic(header)
		if !present {
			t.Fatal("a header counts as absent")
		}
		if err != nil {
			if id != "" || password != "" || err.Code != CodeInvalidClient {
				t.Fatalf("refused with %q %q %v", id, password, err)
			}
			return
		}
		if id == "" || !clean(id) || !clean(password) {
			t.Fatalf("%q: %q %q", header, id, password)
		}
		again := http.Request{Header: http.Header{}}
		again.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(password))
		id2, password2, _, err := ParseBasic(again.Header.Get("Authorization"))
		if len(again.Header.Get("Authorization")) < 4000 && (err != nil || id2 != id || password2 != password) {
			t.Fatalf("%q %q comes back as %q %q: %v", id, password, id2, password2, err)
		}
	})
}

// FuzzParseScope: RFC 6749 §3.3; joining is the inverse.
func FuzzParseScope(f *testing.F) {
	for _, scope := range []string{"", "a b", "a  b", "a a", `a"`, "ä", " a", strings.Repeat("x ", 101)} {
		f.Add(scope)
	}
	f.Fuzz(func(t *testing.T, scope string) {
		names, err := parseScope(scope)
		if err != nil {
			if names != nil || err.Code != CodeInvalidScope {
				t.Fatalf("%v %v", names, err)
			}
			return
		}
		again, err := parseScope(joinScope(names))
		if err != nil || !slices.Equal(names, again) || len(names) > maxScopes {
			t.Fatalf("%q: %v, then %v, %v", scope, names, again, err)
		}
		for i, n := range names {
			if !ValidScopeName(n) || slices.Contains(names[:i], n) {
				t.Fatalf("%q: %v", scope, names)
			}
		}
	})
}

// FuzzOpenRefresh: only what this server sealed for this client opens, and to
// nothing but itself.
func FuzzOpenRefresh(f *testing.F) {
	s := sealer(f)
	good := refreshToken{ID: strings.Repeat("0", idLength), Seed: newSeed(), Generation: 7}
	sealed := s.sealRefresh(good, "web")
	for _, token := range []string{sealed, sealed + "A", sealed[:len(sealed)-1], "rt_", "", sealed + "\n", strings.Replace(sealed, "rt_", "at_", 1), strings.ToLower(sealed)} {
		f.Add(token, "web")
		f.Add(token, "other")
	}
	f.Fuzz(func(t *testing.T, token, client string) {
		opened, ok := s.openRefresh(token, client)
		if ok && (token != sealed || client != "web" || opened != good) {
			t.Fatalf("%q opens for %q to %+v", token, client, opened)
		}
		if !ok && token == sealed && client == "web" {
			t.Fatal("the right one doesn't open")
		}
		_, _ = rawRefreshID(token)
	})
}

// FuzzOpenCode: an altered code, and an envelope of another kind, is no code.
func FuzzOpenCode(f *testing.F) {
	s := sealer(f)
	content, err := json.Marshal(sealedCode{ID: "id", ClientID: "web", RedirectURI: "https://app.example/cb"})
	if err != nil {
		f.Fatal(err)
	}
	code := s.boxes.code.Seal(content, nil)
	for _, text := range []string{code, code + "A", code[:len(code)-1], strings.ToUpper(code), "ac_", "", "ac_" + s.boxes.interaction.Seal(content, nil), "ac_" + strings.TrimPrefix(s.boxes.access.Seal(content, nil), "at_")} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		opened, err := s.openCode(t.Context(), text)
		if text == code {
			if err != nil || opened.ClientID != "web" {
				t.Fatalf("the right one: %v", err)
			}
			return
		}
		var told *Error
		if err == nil || !errors.As(err, &told) || told.Code != CodeInvalidGrant {
			t.Fatalf("%q: %+v %v", text, opened, err)
		}
	})
}

// FuzzOpenInteraction: an interaction opens in its own browser, unaltered, and
// nowhere else.
func FuzzOpenInteraction(f *testing.F) {
	s := sealer(f)
	in := &Interaction{Request: AuthorizationRequest{ClientID: "web"}, Began: s.Now().Unix()}
	sealed, err := s.SealInteraction(in, "browser")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{sealed, sealed + "A", sealed[1:], "", s.boxes.code.Seal([]byte("{}"), []byte("browser"))} {
		f.Add(text, "browser")
		f.Add(text, "")
		f.Add(text, string(postedBinding))
	}
	f.Fuzz(func(t *testing.T, text, browser string) {
		opened, err := s.OpenInteraction(t.Context(), text, browser)
		right := text == sealed && browser == "browser"
		if right != (err == nil) || right && opened.Request.ClientID != "web" {
			t.Fatalf("%q in %q: %+v %v", text, browser, opened, err)
		}
		if _, err := s.boxes.interaction.Open(text, postedBinding); err == nil && text == sealed {
			t.Fatal("opens as a posted one")
		}
	})
}

// FuzzClaimsParameter: OpenID Connect Core §5.5; what is kept names claims
// that we have, and survives being sealed.
func FuzzClaimsParameter(f *testing.F) {
	for _, text := range []string{
		`{"userinfo":{"email":null},"id_token":{"acr":{"values":["1"]}}}`, `{"userinfo":{"email":null,"email":null}}`, `{"USERINFO":{"email":null}}`,
		`{}`, `[]`, `null`, `{"userinfo":7}`, `{"userinfo":{"email":7}}`, `{"userinfo":{"email":{"essential":"yes"}}}`, `{"userinfo":` + strings.Repeat("[", 500),
		`{"id_token":{"family_name":{"value":{"a":[1,2]}}}}`, "\xff",
	} {
		f.Add(text)
	}
	known := append(StandardClaims(), "sub", "acr", "auth_time")
	f.Fuzz(func(t *testing.T, text string) {
		var into AuthorizationRequest
		if err := (&Server{ACRs: []string{acrOneFactor, acrTwoFactors}}).readClaims(text, func(string) bool { return true }, &into); err != nil {
			if code := told(err); code != "invalid_request claims" && code != "unmet_authentication_requirements claims" || into.Claims != nil {
				t.Fatalf("%v %+v", err, into.Claims)
			}
			return
		}
		if into.Claims == nil {
			return
		}
		for _, wanted := range []map[string]*ClaimRequest{into.Claims.UserInfo, into.Claims.IDToken} {
			for name := range wanted {
				if !slices.Contains(known, name) {
					t.Fatalf("%q is kept", name)
				}
			}
		}
		sealed, err := json.Marshal(into.Claims)
		if err != nil {
			t.Fatal(err)
		}
		var back ClaimsRequest
		if err := json.Unmarshal(sealed, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil || !bytes.Equal(sealed, again) {
			t.Fatalf("%s comes back as %s: %v", sealed, again, err)
		}
		Claims{"email": "x", "name": "y"}.released([]string{ScopeOpenID}, back.UserInfo)
	})
}
