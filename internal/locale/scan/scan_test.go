package scan

import (
	"fmt"
	"strings"
	"testing"
)

func found(t *testing.T, name, text string) string {
	t.Helper()
	k := &keys{found: map[string]*Key{}}
	read := k.template
	if strings.HasSuffix(name, ".go") {
		read = func(where, text string) error { return k.source(where, []byte(text)) }
	}
	if err := read(name, text); err != nil {
		t.Fatal(err)
	}
	var out []string
	for text, key := range k.found {
		out = append(out, key.One+">"+text)
	}
	return fmt.Sprint(len(out), " ", strings.Join(out, ";"), k.faults)
}

func TestFindings(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"x.html", `{{t "a"}}`, "1 >a[]"},
		{"x.html", `<p title="{{ts "a"}}">`, "1 >a[]"},
		{"x.html", `{{tn .N "one a" "{n} a" .X}}`, "1 one a>{n} a[]"},
		{"x.html", `{{if t "a"}}{{else}}{{end}}`, "1 >a[]"},
		{"x.html", `{{template "x" field 2 "id" (ts "a") .B}}`, "1 >a[]"},
		{"x.html", `{{define "x"}}{{range .}}{{with .A}}{{else}}{{strong (t "a")}}{{end}}{{end}}{{end}}`, "1 >a[]"},
		{"x.html", `{{t .Why}}`, "0 [x.html: t takes its text written out: t .Why]"},
		{"x.html", `{{"a" | t}}`, "0 [x.html: t takes its text written out: t]"},
		{"x.html", `{{t ""}}`, "0 [x.html: an empty text]"},
		{"x.html", `{{title "a"}}`, "0 []"},
		{"x.html", `{{t "a"}}{{tn 1 "one" "a"}}`, `1 >a[x.html: "a" stands with "one" for one, and elsewhere (x.html) with ""]`},
		{"x.go", "package x\nvar a = locale.Key(\"a\")", "1 >a[]"},
		{"x.go", "package x\nvar a = locale.Key(b)", "0 [x.go: locale.Key marks a text, not a variable]"},
		{"x.go", "package x\nfunc f() { v.l.T(\"a\" + `b`, c) }", "1 >ab[]"},
		{"x.go", "package x\nfunc f() { w.say(r).N(n, \"1 a\", (\"{n} a\")) }", "1 1 a>{n} a[]"},
		{"x.go", "package x\nvar a = &login.Invalid{Field: \"x\", Why: \"a\"}; var b = Invalid{Why: f()}; var c = Other{Why: \"b\"}", "1 >a[]"},
		{"x.go", "package x\nfunc f() { l.T(key); l.N(n, a, b); T(\"c\"); l.T(1) }", "0 []"},
	} {
		if got := found(t, row.name, row.text); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.text, got, row.want)
		}
	}
}

func TestFaults(t *testing.T) {
	ks := []Key{{Text: "Hello {0}"}, {Text: "{n} of {0}", One: "1 of {0}"}, {Text: "Bye"}}
	for _, row := range []struct{ tag, text, want string }{
		{"de", `{"Hello {0}": "Hallo {0}", "{n} of {0}": {"one": "einer von {0}", "other": "{n} von {0}"}}`, ""},
		{"de", `{"Hello {0}": "Hallo"}`, `"Hello {0}" lacks {0}`},
		{"de", `{"Bye": "Ade {1}"}`, `"Bye" has {1}, which the English hasn't`},
		{"de", `{"Bye": " "}`, `"Bye" is empty`},
		{"de", `{"Bye": 1}`, `"Bye" is neither a text nor an object of plural forms`},
		{"de", `{"Bye": {"other": "Ade"}}`, `"Bye" has plural forms and depends on no number`},
		{"de", `{"{n} of {0}": "{n} von {0}"}`, `"{n} of {0}" depends on a number and has no plural forms`},
		{"de", `{"{n} of {0}": {"other": "{n} von {0}"}}`, `"{n} of {0}" one: is empty`},
		{"ja", `{"{n} of {0}": {"other": "{0}の{n}"}}`, ""},
		{"ja", `{"{n} of {0}": {"one": "{0}", "other": "{0}の{n}"}}`, `"{n} of {0}" one is no form of this language`},
		{"fr", `{"{n} of {0}": {"one": "un de {0}", "other": "{n} de {0}"}}`, `"{n} of {0}" one: lacks {n}`},
	} {
		c, err := Read([]byte(row.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Faults(row.tag, ks), "; "); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.text, got, row.want)
		}
	}
	c, _ := Read([]byte(`{"Bye": "Ade", "Old": "Alt"}`))
	if lacks, stale := c.Lacks(ks), c.Stale(ks); len(lacks) != 2 || len(stale) != 1 || stale[0] != "Old" {
		t.Errorf("%v %v", lacks, stale)
	}
	for _, bad := range []string{`[]`, `{"a": "b", "a": "c"}`, `{"a"`, `{"a": }`} {
		if _, err := Read([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
