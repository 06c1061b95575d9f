package web

import (
	"bytes"
	"encoding/json"
	"html/template"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/locale/scan"
)

// said executes a template in German.
func said(t *testing.T, catalogue, text string, data any) string {
	t.Helper()
	speaking(t, map[string]string{"de": catalogue})
	page, err := template.New("").Funcs(newVoice(locale.Get("de")).words()).Parse(text)
	ok(t, err)
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return "error: " + err.Error()[strings.LastIndex(err.Error(), ": ")+2:]
	}
	return out.String()
}

func TestSay(t *testing.T) {
	const evil = `"><script>alert(1)</script>{1}`
	for _, row := range []struct{ catalogue, text, want string }{
		{`{}`, `<p>{{t "Don't <b>"}}</p>`, `<p>Don't &lt;b></p>`},
		{`{"a": "<script>alert(1)</script> & \"x\""}`, `<p>{{t "a"}}</p>`, `<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp; "x"</p>`},
		{`{"{0} and {1}": "{1} und {0}"}`, `{{t "{0} and {1}" . "b"}}`, `b und &#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;{1}`},
		{
			`{"{0} and {1}": "{1} und {0}"}`, `{{t "{0} and {1}" (strong .) (el "span" "x" .)}}`,
			`<span id="x">&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;{1}</span> und <strong>&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;{1}</strong>`,
		},
		{`{}`, `{{t "{0}" (code (t "in & out"))}}`, `<code>in &amp; out</code>`},
		{`{"here": "hier"}`, `{{t "{0}" (a "/x?a=1&b=\"" (t "here"))}}`, `<a href="/x?a=1&amp;b=&#34;">hier</a>`},
		{`{}`, `{{a "javascript:alert(1)" "x"}}`, `error: a link in a sentence leads to a path of ours`},
		{`{}`, `{{a "//evil.example" "x"}}`, `error: a link in a sentence leads to a path of ours`},
		{`{}`, `{{a "/\\evil.example" "x"}}`, `error: a link in a sentence leads to a path of ours`},
		{`{}`, `{{el "script" "" "x"}}`, `error: el makes no <script>`},
		{`{}`, `{{el "span" "a\"b" "x"}}`, `<span id="a&#34;b">x</span>`},
		{`{"a {0}": "\" onclick={0}"}`, `<p title="{{ts "a {0}" .}}">`, `<p title="&#34; onclick=&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;{1}">`},
		{`{"a": "<b>\" onclick=x"}`, `<p title="{{t "a"}}">`, `<p title="&lt;b&gt;&#34; onclick=x">`}, // the wrong function, and harmless
		{`{"{n} <{0}>": {"one": "eins <{0}>", "other": "{n} <{0}>"}}`, `{{tn 1 "1 <{0}>" "{n} <{0}>" (strong "x")}} {{tn 2000 "1 <{0}>" "{n} <{0}>" "&"}}`, `eins &lt;<strong>x</strong>&gt; 2.000 &lt;&amp;&gt;`},
		{`{}`, `{{tn "2" "one" "other"}}`, `error: tn counts with whole numbers, not with string`},
	} {
		want := strings.ReplaceAll(row.want, "&lt;b></p>", "&lt;b&gt;</p>")
		if got := said(t, row.catalogue, row.text, evil); got != want {
			t.Errorf("%s\n got %s\nwant %s", row.text, got, want)
		}
	}
}

// An app's name is text in the middle of a sentence too.
func TestNameInASentence(t *testing.T) {
	speaking(t, map[string]string{"de": `{"Sign in to continue to {0}": "Weiter zu {0}, dafür anmelden"}`})
	h := newHouse(t)
	c := h.client("sales", "")
	c.Name = "<script>{0}</script>"
	ok(t, h.Store.UpdateClient(t.Context(), c, false))
	v := h.visitor()
	v.header.Set("Accept-Language", "de")
	v.follow(v.get(authorizePath(c))).has(t, 200, `Weiter zu <span id="client-name">&lt;script&gt;{0}&lt;/script&gt;</span>, dafür anmelden`, `<title>Weiter zu &lt;script&gt;{0}&lt;/script&gt;, dafür anmelden · Valet Key</title>`)
}

// Templates hold no text of their own: all of it goes through t, tn and ts.
func TestTemplatesSpeak(t *testing.T) {
	files := subFS(templateFiles, "templates")
	names, err := fs.Glob(files, "*.html")
	ok(t, err)
	action := regexp.MustCompile(`\{\{(?:"(?:[^"\\]|\\.)*"|[^}"])*\}\}`)
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		ok(t, err)
		root, err := html.ParseWithOptions(strings.NewReader(action.ReplaceAllString(string(text), "")), html.ParseOptionEnableScripting(false))
		ok(t, err)
		for n := range root.Descendants() {
			for _, attribute := range []string{"title", "aria-label", "placeholder", "alt", "data-label", "data-copy"} {
				if hasLetter(attr(n, attribute)) && attr(n, attribute) != "https://" {
					t.Errorf("%s: %s=%q", name, attribute, attr(n, attribute))
				}
			}
			if n.Type == html.TextNode && n.Parent.Data != "script" && hasLetter(n.Data) && !strings.Contains(n.Data, `="`) { // a template of attributes
				t.Errorf("%s: %q", name, strings.TrimSpace(n.Data))
			}
		}
	}
}

