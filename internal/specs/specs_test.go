package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocumentIsCurrent(t *testing.T) {
	root := filepath.Join("..", "..")
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error(document + " isn't current; run: make specs")
	}
}

func TestReferences(t *testing.T) {
	for comment, want := range map[string][]reference{
		"x: RFC 6749 §4.1.2 and §10.5, RFC 9700 §4.5.": {
			{"RFC 6749", "4.1.2"}, {"RFC 6749", "10.5"}, {"RFC 9700", "4.5"},
		},
		"OpenID Connect\nCore §3.1.2.1, seconds; Registration §2 gives a default.": {
			{"OpenID Connect Core", "3.1.2.1"}, {"OpenID Connect Registration", "2"},
		},
		"RFC 6749 §4.4. The client acts for itself (§4.4.3).": {{"RFC 6749", "4.4"}, {"RFC 6749", "4.4.3"}},
		"A resource: RFC 8707, RFC 9728.":                     {{spec: "RFC 8707"}, {spec: "RFC 9728"}},
		"RFC 7636 §4.6; CONTRACT §4, decisions 1 and 3.":      {{"RFC 7636", "4.6"}},
		"CONTRACT §1a. Then OIDC Core §2":                     {{"OpenID Connect Core", "2"}},
		"Core business of a Discovery":                        nil,
		"RP-Initiated Logout §2 and §3":                       {{"OpenID Connect RP-Initiated Logout", "2"}, {"OpenID Connect RP-Initiated Logout", "3"}},
	} {
		if diff := cmp.Diff(want, references(comment), cmp.AllowUnexported(reference{})); diff != "" {
			t.Errorf("%s\n%s", comment, diff)
		}
	}
}

func TestSectionsSortByNumber(t *testing.T) {
	for _, pair := range [][2]string{{"", "1"}, {"4.2", "4.10"}, {"4", "4.1"}, {"3.1.2", "10"}} {
		if compareSections(pair[0], pair[1]) >= 0 || compareSections(pair[1], pair[0]) <= 0 {
			t.Errorf("%q isn't before %q", pair[0], pair[1])
		}
	}
}
