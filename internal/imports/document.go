package imports

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// document reads the elements of the array "users" in one JSON object, each by
// itself: a realm of a million users never stands in memory. It only finds where
// each begins and ends; what is between is judged when the row is read.
type document struct {
	r     *bufio.Reader
	line  int
	begun bool // the object is open
	in    bool // the array is open
	first bool // no element was read yet
	seen  bool // there was an array of users
}

func newDocument(from io.Reader) *document {
	return &document{r: bufio.NewReaderSize(from, 64<<10), line: 1}
}

func (d *document) next() ([]byte, int, error) {
	if !d.begun {
		if err := d.open(); err != nil {
			return nil, d.line, err
		}
	}
	for {
		if !d.in {
			if err := d.toUsers(); err != nil {
				return nil, d.line, err
			}
		}
		more, err := d.element()
		switch {
		case err != nil:
			return nil, d.line, err
		case more:
			line := d.line
			raw, err := d.value(maxRow)
			return raw, line, err
		}
		d.in = false
	}
}

func (d *document) open() error {
	if mark, err := d.r.Peek(len(byteOrderMark)); err == nil && bytes.Equal(mark, byteOrderMark) {
		_, _ = d.r.Discard(len(mark))
	}
	c, err := d.token()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case err != nil:
		return err
	case c == '[':
		return errors.New("the file is a list; what is wanted is one object with \"users\" in it: export one realm by itself")
	case c != '{':
		return d.broken("an object was expected")
	}
	d.begun, d.first = true, true
	return nil
}

// toUsers goes on to the array, or to the end of the file.
func (d *document) toUsers() error {
	for {
		name, err := d.member()
		if err != nil {
			return err
		}
		switch {
		case name == nil && !d.seen:
			return errors.New("there is no \"users\" in this file")
		case name == nil:
			return d.end()
		case string(name) != `"users"`:
			if _, err := d.value(0); err != nil && !isRow(err) {
				return err
			}
			continue
		case d.seen:
			return d.broken("\"users\" comes twice")
		}
		if c, err := d.token(); err != nil || c != '[' {
			return d.broken("\"users\" is no list")
		}
		d.seen, d.in, d.first = true, true, true
		return nil
	}
}

// member reads a name and its colon; nil at the end of the object.
func (d *document) member() ([]byte, error) {
	more, err := d.comma('}')
	if err != nil || !more {
		return nil, err
	}
	name, err := d.value(1 << 10)
	switch {
	case isRow(err):
		name = []byte(`""`) // longer than any name that we know
	case err != nil:
		return nil, err
	}
	if c, err := d.token(); err != nil || c != ':' {
		return nil, d.broken("a colon was expected")
	}
	return name, nil
}

func (d *document) element() (more bool, err error) { return d.comma(']') }

// comma goes to the next member or element, or past the bracket that ends them.
func (d *document) comma(end byte) (more bool, err error) {
	c, err := d.token()
	if err != nil {
		return false, d.cut(err)
	}
	first := d.first
	d.first = false
	switch {
	case c == end:
		return false, nil
	case first:
		return true, d.back()
	case c != ',':
		return false, d.broken("a comma was expected")
	}
	if _, err = d.token(); err != nil {
		return false, d.cut(err)
	}
	return true, d.back()
}

func (d *document) end() error {
	if _, err := d.token(); err != nil {
		return err
	}
	return d.broken("nothing was expected after the object")
}

// token is the next byte that isn't white space.
func (d *document) token() (byte, error) {
	for {
		c, err := d.r.ReadByte()
		switch {
		case err != nil:
			return 0, err
		case c == '\n':
			d.line++
		case c != ' ' && c != '\t' && c != '\r':
			return c, nil
		}
	}
}

func (d *document) back() error { return d.r.UnreadByte() }

// cut: a file that ends early was not written whole.
func (d *document) cut(err error) error {
	if errors.Is(err, io.EOF) {
		return d.broken("the file ends early")
	}
	return err
}

func (d *document) broken(why string) error {
	return fmt.Errorf("line %d: this is no JSON document: %s", d.line, why)
}

func isRow(err error) bool {
	var bad *RowError
	return errors.As(err, &bad)
}
