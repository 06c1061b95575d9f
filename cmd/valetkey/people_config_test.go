package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey"
)

func readPeople(t *testing.T, text string) (seed, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "valetkey.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var s seed
	_, err := readConfig(path, nil, &s)
	return s, err
}

// TestAuthenticatorsInConfiguration: entries lie over the chain that a server has
// by itself.
func TestAuthenticatorsInConfiguration(t *testing.T) {
	s, err := readPeople(t, `
authenticators:
  - {name: password, enabled: false}
  - {name: email, order: 5}
  - {name: totp, enabled: false}
groups:
  staff: {factors: 2, admin: true}
`)
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string, factor int) bool {
		return slices.ContainsFunc(s.Chain, func(a valetkey.Authenticator) bool { return a.Name == name && a.Factor == factor })
	}
	if has("password", 1) || !has("email", 1) || has("totp", 2) || !has("passkey", 1) || !has("passkey", 2) {
		t.Errorf("%+v", s.Chain)
	}
	if g := s.groups()["staff"]; g.Factors != 2 || !g.Admin {
		t.Errorf("%+v", g)
	}
}

// TestPeopleMistakes: each is told with its line and what would be right.
func TestPeopleMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"authenticators:\n  - {name: fingerprint}\n":                                           "isn't known",
		"authenticators:\n  - {name: password, factor: 2}\n":                                   "can't be factor 2",
		"authenticators:\n  - {enabled: true}\n":                                               "name is missing",
		"authenticators:\n  - {name: password, template: own.html}\n":                          "title is missing",
		"authenticators:\n  - {name: password, colour: red}\n":                                 "colour",
		"connectors:\n  corp:\n    kind: oidc\n    issuer: not an address\n    client_id: x\n": ":4:",
		"connectors:\n  corp: {kind: carrier-pigeon}\n":                                        "kind",
		"connectors: [1]\n":                                                "connectors",
		"branding:\n  accent: '#ffff00'\n":                                 "contrast",
		"branding:\n  logo: nowhere.png\n":                                 "nowhere.png",
		"branding:\n  links: [{text: Help, url: 'javascript:alert(1)'}]\n": "https",
		"groups:\n  staff: {power: much}\n":                                "power",
	} {
		_, err := readPeople(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "valetkey.yaml:") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
