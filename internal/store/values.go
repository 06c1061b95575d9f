package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Times are Unix seconds, the zero time 0. Lists of names without spaces
// (scopes, resources, amr) are joined by one, as the protocol does.

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func join(names []string) string { return strings.Join(names, " ") }

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, " ")
}

// toJSON writes v; "" for nil, so that an absent value takes no room.
func toJSON[T any](v *T) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write JSON column: %w", err)
	}
	return string(text), nil
}

type scanFunc func(src any) error

// Scan implements sql.Scanner.
func (f scanFunc) Scan(src any) error { return f(src) }

func intoTime(t *time.Time) sql.Scanner {
	return scanFunc(func(src any) error {
		n, ok := src.(int64)
		switch {
		case !ok:
			return fmt.Errorf("a time is %T, not Unix seconds", src)
		case n == 0:
			*t = time.Time{}
		default:
			*t = time.Unix(n, 0).UTC()
		}
		return nil
	})
}

func intoList(names *[]string) sql.Scanner {
	return intoText(func(text string) error {
		*names = split(text)
		return nil
	})
}

func intoJSON(v any) sql.Scanner {
	return intoText(func(text string) error {
		if text == "" {
			return nil
		}
		if err := json.Unmarshal([]byte(text), v); err != nil {
			return fmt.Errorf("read JSON column: %w", err)
		}
		return nil
	})
}

func intoText(use func(string) error) sql.Scanner {
	return scanFunc(func(src any) error {
		switch v := src.(type) {
		case string:
			return use(v)
		case []byte:
			return use(string(v))
		}
		return fmt.Errorf("a text is %T", src)
	})
}

func orElse(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}
