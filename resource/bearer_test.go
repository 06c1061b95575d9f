package resource

import (
	"strings"
	"testing"
)

func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{"Bearer abc", "bearer  a.b.c==", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer a,b", "Bearer \x00", "BEARER =", "", " Bearer a", "Bearer\ta", "DPoP abc", "dpop a.b.c", "DPoP"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		scheme, token, err := credentials([]string{header})
		if err != nil {
			if token != "" {
				t.Errorf("%q: an error and %q", header, token)
			}
			return
		}
		sent, rest, _ := strings.Cut(header, " ")
		if scheme != schemeBearer && scheme != schemeDPoP || !strings.EqualFold(sent, scheme) || strings.TrimLeft(rest, " ") != token || token == "" ||
			len(token) > maxToken || strings.ContainsAny(token, " \t\r\n,\"\x00") {
			t.Errorf("%q: %s token %q", header, scheme, token)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{`{"active":true,"aud":"x","exp":1}`, `{"active":false}`, `{}`, `{"active":true,"cnf":{"jkt":1}}`, `[`, `{"active":true,"active":true}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, all, err := parseAnswer(data)
		if (c == nil) != (all == nil) || err != nil && c != nil || c != nil && !c.Active {
			t.Errorf("%q: %v, %v, %v", data, c, all, err)
		}
	})
}

// However many tokens come by, a bounded number is remembered.
func TestAnswersAreBounded(t *testing.T) {
	api := New(Config{Issuer: "http://localhost:1", Audience: "x", ClientID: "a", ClientSecret: "b"})
	a := api.answers
	done := make(chan struct{})
	close(done)
	now := api.c.Now()
	for i := range maxAnswers {
		n := &answer{done: done, until: now.Add(1)}
		if i%2 == 0 {
			n.until = now.Add(1 << 40)
		}
		a.known[[32]byte{byte(i), byte(i >> 8)}] = n
	}
	a.makeRoom()
	if n := len(a.known); n >= maxAnswers || n < maxAnswers-16 {
		t.Errorf("%d after some old ones went", n)
	}
	for i := range maxAnswers {
		a.known[[32]byte{byte(i), byte(i >> 8)}] = &answer{done: done, until: now.Add(1 << 40)}
	}
	a.makeRoom()
	if n := len(a.known); n != maxAnswers-1 {
		t.Errorf("%d after one went", n)
	}
}
