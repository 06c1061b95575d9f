package locale

import (
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// speak is a house of languages that say little.
func speak(t *testing.T, catalogues map[string]string) {
	t.Helper()
	files := fstest.MapFS{}
	for tag, text := range catalogues {
		files[tag+".json"] = &fstest.MapFile{Data: []byte(text)}
	}
	t.Cleanup(Use(files))
}

func speakAll(t *testing.T) {
	speak(t, map[string]string{"de": "{}", "fr": "{}", "es": "{}", "ja": "{}", "ar": "{}"})
}

func TestT(t *testing.T) {
	speak(t, map[string]string{
		"de": `{"Hello {0}": "Hallo {0}", "{0} wants {1}": "{1} will {0}", "none|of the keys": "keine", "empty": ""}`,
		"ar": `{"Hello {0}": "مرحبا {0}"}`,
	})
	for _, row := range []struct {
		tag, key string
		args     []any
		want     string
	}{
		{"en", "Hello {0}", []any{"Ada"}, "Hello Ada"},
		{"de", "Hello {0}", []any{"Ada"}, "Hallo Ada"},
		{"de", "{0} wants {1}", []any{"A", "B"}, "B will A"},
		{"de", "Hello {0}", []any{"{1}{0}{n}"}, "Hallo {1}{0}{n}"},
		{"de", "{0} wants {1}", []any{"{1}", "{0}"}, "{0} will {1}"},
		{"de", "Hello {0}", nil, "Hallo {0}"},
		{"de", "Nobody says {0} so", []any{1234}, "Nobody says 1.234 so"},
		{"en", "none|of the keys", nil, "none"},
		{"de", "none|of the keys", nil, "keine"},
		{"de", "other|of the keys", nil, "other"},
		{"de", "empty", nil, "empty"},
		{"en", "{", []any{"x"}, "{"},
		{"en", "{{0}} {9} {x} {0", []any{"x"}, "{x} {9} {x} {0"},
		{"ar", "Hello {0}", []any{"Ada"}, "مرحبا \u2068Ada\u2069"},
		{"en", "Hello {0}", []any{"عدا"}, "Hello \u2068عدا\u2069"},
		{"en", "Hello {0}", []any{"a\u202eb"}, "Hello \u2068a\u202eb\u2069"},
		{"en", "Hello {0}", []any{"日本 é"}, "Hello 日本 é"},
		{"nl", "Hello {0}", []any{"Ada"}, "Hello Ada"},
	} {
		if got := Get(row.tag).T(row.key, row.args...); got != row.want {
			t.Errorf("%s %q: %q, want %q", row.tag, row.key, got, row.want)
		}
	}
	if got := strings.Join(Missing("de"), "; "); got != "Nobody says {0} so; empty; other|of the keys" {
		t.Errorf("missing: %s", got)
	}
	if got := Get("de").Try("An operator's | own words"); got != "An operator's | own words" || len(Missing("de")) != 3 {
		t.Errorf("%q", got)
	}
	if got := Get("de").Try("Hello {0}"); got != "Hallo {0}" {
		t.Errorf("%q", got)
	}
}

func TestMarkup(t *testing.T) {
	speak(t, map[string]string{"de": `{"a < {0}": "{0} > a", "{n} <": {"one": "ein <", "other": "{n} <"}}`})
	say := Markup{Get("de"), func(s string) string { return strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(s) }}
	if got := say.T("a < {0}", "<b>{0}</b>"); got != "<b>{0}</b> &gt; a" {
		t.Error(got)
	}
	if got := say.N(2, "1 <", "{n} <") + say.N(1, "1 <", "{n} <"); got != "2 &lt;ein &lt;" {
		t.Error(got)
	}
}

func TestPlural(t *testing.T) {
	speak(t, map[string]string{
		"ar": `{"{n} files": {"zero": "zero", "one": "one", "two": "two", "few": "few {n}", "many": "many {n}", "other": "other {n}"}}`,
		"ja": `{"{n} files": {"other": "{n}個"}}`,
		"fr": `{"{n} files": {"one": "{n} fichier", "other": "{n} fichiers"}}`,
		"de": `{}`,
	})
	for _, row := range []struct {
		tag  string
		n    int
		want string
	}{
		{"ar", 0, "zero"},
		{"ar", 1, "one"},
		{"ar", 2, "two"},
		{"ar", 3, "few 3"},
		{"ar", 10, "few 10"},
		{"ar", 11, "many 11"},
		{"ar", 99, "many 99"},
		{"ar", 100, "other 100"},
		{"ar", 102, "other 102"},
		{"ar", 103, "few 103"},
		{"ar", 1011, "many 1,011"},
		{"ja", 0, "0個"},
		{"ja", 1, "1個"},
		{"ja", 12345, "12,345個"},
		{"fr", 0, "0 fichier"},
		{"fr", 1, "1 fichier"},
		{"fr", 2, "2 fichiers"},
		{"fr", 1234567, "1\u202f234\u202f567 fichiers"},
		{"en", 0, "0 files"},
		{"en", 1, "1 file"},
		{"en", 2, "2 files"},
		{"en", 1000, "1,000 files"},
		{"de", 1, "1 file"},
		{"de", 2000, "2.000 files"},
	} {
		if got := Get(row.tag).N(row.n, "1 file", "{n} files"); got != row.want {
			t.Errorf("%s %d: %q, want %q", row.tag, row.n, got, row.want)
		}
	}
	for tag, want := range map[string]int{"ar": 6, "ja": 1, "fr": 2, "de": 2} {
		if got := Forms(tag); len(got) != want {
			t.Errorf("%s: %v", tag, got)
		}
	}
	if f := Forms("fr"); f["one"] {
		t.Error("French says one of nought too")
	}
	if f := Forms("ar"); !f["two"] || f["few"] {
		t.Errorf("%v", f)
	}
}

func TestMatch(t *testing.T) {
	speakAll(t)
	long := strings.Repeat("x-", 4000) + "de"
	for _, row := range []struct {
		ui             string
		chosen, accept string
		want           string
	}{
		{"", "", "", "en"},
		{"", "", "*", "en"},
		{"", "", "de", "de"},
		{"", "", "de-CH,de;q=0.9,en;q=0.8", "de"},
		{"", "", "en-US,en;q=0.9,de;q=0.8", "en"},
		{"", "", "en;q=0.1,de;q=0.8", "de"},
		{"", "", "de;q=0,ja", "ja"},
		{"", "", "zh-CN,zh;q=0.9", "en"},
		{"", "", "pt-BR,pt;q=0.9,es;q=0.3", "es"},
		{"", "", "ar-EG", "ar"},
		{"", "", "fr-CA;q=oops", "en"},
		{"", "", long, "en"},
		{"", "", "ja," + long, "ja"},
		{"", "fr", "de", "fr"},
		{"", "xx", "de", "de"},
		{"", "FR", "de", "de"}, // the cookie is ours: it has our spelling
		{"", long, "de", "de"},
		{"ja", "fr", "de", "ja"},
		{"xx ja", "fr", "de", "ja"},
		{"de-AT en", "fr", "", "de"},
		{"zh ko", "fr", "de", "fr"},
		{"zh", "", "de", "de"},
		{long, "", "de", "de"},
		{strings.Repeat("zh ", 10) + "fr", "", "de", "de"},
	} {
		got := Match(strings.Fields(row.ui), row.chosen, row.accept).Tag
		if got != row.want {
			t.Errorf("ui %.30q chosen %.30q accept %.40q: %s, want %s", row.ui, row.chosen, row.accept, got, row.want)
		}
	}
}

func TestWhatIsSpoken(t *testing.T) {
	speak(t, map[string]string{"ar": "{}", "de": "{}"})
	if got := strings.Join(Tags(), " "); got != "en de ar" {
		t.Error(got)
	}
	var names []string
	for _, l := range All() {
		names = append(names, l.Tag+" "+l.Dir+" "+l.Name)
	}
	if got := strings.Join(names, ", "); got != "en ltr English, de ltr Deutsch, ar rtl العربية" {
		t.Error(got)
	}
	if got := Match([]string{"fr"}, "", "ja"); got.Tag != "en" {
		t.Errorf("%s has no catalogue", got.Tag)
	}
	if again := Get("de"); Get("de") != again || Get("fr") != Get("en") {
		t.Error("one of each")
	}
}

func TestTime(t *testing.T) {
	speakAll(t)
	at := time.Date(2026, 11, 21, 9, 5, 3, 0, time.FixedZone("", 3600))
	first := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	for tag, want := range map[string][3]string{
		"en": {"21 November 2026", "21 November 2026, 08:05:03 UTC", "1 August 2026"},
		"de": {"21. November 2026", "21. November 2026, 08:05:03 UTC", "1. August 2026"},
		"fr": {"21 novembre 2026", "21 novembre 2026 à 08:05:03 UTC", "1er août 2026"},
		"es": {"21 de noviembre de 2026", "21 de noviembre de 2026, 08:05:03 UTC", "1 de agosto de 2026"},
		"ja": {"2026年11月21日", "2026年11月21日 08:05:03 UTC", "2026年8月1日"},
		"ar": {"21 نوفمبر 2026", "21 نوفمبر 2026، 08:05:03 UTC", "1 أغسطس 2026"},
	} {
		l := Get(tag)
		if got := [3]string{l.Day(at), l.Exact(at), l.Day(first)}; got != want {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
	en := Get("en")
	for ago, want := range map[time.Duration]string{
		0: "just now", time.Minute: "1 minute ago", 59 * time.Minute: "59 minutes ago", time.Hour: "1 hour ago", 47 * time.Hour: "1 day ago",
		13 * 24 * time.Hour: "13 days ago", 14 * 24 * time.Hour: "on 7 November 2026", -time.Hour: "just now",
	} {
		if got := en.Ago(at, at.Add(-ago)); got != want {
			t.Errorf("%s: %s, want %s", ago, got, want)
		}
	}
	if got := en.Ago(at, time.Time{}); got != "never" {
		t.Error(got)
	}
	for d, want := range map[time.Duration]string{
		0: "1 second", time.Second: "1 second", 1500 * time.Millisecond: "2 seconds", time.Minute: "60 seconds", 61 * time.Second: "2 minutes",
		time.Hour: "60 minutes", time.Hour + 1: "2 hours",
	} {
		if got := en.Wait(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestList(t *testing.T) {
	speakAll(t)
	for tag, want := range map[string]string{"en": "a, b and c", "de": "a, b und c", "ja": "a、b、c", "ar": "\u2068a\u2069، \u2068b\u2069 و\u2068c\u2069"} {
		if got := Get(tag).List([]string{"a", "b", "c"}); got != want {
			t.Errorf("%s: %s", tag, got)
		}
	}
	en := Get("en")
	if got := en.List(nil) + en.List([]string{"a"}) + en.List([]string{"b", "c"}); got != "ab and c" {
		t.Error(got)
	}
}

func TestManyAtOnce(t *testing.T) {
	speak(t, map[string]string{"de": `{"Hello {0}": "Hallo {0}"}`})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				l := Match(nil, "", "de")
				l.T("Hello {0}", "x")
				l.T("not there")
				Missing("de")
			}
		})
	}
	wg.Wait()
}

func FuzzMatch(f *testing.F) {
	f.Add("de-CH", "fr", "en;q=0.5,*")
	f.Fuzz(func(t *testing.T, ui, chosen, accept string) {
		if Match(strings.Fields(ui), chosen, accept) == nil {
			t.Error("no locale")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for b.Loop() {
		Match(nil, "", "de-CH,de;q=0.9,en-US;q=0.8,en;q=0.7")
	}
}

func BenchmarkT(b *testing.B) {
	l := Get("en")
	for b.Loop() {
		l.T("Sign in to continue to {0}", "Saleswave")
	}
}
