package jose_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/jose"
)

type claims struct {
	Sub string           `json:"sub"`
	Iss string           `json:"iss"`
	Aud jose.Audience    `json:"aud"`
	Exp jose.NumericDate `json:"exp"`
}

// Case 124: one name, one spelling.
func Test124Names(t *testing.T) {
	tests := map[string]string{
		`{"sub":"a"}`:                        "a",
		`{"s\u0075b":"a"}`:                   "a", // the same name, written with an escape
		`{"sub":"a","sub":"b"}`:              "invalid",
		`{"sub":"a","s\u0075b":"b"}`:         "invalid",
		`{"x":1,"sub":"a","x":2}`:            "invalid",
		`{"SUB":"a"}`:                        "",
		`{"Sub":"a"}`:                        "",
		"{\"\u017Fub\":\"a\"}":               "", // ſub
		"{\"\u017Fub\":\"b\",\"sub\":\"a\"}": "a",
		`{"sub":"a","SUB":"b"}`:              "a",
		`{"sub":7}`:                          "invalid",
		`{"sub":["a"]}`:                      "invalid",
		`{"iss":["https://example.com"]}`:    "invalid", // case 125
		`{"sub":"a"} `:                       "a",
		`{"sub":"a"}{"sub":"b"}`:             "invalid",
		`{"sub":"a"}x`:                       "invalid",
		`{"sub":"a",}`:                       "invalid",
		`{'sub':'a'}`:                        "invalid",
		`{"sub":"a"`:                         "invalid",
		``:                                   "invalid",
		"{\"sub\":\"\xff\"}":                 "invalid",
		"\xef\xbb\xbf{\"sub\":\"a\"}":        "invalid",
		`{"sub":"` + strings.Repeat("a", 64<<10) + `"}`:                                  "invalid",
		`{"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `,"sub":"a"}`:      "a",
		`{"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `,"sub":"a"}`:      "invalid",
		`{"x":` + strings.Repeat("[", 30000) + strings.Repeat("]", 30000) + `,"sub":""}`: "invalid",
		`{"x":"` + strings.Repeat("[", 40) + `\"[","sub":"a"}`:                           "a",
	}
	for text, want := range tests {
		var c claims
		err := jose.Decode([]byte(text), &c)
		got := c.Sub
		if errors.Is(err, jose.ErrInvalid) {
			got = "invalid"
		} else if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
	var m map[string]any
	if err := jose.Decode([]byte(`{"a":{"b":1,"b":2}}`), &m); !errors.Is(err, jose.ErrInvalid) {
		t.Errorf("twice, deep in a map: %v", err)
	}
}

// Case 125: times are numbers, audiences are strings.
func Test125Types(t *testing.T) {
	tests := map[string]string{
		`{"exp":1700000000}`:          "1700000000 []",
		`{"exp":1700000000.9}`:        "1700000000 []",
		`{"exp":1.7e9}`:               "1700000000 []",
		`{"exp":1.5}`:                 "1 []", // allowed by RFC 7519 §2, and long past
		`{"exp":0}`:                   "0 []",
		`{}`:                          "0 []",
		`{"exp":"123"}`:               "invalid",
		`{"exp":1e400}`:               "invalid",
		`{"exp":-1}`:                  "invalid",
		`{"exp":-0}`:                  "invalid",
		`{"exp":253402300800}`:        "invalid",
		`{"exp":9223372036854775807}`: "invalid",
		`{"exp":1` + strings.Repeat("0", 400) + `}`: "invalid",
		`{"exp":null}`:       "invalid",
		`{"exp":true}`:       "invalid",
		`{"exp":[1]}`:        "invalid",
		`{"exp":NaN}`:        "invalid",
		`{"aud":"a"}`:        "0 [a]",
		`{"aud":["a"]}`:      "0 [a]",
		`{"aud":["a","b"]}`:  "0 [a b]",
		`{"aud":7}`:          "invalid",
		`{"aud":[]}`:         "invalid",
		`{"aud":[1]}`:        "invalid",
		`{"aud":["a",1]}`:    "invalid",
		`{"aud":["a",null]}`: "invalid",
		`{"aud":[["a"]]}`:    "invalid",
		`{"aud":""}`:         "invalid",
		`{"aud":["a",""]}`:   "invalid",
		`{"aud":null}`:       "invalid",
		`{"aud":{"a":1}}`:    "invalid",
		`{"aud":true}`:       "invalid",
	}
	for text, want := range tests {
		var c claims
		err := jose.Decode([]byte(text), &c)
		got := fmt.Sprint(c.Exp, c.Aud)
		if errors.Is(err, jose.ErrInvalid) {
			got = "invalid"
		} else if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.60s: %s, want %s", text, got, want)
		}
	}
}

func TestAudience(t *testing.T) {
	for want, a := range map[string]jose.Audience{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}} {
		if got, err := json.Marshal(a); string(got) != want || err != nil {
			t.Errorf("%v: %s, %v", a, got, err)
		}
	}
	a := jose.Audience{"a", "b"}
	if !a.Contains("b") || a.Contains("c") || a.Contains("") || jose.Audience(nil).Contains("") {
		t.Error("Contains is wrong")
	}
}

// OIDC Core A.3's at_hash, and the halves of two hashes.
func TestHalfHash(t *testing.T) {
	const token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	for _, alg := range []jose.Alg{jose.RS256, jose.ES256, jose.PS256} {
		if got := jose.HalfHash(alg, token); got != "77QmUPtjPfzWtF2AnpK9RQ" {
			t.Errorf("%s: %s", alg, got)
		}
	}
	if got := jose.HalfHash(jose.EdDSA, "abc"); got != "3a81oZNherrMQXNJriBBMRLm-k6JqX6iCp7u5ktV05o" {
		t.Errorf("EdDSA: %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"sub":"a","aud":["a"],"exp":1.5e9}`, `{"sub":"a","sub":"b"}`, `{"aud":7}`, `[[[[`, `"\ud800"`, `{"exp":1e400}`, "{\"\u017Fub\":\"a\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c claims
		err := jose.Decode(data, &c)
		if err != nil && !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("an error of another kind: %v", err)
		}
		if err == nil && (!json.Valid(data) || c.Exp < 0 || c.Aud != nil && len(c.Aud) == 0) {
			t.Errorf("%q reads as %+v", data, c)
		}
		var m map[string]any
		_ = jose.Decode(data, &m)
	})
}
