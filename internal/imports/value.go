package imports

import "strings"

// value reads one JSON value to its end and keeps it, unless it has more than
// most bytes: then it is a *RowError, and reading can go on behind it.
func (d *document) value(most int) ([]byte, error) {
	if err := d.toValue(); err != nil {
		return nil, err
	}
	var s span
	var kept []byte
	size := 0
	for ended := false; !ended; size++ {
		c, err := d.r.ReadByte()
		if err != nil {
			return nil, d.cut(err)
		}
		var beyond bool
		if ended, beyond = s.add(c); beyond { // a number ends where something else begins
			break
		}
		if c == '\n' {
			d.line++
		}
		if size < most {
			kept = append(kept, c)
		}
	}
	return d.valued(kept, size, most, s.scalar)
}

// toValue leaves out white space.
func (d *document) toValue() error {
	if _, err := d.token(); err != nil {
		return d.cut(err)
	}
	return d.back()
}

// valued judges what was read. A scalar's end was found behind it.
func (d *document) valued(kept []byte, size, most int, scalar bool) ([]byte, error) {
	if scalar {
		if err := d.back(); err != nil {
			return nil, err
		}
	}
	switch {
	case size == 0:
		return nil, d.broken("a value was expected")
	case size > most:
		return nil, tooLong()
	}
	return kept, nil
}

// span follows a value byte by byte: how many brackets are open, and whether a
// string is.
type span struct {
	depth   int
	quoted  bool
	escaped bool
	scalar  bool // a number, or true, false, null
}

// add takes the next byte. beyond says that it is no part of the value any more.
func (s *span) add(c byte) (ended, beyond bool) {
	switch {
	case s.quoted:
		s.inString(c)
		return !s.quoted && s.depth == 0, false
	case c == '"' && !s.scalar:
		s.quoted = true
		return false, false
	case s.scalar || s.depth == 0 && !strings.ContainsRune("{[", rune(c)):
		s.scalar = true
		beyond = strings.IndexByte(",]}: \t\r\n\"[{", c) >= 0
		return beyond, beyond
	case c == '{' || c == '[':
		s.depth++
	case c == '}' || c == ']':
		s.depth--
	}
	return s.depth == 0, false
}

func (s *span) inString(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.quoted = false
	}
}
