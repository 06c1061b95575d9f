package web

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/locale"
)

func TestForeign(t *testing.T) {
	speaking(t, map[string]string{"de": `{
		"No app is registered under this client_id.": "Unter dieser client_id ist keine App registriert.",
		"Scope {0} is not registered for this app.": "Die Berechtigung {0} ist nicht eingetragen.",
		"{0} must be {1}.": "{0} muss {1} sein.",
		"{0} is missing.": "{0} fehlt.",
		"The DPoP proof is not valid: {0}.": "Der DPoP-Nachweis taugt nicht: {0}."
	}`})
	for _, row := range []struct{ tag, words, want string }{
		{"de", "no app is registered under this client_id", "Unter dieser client_id ist keine App registriert."},
		{"en", "no app is registered under this client_id", "No app is registered under this client_id."},
		{"de", "scope payrol is not registered for this app", "Die Berechtigung payrol ist nicht eingetragen."},
		{"de", "scope  is not registered for this app", "Scope  is not registered for this app."},
		{"de", "response_mode must be query or form_post", "response_mode muss query or form_post sein."},
		{"de", "state is missing", "state fehlt."},
		{"de", "client authentication is missing", "Client authentication is missing."}, // no name has a space
		{"de", "the DPoP proof is not valid: htu must be x. It is y", "Der DPoP-Nachweis taugt nicht: htu must be x. It is y."},
		{"de", "scope {0} is not registered for this app", "Die Berechtigung {0} ist nicht eingetragen."},
		{"de", "nobody said this", "Nobody said this."},
		{"de", "", ""},
	} {
		if got := foreign(locale.Get(row.tag), row.words); got != row.want {
			t.Errorf("%s: %s, want %s", row.words, got, row.want)
		}
	}
}

// Each of the foreign words is said somewhere, as it stands or in a frame.
func TestForeignWordsAreSaid(t *testing.T) {
	said := map[string]bool{}
	for _, dir := range []string{"../../oauth", "."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		ok(t, err)
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") && filepath.Base(file) != "foreign_words.go" {
				literalsOf(t, file, said)
			}
		}
	}
	verb := regexp.MustCompile(`^(\{0\}|\S+) `)
	for _, key := range foreignWords {
		found := said[key]
		if strings.HasPrefix(key, "{0} ") { // the name may stand written out
			for text := range said {
				_, fits := unfill(key, strings.TrimSuffix(verb.ReplaceAllString(text, "x "), ".")+".")
				found = found || fits
			}
		}
		if !found {
			t.Errorf("nobody says %q any more", key)
		}
	}
}

var verbs = regexp.MustCompile(`%[sdq]`)

func literalsOf(t *testing.T, file string, into map[string]bool) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	ok(t, err)
	ast.Inspect(parsed, func(n ast.Node) bool {
		lit, is := n.(*ast.BasicLit)
		if !is || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		ok(t, err)
		i := -1
		text = verbs.ReplaceAllStringFunc(text, func(string) string { i++; return fmt.Sprintf("{%d}", i) })
		into[text] = true // a title has no full stop
		for _, whole := range []string{
			text, "a callback address " + text, "the address" + strings.TrimPrefix(text, "{0}"), "too many " + text + "; try again later",
		} {
			into[sentence(whole)] = true
		}
		return true
	})
}
