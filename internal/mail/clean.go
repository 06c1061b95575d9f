package mail

import (
	"errors"
	netmail "net/mail"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrAddress is the answer to anything but exactly one address. It never
// repeats what it was given.
var ErrAddress = errors.New("mail: not one plain address")

// How long a stranger's text may be, in characters.
const (
	maxName    = 64
	maxDevice  = 100
	maxSubject = 200
	maxAddress = 254 // RFC 5321 §4.5.3.1.3, without the angle brackets
)

// oneLine makes a person's text a single line that can neither end a header nor
// turn the direction of what stands beside it: line breaks become spaces,
// controls and invisible characters go. Joiners stay: Persian and Hindi names
// need them.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\u200c' || r == '\u200d':
			return r
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit-1]) + "…"
	}
	return s
}

// header is oneLine for a header's value. What already looks like an encoded
// word (RFC 2047 §2) would be decoded by the reader's program into what was
// just taken out.
func header(s string) string {
	return oneLine(strings.ReplaceAll(s, "=?", "= ?"), maxSubject)
}

// paragraph keeps the isolates that a locale puts around what it is given.
func paragraph(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp):
			return ' '
		case r >= '\u202a' && r <= '\u202e': // embeddings and overrides
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}

// A name goes to addresses that a stranger typed in, under our letterhead. One
// that mail programs make a link of is an advertisement, and isn't said.
var linkish = regexp.MustCompile(`(?i)://|www\.|[/@\\]|[\pL\pN]\.\pL{2}`)

// personName is a name fit to be said, or "".
func personName(s string) string {
	s = oneLine(s, maxName)
	if linkish.MatchString(s) {
		return ""
	}
	return s
}

// appName is more lenient: an app may be called example.com.
func appName(s string) string {
	s = oneLine(s, maxName)
	if strings.Contains(s, "://") || strings.ContainsAny(s, "@\\") {
		return ""
	}
	return s
}

// plainAddress refuses lists, names, comments and everything that is written in
// another way than it is read: security case 222.
func plainAddress(s string) (*netmail.Address, error) {
	if len(s) > maxAddress || s != oneLine(s, maxAddress) {
		return nil, ErrAddress
	}
	a, err := netmail.ParseAddress(s)
	if err != nil || a.Name != "" || a.String() != "<"+s+">" {
		return nil, ErrAddress
	}
	return a, nil
}

// domain is what may be logged of an address.
func domain(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}

// webLink says whether a letter may carry this link.
func webLink(s string) bool {
	if s != oneLine(s, len(s)+1) || strings.Contains(s, " ") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
