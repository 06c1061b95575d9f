package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/valetkey/valetkey"
)

// jsonFlag is what every command that answers with data has.
type jsonFlag struct {
	JSON bool `name:"json" help:"Print one JSON document and nothing else."`
}

// print writes one document, or the words for people.
func (j jsonFlag) print(c console, document any, words func(io.Writer)) error {
	if j.JSON {
		encoder := json.NewEncoder(c.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(document)
	}
	table := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	words(table)
	return table.Flush()
}

// withAdmin opens the server's data for one command.
func withAdmin(ctx context.Context, s *Settings, c console, do func(*valetkey.Admin) error) (err error) {
	srv, err := s.open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	return do(srv.Admin())
}

// readSecret takes the first line of standard input, so that no secret stands
// in a process list.
func readSecret(c console) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(c.in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usageError{errors.New("standard input is empty; the secret was expected there")}
	}
	return line, nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
