package upstream

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const redacted = "[redacted]"

// Secret is a client secret or a bind password. However it is printed, logged
// or encoded, it shows nothing.
type Secret string

// Format is asked whatever the verb; String wouldn't be for %d, say.
func (Secret) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (Secret) String() string               { return redacted }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) MarshalYAML() (any, error)    { return redacted, nil }

// UnmarshalYAML takes text alone: 0123 without quotes is a number, and another
// one.
func (s *Secret) UnmarshalYAML(unmarshal func(any) error) error {
	var v any
	if err := unmarshal(&v); err != nil {
		return errors.New("a secret takes text")
	}
	text, ok := v.(string)
	if !ok {
		return errors.New("a secret takes text; put it into quotes")
	}
	*s = Secret(text)
	return nil
}

// reveal is for sending it to where it belongs.
func (s Secret) reveal() string { return string(s) }

const maxSecretFile = 64 << 10

// readSecret gives the value, or what stands in the file without its last line
// break.
func readSecret(value Secret, field, file string) (Secret, error) {
	if file == "" {
		return value, nil
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() > maxSecretFile {
		return "", &FieldError{field, "the file can't be read, or is no file with a secret"}
	}
	content, err := os.ReadFile(file)
	text := strings.TrimRight(string(content), "\r\n")
	switch {
	case err != nil:
		return "", &FieldError{field, "the file can't be read"}
	case text == "":
		return "", &FieldError{field, "the file is empty; put the secret into it"}
	}
	return Secret(text), nil
}

// List is a list of texts in YAML, or a single one.
type List []string

// UnmarshalYAML reads either form.
func (l *List) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if err := unmarshal(&one); err == nil {
		*l = List{one}
		return nil
	}
	var many []string
	if err := unmarshal(&many); err != nil {
		return errors.New("takes text or a list of texts")
	}
	*l = many
	return nil
}