var letters = regexp.MustCompile(`\p{L}`)

func hasLetter(s string) bool { return letters.MatchString(s) }

// inBrackets is a catalogue that says each text as it is, between brackets.
func inBrackets(t *testing.T) string {
	t.Helper()
	root, err := scan.Root(".")
	ok(t, err)
	keys, err := scan.Keys(root)
	ok(t, err)
	out := map[string]any{}
	for _, k := range keys {
		text, _, _ := strings.Cut(k.Text, "|")
		if k.Plural() {
			out[k.Text] = map[string]string{"one": "⟦" + k.One + "⟧", "other": "⟦" + text + "⟧"}
		} else {
			out[k.Text] = "⟦" + text + "⟧"
		}
	}
	text, err := json.Marshal(out)
	ok(t, err)
	return string(text)
}

// ours is what stays as it is in every language: names, addresses, words of
// operators and of protocols.
var ours = regexp.MustCompile(`^(Valet Key|Saleswave|Tidy notes|Ada of ada|ada|English|Deutsch|OAuth 2\.1|FAPI 2\.0|curl|Go|Node|RS256|PS256|ES256|EdDSA|` +
	`GitHub|Laptop|Phone|ada-l|Ada Lovelace|Ada|King|Lovelace|Countess|female|https://ada\.example(/me)?|Europe/London|12 St James's Square, Flat 2|SW1Y 4JH|London|England|` +
	`United Kingdom|Ada <b>there</b>|ada@there\.example|<b>(Shop|Notes)</b>|` +
	`Bank|Chat|Mail|Shop|Six|News|Robot|Living room TV|See your organizations|Change your notes|It can add and delete them|` +
	`\p{L}|[a-z.]+\.example|ada@example\.com|[A-Z]{4}-[A-Z]{4}|\d+\. Januar 2030, \d\d:\d\d:\d\d UTC)$`)

// Every page, in a language that puts brackets around what it translates:
// what stands outside of them stayed in English.
func TestNothingStaysInEnglish(t *testing.T) {
	speaking(t, map[string]string{"de": inBrackets(t)})
	reads = "de"
	seen := map[string]bool{}
	watch = func(t *testing.T, name string, a answer) {
		seen[name] = true
		for _, rest := range outsideBrackets(t, a.text) {
			if !ours.MatchString(rest) {
				t.Errorf("%s says in English: %q", name, rest)
			}
		}
	}
	defer func() { watch, reads = nil, "" }()
	t.Run("sign in", TestGoldenSignIn)
	t.Run("portal", TestGoldenPortal)
	t.Run("device", TestGoldenDevice)
	t.Run("guesses", TestDeviceGuesses)
	t.Run("published", TestPublishedApp)
	t.Run("signed out", TestSignedOutPage)
	t.Run("security", TestGoldenSecurity)
	t.Run("account", TestGoldenAccount)
	t.Run("profile", TestProfile)
	t.Run("profile faults", TestProfileFaults)
	t.Run("picture", TestPicture)
	t.Run("elsewhere", TestKeptElsewhere)
	t.Run("email", TestEmailAddress)
	t.Run("no mail", TestEmailWithoutMail)
	t.Run("apps lately", TestAppsLately)
	t.Run("not me", TestNotMe)
	t.Run("deleted", TestDeleteAccount)
	t.Run("own apps", TestDeleteWithApps)
	t.Run("last administrator", TestDeleteLastAdministrator)
	if len(seen) < 45 {
		t.Errorf("only %d pages were seen", len(seen))
	}
	for _, key := range locale.Missing("de") {
		t.Errorf("the scanner doesn't find %q", key)
	}
}

// outsideBrackets are the texts of a page, without what stands in brackets
// and without code.
func outsideBrackets(t *testing.T, text string) []string {
	root, err := html.ParseWithOptions(strings.NewReader(text), html.ParseOptionEnableScripting(false)) // noscript is read too
	ok(t, err)
	var out []string
	depth := 0
	take := func(s string) {
		var plain strings.Builder
		for _, r := range s {
			switch {
			case r == '⟦':
				depth++
			case r == '⟧':
				depth--
			case depth == 0:
				plain.WriteRune(r)
			}
		}
		for part := range strings.FieldsFuncSeq(plain.String(), func(r rune) bool { return strings.ContainsRune("·›|\n", r) }) {
			if part = strings.Trim(part, " ,.:()"); hasLetter(part) {
				out = append(out, part)
			}
		}
	}
	for n := range root.Descendants() {
		if n.Type == html.TextNode && !inCode(n) {
			take(n.Data)
		}
		if n.Type == html.ElementNode && depth == 0 {
			for _, attribute := range []string{"title", "aria-label", "data-label", "data-copy", "data-copy-words"} {
				if !strings.HasPrefix(attr(n, attribute), "Mozilla/") {
					take(attr(n, attribute))
				}
			}
		}
	}
	return out
}

func inCode(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		switch p.Data {
		case "script", "code", "pre", "textarea", "time":
			return true
		}
	}
	return false
}
