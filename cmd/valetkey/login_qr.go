package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"rsc.io/qr"
)

// drawOnTerminal draws text as a QR code for the camera of a phone, if w is a
// screen. What can't be drawn stands above it in words.
func drawOnTerminal(w io.Writer, text string) {
	file, ok := w.(*os.File)
	if !ok {
		return
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	if drawn, err := draw(text); err == nil {
		fmt.Fprintln(w, drawn)
	}
}

// quiet is the width of the empty frame that readers need.
const quiet = 4

// draw puts two rows of the code into a line of half blocks, black on white
// whatever the terminal's colours are.
func draw(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}
