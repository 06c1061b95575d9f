package locale

import (
	"strings"

	"golang.org/x/text/language"
)

// Bounds of what a stranger may have us parse.
const (
	maxTags   = 10
	maxTag    = 35 // RFC 5646 §4.4.1
	maxAccept = 256
)

// Match picks a language: what the request names (OpenID Connect Core §3.1.2.1,
// ui_locales), else what the person chose before, else what the browser asks
// for (RFC 9110 §12.5.4). A list in which we speak nothing counts as none.
func Match(uiLocales []string, chosen, acceptLanguage string) *Locale {
	s := current.Load()
	if l := s.best(parseTags(uiLocales)); l != nil {
		return l
	}
	if l := s.find(chosen); l != nil {
		return l
	}
	if l := s.best(parseAccept(acceptLanguage)); l != nil {
		return l
	}
	return s.spoken[0]
}

// best is nil when none of wanted comes near a language of ours.
func (s *set) best(wanted []language.Tag) *Locale {
	if len(wanted) == 0 {
		return nil
	}
	_, i, confidence := s.matcher().Match(wanted...)
	if confidence == language.No {
		return nil
	}
	return s.spoken[i]
}

func parseTags(names []string) []language.Tag {
	var out []language.Tag
	for _, name := range names[:min(len(names), maxTags)] {
		if len(name) > maxTag {
			continue
		}
		if tag, err := language.Parse(name); err == nil {
			out = append(out, tag)
		}
	}
	return out
}

// parseAccept reads the header up to the last entry that fits.
func parseAccept(header string) []language.Tag {
	if len(header) > maxAccept {
		header = header[:maxAccept]
		header = header[:max(0, strings.LastIndexByte(header, ','))]
	}
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return nil
	}
	return tags[:min(len(tags), maxTags)]
}
