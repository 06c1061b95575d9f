package trace

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
)

// parent is what W3C Trace Context §3.2 calls traceparent.
type parent struct {
	trace   [16]byte
	span    [8]byte
	sampled bool
}

// parseParent reads 00-<trace>-<span>-<flags>. Of a later version only these are
// looked at: §4.3.
func parseParent(header string) (p parent, ok bool) {
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return p, false
	}
	version, flags := header[:2], header[53:55]
	if version == "ff" || version == "00" && len(header) != 55 || len(header) > 55 && header[55] != '-' {
		return p, false
	}
	var flag, known [1]byte
	for _, field := range []struct {
		into []byte
		text string
	}{{known[:], version}, {p.trace[:], header[3:35]}, {p.span[:], header[36:52]}, {flag[:], flags}} {
		if !lowerHex(field.text) {
			return p, false
		}
		if _, err := hex.Decode(field.into, []byte(field.text)); err != nil {
			return p, false
		}
	}
	p.sampled = flag[0]&1 == 1
	return p, p.trace != [16]byte{} && p.span != [8]byte{}
}

// lowerHex: §3.2.2, upper case is none.
func lowerHex(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}
