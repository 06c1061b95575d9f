package mail

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"

	gomail "github.com/wneessen/go-mail"
)

// compose makes the MIME message: text first, HTML second (RFC 2046 §5.1.4).
func compose(m Message) (*gomail.Msg, error) {
	to, err := plainAddress(m.To)
	if err != nil {
		return nil, err
	}
	from := m.From
	from.Name = header(from.Name)
	if _, err := plainAddress(from.Address); err != nil {
		return nil, err
	}
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	out.FromMailAddress(&from)
	out.ToMailAddress(to)
	out.Subject(header(m.Subject))
	out.SetMessageIDWithValue(header(m.ID))
	out.SetDateWithValue(m.At)
	out.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5
	out.SetGenHeader("X-Auto-Response-Suppress", "All")  // what Exchange heeds instead
	if m.Lang != "" {
		out.SetGenHeader("Content-Language", header(m.Lang))
	}
	out.SetBodyString(gomail.TypeTextPlain, m.Text)
	out.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return out, nil
}

// Refusal is a mail server's answer other than yes. It has none of the
// server's words, as they often repeat the address.
type Refusal struct {
	At       string // what it answered to: "RCPT TO"
	Code     int    // RFC 5321 §4.2.3
	Enhanced string // RFC 3463; may be ""
	final    bool
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("smtp: %d in answer to %s", r.Code, r.At)
	if r.Enhanced != "" {
		text += " (" + r.Enhanced + ")"
	}
	return text
}

// Is says ErrRefused of a refusal for good.
func (r *Refusal) Is(target error) bool { return target == ErrRefused && r.final }

// explain makes an error that may be logged. Only a 5xx to the recipient or
// the content is for good: one to a greeting, to AUTH or to our own address is
// the same for every letter and ends when the operator has mended it.
func (s *SMTP) explain(ctx context.Context, err error) error {
	var refused *gomail.SendError
	var answer *textproto.Error
	switch {
	case errors.As(err, &refused) && refused.ErrorCode() != 0:
		at, final := stage(refused.Reason)
		code := refused.ErrorCode()
		return &Refusal{At: at, Code: code, Enhanced: refused.EnhancedStatusCode(), final: final && code >= 500}
	case errors.As(err, &answer):
		return &Refusal{At: "the greeting, EHLO, STARTTLS or AUTH", Code: answer.Code}
	case ctx.Err() != nil:
		return fmt.Errorf("smtp: %s didn't answer in time: %w", s.config.Host, ctx.Err())
	case refused != nil:
		return fmt.Errorf("smtp: connection to %s broke off", s.config.Host)
	}
	return fmt.Errorf("smtp: %s: %w", s.config.Host, err)
}

func stage(r gomail.SendErrReason) (at string, final bool) {
	switch r {
	case gomail.ErrSMTPMailFrom:
		return "MAIL FROM", false
	case gomail.ErrSMTPRcptTo:
		return "RCPT TO", true
	case gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		return "DATA", true
	default:
		return "a command", false
	}
}
