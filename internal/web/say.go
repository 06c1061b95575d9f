package web

import (
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
)

// This file alone makes markup of its own: what {{t}} says may hold elements
// in the middle of a sentence, whose place another language chooses. Every
// text that comes in is escaped here; what is template.HTML came out of here.

// voice is one language, as templates speak it.
type voice struct{ say locale.Markup }

// textOnly makes a text of a catalogue fit for an element. Quotes stay: it
// stands in no attribute, and where one would have it html/template sees to
// that.
var textOnly = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func newVoice(l *locale.Locale) voice {
	return voice{locale.Markup{Locale: l, Escape: func(text string) string {
		if strings.ContainsAny(text, "&<>") {
			return textOnly.Replace(text)
		}
		return text
	}}}
}

// words are the functions by which templates speak.
func (v voice) words() template.FuncMap {
	return template.FuncMap{
		"t": v.t, "tn": v.tn, "ts": v.say.Locale.T,
		"el": v.el, "strong": v.strong, "code": v.code, "a": v.link,
		"ago": v.ago, "day": v.day, "list": v.say.List,
		"lang": func() string { return v.say.Tag }, "dir": func() string { return v.say.Dir }, "languages": locale.All,
		"device": func(agent string) string { return device(v.say.Locale, agent) },
	}
}

// t says a text in an element. In an attribute, {{ts}} does.
func (v voice) t(key string, args ...any) template.HTML {
	return made(v.say.T(key, fit(args)...))
}

// tn says one of two texts by a number, which stands for {n}.
func (v voice) tn(n any, one, other string, args ...any) (template.HTML, error) {
	number, err := whole(n)
	return made(v.say.N(number, one, other, fit(args)...)), err
}

func whole(n any) (int, error) {
	switch n := n.(type) {
	case int:
		return n, nil
	case int64:
		return int(n), nil
	}
	return 0, fmt.Errorf("tn counts with whole numbers, not with %T", n)
}

// fit makes arguments fit to stand in an element.
func fit(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		if n, ok := a.(int); ok {
			out[i] = n
		} else {
			out[i] = inner(a)
		}
	}
	return out
}

// inner is what may stand within an element: what this file made, and all else
// as text.
func inner(content any) string {
	if ours, ok := content.(template.HTML); ok {
		return string(ours)
	}
	return template.HTMLEscapeString(fmt.Sprint(content))
}

// made calls markup that was put together here, of escaped parts, what it is.
func made(markup string) template.HTML { return template.HTML(markup) } //nolint:gosec // everything in it is escaped above

// el is an element with an id, "" for none, around a part of a sentence.
func (voice) el(tag, id string, content any) (template.HTML, error) {
	switch tag {
	case "span", "strong", "code":
	default:
		return "", fmt.Errorf("el makes no <%s>", tag)
	}
	if id != "" {
		id = ` id="` + template.HTMLEscapeString(id) + `"`
	}
	return made("<" + tag + id + ">" + inner(content) + "</" + tag + ">"), nil
}

func (voice) strong(content any) template.HTML {
	return made("<strong>" + inner(content) + "</strong>")
}

func (voice) code(content any) template.HTML {
	return made("<code>" + inner(content) + "</code>")
}

// link leads to a page of ours; any other address has no place in a sentence.
func (voice) link(path string, content any) (template.HTML, error) {
	if !isLocal(path) {
		return "", errors.New("a link in a sentence leads to a path of ours")
	}
	return made(`<a href="` + template.HTMLEscapeString(path) + `">` + inner(content) + `</a>`), nil
}

// ago says a time as people say it, with the exact one behind it.
func (v voice) ago(now, t time.Time) template.HTML { return v.moment(t, v.say.Ago(now, t)) }

func (v voice) day(t time.Time) template.HTML { return v.moment(t, v.say.Day(t)) }

func (v voice) moment(t time.Time, words string) template.HTML {
	return made(`<time datetime="` + iso(t) + `" title="` + template.HTMLEscapeString(v.say.Exact(t)) + `">` + template.HTMLEscapeString(words) + `</time>`)
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }
