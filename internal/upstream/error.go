package upstream

import (
	"errors"
	"fmt"
	"strings"
)

// What may go wrong, in words that people may read. What it was in detail is
// behind Cause.
var (
	// ErrDenied: the person said no at the other provider.
	ErrDenied = errors.New("the sign-in was declined at the other provider")
	// ErrInteraction: prompt=none was asked for, and isn't possible (OpenID
	// Connect Core §3.1.2.6).
	ErrInteraction = errors.New("the other provider has to ask something first")
	// ErrUnavailable: no answer, or none that a working provider would give.
	ErrUnavailable = errors.New("the other provider can't be reached at the moment")
	// ErrWrong: the one answer to a wrong password, an unknown, locked or
	// disabled user. Which it was is for the log alone.
	ErrWrong = errors.New("the username or the password is wrong")
	// ErrPasswordExpired: the password was right, and has to be changed there.
	ErrPasswordExpired = errors.New("the password has expired and has to be changed first")
	// ErrUnsupported: this kind of connector has no such thing.
	ErrUnsupported = errors.New("this connector can't do that")
)

// failure is one of the errors above with what was behind it. Its text is the
// first's alone.
type failure struct{ kind, cause error }

func (f *failure) Error() string { return f.kind.Error() }
func (f *failure) Unwrap() error { return f.kind }

func unavailable(cause error) error { return &failure{ErrUnavailable, cause} }

func wrong(format string, args ...any) error {
	return &failure{ErrWrong, fmt.Errorf(format, args...)}
}

// Refused is a sign-in that isn't accepted here. Why is an English text for the
// person, in which {0}, {1} … stand for Args.
type Refused struct {
	Why   string
	Args  []any
	Cause error
}

// Error is Why with its Args.
func (r *Refused) Error() string {
	text := r.Why
	for i, a := range r.Args {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), fmt.Sprint(a))
	}
	return text
}

// untrusted is an answer that breaks a rule of its protocol.
func untrusted(format string, args ...any) error {
	return &Refused{Why: "The answer of the other provider can't be trusted.", Cause: fmt.Errorf(format, args...)}
}

// Cause is what the log should hear of an error: never a token, a code or a
// secret, and of a stranger's words few.
func Cause(err error) error {
	var f *failure
	var r *Refused
	switch {
	case errors.As(err, &f) && f.cause != nil:
		return f.cause
	case errors.As(err, &r) && r.Cause != nil:
		return r.Cause
	}
	return err
}

// FieldError names a key of a connector that is wrong, and what would be right.
type FieldError struct{ Field, Why string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Why }

// said is a stranger's word for the log: printable, and not long.
func said(word string) string {
	const most = 200
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, word)
	if len(clean) > most {
		return clean[:most] + "…"
	}
	return clean
}
