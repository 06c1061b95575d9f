package web

import (
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// foreign puts a rule's words into a language, as a sentence.
func foreign(l *locale.Locale, words string) string {
	if said, ok := translated(l, words); ok {
		return said
	}
	return l.Isolate(sentence(words))
}

// inDetail is what a protocol error says to an app's makers. Unless there is a
// translation it is as the app itself would be told.
func inDetail(l *locale.Locale, e *oauth.Error) string {
	if said, ok := translated(l, e.Description); ok {
		return said
	}
	return l.Isolate(e.Description)
}

// translated returns the words as a sentence, and whether it is of l's
// language.
func translated(l *locale.Locale, words string) (string, bool) {
	whole := sentence(words)
	if l.Tag == "en" || whole == "" {
		return whole, false
	}
	if said := l.Try(whole); said != whole {
		return said, true
	}
	for _, key := range foreignWords {
		if !strings.Contains(key, "{") || l.Try(key) == key {
			continue
		}
		text := whole
		if strings.HasPrefix(key, "{") {
			text = closed(words) // a parameter keeps its name
		}
		if args, ok := unfill(key, text); ok {
			return l.T(key, args...), true
		}
	}
	return whole, false
}

// unfill is the inverse of filling {0}, {1} … into a text, in their order.
// What stands first is one word: it is a name.
func unfill(key, text string) (args []any, ok bool) {
	parts := splitKey(key)
	text, ok = strings.CutPrefix(text, parts[0])
	for i, part := range parts[1:] {
		var arg string
		arg, text, ok = cutArg(text, part, ok, i == len(parts)-2)
		if arg == "" || !ok || parts[0] == "" && i == 0 && strings.Contains(arg, " ") {
			return nil, false
		}
		args = append(args, arg)
	}
	return args, ok && text == ""
}

// cutArg takes what stands before part: the first time, and at the end of the
// text the last time.
func cutArg(text, part string, so, last bool) (arg, rest string, ok bool) {
	if last {
		arg, ok = strings.CutSuffix(text, part)
		return arg, "", ok && so
	}
	arg, rest, ok = strings.Cut(text, part)
	return arg, rest, ok && so
}

// splitKey are the texts around the placeholders of a key.
func splitKey(key string) []string {
	var parts []string
	for {
		i := strings.IndexByte(key, '{')
		if i < 0 || i+3 > len(key) {
			return append(parts, key)
		}
		parts, key = append(parts, key[:i]), key[i+3:]
	}
}

// scopeIn puts the words of a scope of OpenID Connect's into a language. Those
// of an operator's own stay as they wrote them, in their own direction.
func scopeIn(l *locale.Locale, s oauth.Scope) oauth.Scope {
	if s.Builtin {
		s.Title, s.Description = l.Try(s.Title), l.Try(s.Description)
	} else {
		s.Title, s.Description = l.Isolate(s.Title), l.Isolate(s.Description)
	}
	return s
}

func scopesIn(l *locale.Locale, scopes []oauth.Scope) []oauth.Scope {
	out := make([]oauth.Scope, 0, len(scopes))
	for _, s := range scopes {
		out = append(out, scopeIn(l, s))
	}
	return out
}
