package mail

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	netmail "net/mail"
	"slices"
	"strings"
	"time"
)

// Message is a letter as it is handed over.
type Message struct {
	ID      string          // Message-ID without its angle brackets: row@host
	From    netmail.Address // with the brand as name
	To      string          // exactly one address without a name
	Lang    string          // BCP 47
	Subject string          // one line, not encoded
	Text    string
	HTML    string
	At      time.Time // when the letter was written
}

// Format keeps links and codes out of every log.
func (Message) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue keeps links and codes out of every log.
func (Message) LogValue() slog.Value { return slog.StringValue(redacted) }

// Sender hands a message to whoever carries it on. It gives up when ctx ends,
// and says ErrRefused when another try is of no use. The text of its errors is
// logged: it names neither address nor content.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

//go:embed letter.html
var letterHTML string

var letterTemplate = template.Must(template.New("letter").Parse(letterHTML))

// sheet is what the template sees.
type sheet struct {
	Letter

	Lang, Dir, Brand, Greeting, Sign string
	Details                          []string // the facts, in words
	Lead                             string   // above the link in the plain part
}

// render puts a letter on paper: subject, plain text and HTML that say the
// same. Everything is cleaned once more, whoever made the letter.
func (h Letterhead) render(l Letter) (m Message, err error) {
	if _, err := plainAddress(l.To); err != nil {
		return m, err
	}
	switch {
	case l.Action != nil && !webLink(l.Action.URL):
		return m, errors.New("mail: the link is no http or https URL")
	case header(l.Subject) == "":
		return m, errors.New("mail: a letter has a subject")
	}
	w := h.in(l.Locale)
	s := w.sheet(l)
	var html bytes.Buffer
	if err := letterTemplate.Execute(&html, &s); err != nil {
		return m, fmt.Errorf("mail: %w", err)
	}
	return Message{To: l.To, Lang: s.Lang, Subject: s.Subject, Text: s.text(), HTML: html.String()}, nil
}

func (w words) sheet(l Letter) sheet {
	s := sheet{Letter: l, Lang: w.Tag, Dir: w.Dir, Brand: w.brand}
	s.Subject, s.Next, s.Code = header(l.Subject), paragraph(l.Next), oneLine(l.Code, maxName)
	s.Lines, s.Foot = paragraphs(l.Lines), paragraphs(l.Foot)
	for _, f := range l.Facts {
		s.Details = append(s.Details, paragraph(w.T("{0}: {1}", paragraph(f.Label), oneLine(f.Value, maxSubject))))
	}
	if l.Action != nil {
		s.Action = &Action{paragraph(l.Action.Label), l.Action.URL}
		s.Lead = paragraph(w.T("{0}:", s.Action.Label))
	}
	s.Greeting = w.T("Hello,")
	if name := personName(l.Name); name != "" {
		s.Greeting = w.T("Hello {0},", name)
	}
	s.Sign = w.T("{0} ({1}) sent this letter by itself. Nobody reads an answer to it.", w.brand, w.host)
	return s
}

func paragraphs(lines []string) []string {
	var clean []string
	for _, line := range lines {
		if line = paragraph(line); line != "" {
			clean = append(clean, line)
		}
	}
	return clean
}

// text is the plain part. The code stands on an indented line of its own; no
// paragraph can begin like it.
func (s *sheet) text() string {
	parts := append([]string{s.Greeting}, s.Lines...)
	parts = append(parts, strings.Join(s.Details, "\n"), s.Next)
	if s.Code != "" {
		parts = append(parts, codeIndent+s.Code)
	}
	if s.Action != nil {
		parts = append(parts, s.Lead+"\n"+s.Action.URL)
	}
	parts = append(append(parts, s.Foot...), "-- \n"+s.Sign)
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "\n\n") + "\n"
}

const codeIndent = "    "
