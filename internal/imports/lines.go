package imports

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lines reads one object a line: https://jsonlines.org. Empty lines are
// skipped, and so is the mark with which some systems begin a file.
type lines struct {
	r    *bufio.Reader
	line int
}

func newLines(from io.Reader) *lines { return &lines{r: bufio.NewReaderSize(from, 64<<10)} }

var byteOrderMark = []byte("\xef\xbb\xbf")

func (l *lines) next() ([]byte, int, error) {
	for {
		l.line++
		raw, err := l.read()
		if l.line == 1 {
			raw = bytes.TrimPrefix(raw, byteOrderMark)
		}
		raw = bytes.TrimSpace(raw)
		var bad *RowError
		switch {
		case errors.As(err, &bad), err != nil && !errors.Is(err, io.EOF):
			return nil, l.line, err
		case len(raw) > 0:
			return raw, l.line, nil
		case err != nil:
			return nil, l.line, io.EOF
		}
	}
}

// read keeps no more of a line than a row may have, and goes to its end.
func (l *lines) read() ([]byte, error) {
	var line []byte
	long := false
	for {
		piece, err := l.r.ReadSlice('\n')
		if long = long || len(line)+len(piece) > maxRow; !long {
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, tooLong()
		default:
			return line, err
		}
	}
}

func tooLong() *RowError { return &RowError{Why: "it is longer than 1 MiB"} }
