package jose

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

const (
	maxJSON  = 64 << 10
	maxDepth = 32
)

// Decode is strict JSON. encoding/json would read "SUB" and "ſub" as sub and
// take the last of two; here names are compared byte for byte, a name that
// comes twice in what is read is an error, and so are text after the value,
// invalid UTF-8, more than 64 KiB and more than 32 levels. Names that into
// doesn't have are ignored, as RFC 7519 §4 says. Errors wrap ErrInvalid.
func Decode(data []byte, into any) error { return DecodeUpTo(maxJSON, data, into) }

// DecodeUpTo is Decode with another limit than 64 KiB.
func DecodeUpTo(limit int, data []byte, into any) error {
	switch {
	case len(data) > limit:
		return fmt.Errorf("%w JSON: more than %d bytes", ErrInvalid, limit)
	case !utf8.Valid(data):
		return fmt.Errorf("%w JSON: not UTF-8", ErrInvalid)
	case depth(data) > maxDepth:
		return fmt.Errorf("%w JSON: more than %d levels", ErrInvalid, maxDepth)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w JSON: %w", ErrInvalid, err)
	}
	return nil
}

// decodeObject is Decode for what must be an object: JSON's null would leave
// into as it is.
func decodeObject(data []byte, into any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return fmt.Errorf("%w JSON: not an object", ErrInvalid)
	}
	return Decode(data, into)
}

// depth counts how many brackets are open at once, outside strings. It may be
// wrong for text that isn't JSON, which fails later.
func depth(data []byte) (deepest int) {
	open, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			open++
			deepest = max(deepest, open)
		case c == '}' || c == ']':
			open--
		}
	}
	return deepest
}

// NumericDate is a time in Unix seconds (RFC 7519 §2). A fraction is allowed
// there and cut off here. Zero means absent.
type NumericDate int64

const maxDate = 253402300799 // the last second of the year 9999

// UnmarshalJSON takes numbers only: no strings, nothing negative, nothing
// beyond the year 9999.
func (d *NumericDate) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || len(data) > 32 || data[0] < '0' || data[0] > '9' {
		return fmt.Errorf("%w date: not a number of seconds since 1970", ErrInvalid)
	}
	f, err := strconv.ParseFloat(string(data), 64)
	if err != nil || f > maxDate {
		return fmt.Errorf("%w date: out of range", ErrInvalid)
	}
	*d = NumericDate(math.Floor(f))
	return nil
}

// Audience is aud: a string or an array of strings (RFC 7519 §4.1.3).
type Audience []string

// UnmarshalJSON refuses what names nobody: null, [], "" and any other type.
func (a *Audience) UnmarshalJSON(data []byte) error {
	var list []string
	switch {
	case bytes.HasPrefix(data, []byte(`"`)):
		list = make([]string, 1)
		if err := json.Unmarshal(data, &list[0]); err != nil {
			return fmt.Errorf("%w aud: %w", ErrInvalid, err)
		}
	case bytes.HasPrefix(data, []byte(`[`)):
		if err := readStrings(data, &list); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w aud: neither a string nor an array of strings", ErrInvalid)
	}
	for _, s := range list {
		if s == "" {
			return fmt.Errorf("%w aud: an empty name", ErrInvalid)
		}
	}
	*a = list
	return nil
}

// readStrings reads at least one string. Pointers tell null from "".
func readStrings(data []byte, list *[]string) error {
	var items []*string
	if err := json.Unmarshal(data, &items); err != nil || len(items) == 0 {
		return fmt.Errorf("%w aud: not an array of strings, or an empty one", ErrInvalid)
	}
	for _, item := range items {
		if item == nil {
			return fmt.Errorf("%w aud: null in it", ErrInvalid)
		}
		*list = append(*list, *item)
	}
	return nil
}

// MarshalJSON writes a single audience as a string, which every reader knows.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// Contains tells whether name is one of a.
func (a Audience) Contains(name string) bool {
	for _, s := range a {
		if s == name {
			return true
		}
	}
	return false
}
