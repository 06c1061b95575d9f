package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// refusal is a reason of ours.
type refusal string

func (r refusal) Error() string { return string(r) }

func refused(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// errNoHTTP stands for net/http's errors about what a server sent: they quote
// it, and it may be anything.
var errNoHTTP = errors.New("the answer is cut off, or not HTTP")

// cause is what the log hears of an error.
func cause(err error) error {
	if outer := (*url.Error)(nil); errors.As(err, &outer) { // repeats the address, query and all
		err = outer.Err
	}
	var (
		ours        refusal
		network     net.Error
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
	)
	switch {
	case errors.As(err, &ours), errors.As(err, &network), errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert),
		errors.Is(err, context.Canceled):
		return err
	}
	return errNoHTTP
}

// maxAge: RFC 9111 §5.2.2.1. Zero when nothing is said, and when nothing may
// be kept.
func maxAge(headers []string) (age time.Duration) {
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(headers, ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				age = time.Duration(n) * time.Second
			}
		}
	}
	return age
}
