package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/valetkey/valetkey"
)

type moveCmd struct {
	jsonFlag

	To     string `help:"The empty database to fill: postgres://… or sqlite:PATH." required:"" placeholder:"DATABASE"`
	DryRun bool   `help:"Tell what would be copied, and write nothing."`
	Live   bool   `help:"Take a copy although the server goes on writing: the target then counts as restored."`
}

// Run copies the database of the settings and leaves it as it is.
func (m *moveCmd) Run(ctx context.Context, s *Settings, c console) error {
	config, err := s.untouched(c)
	if err != nil {
		return err
	}
	if err := judgeDatabase(m.To); err != nil || m.To == "" {
		return usageError{errors.Join(errors.New("--to: it names no database"), err)}
	}
	did, err := valetkey.Move(ctx, config, valetkey.MoveOptions{To: m.To, DryRun: m.DryRun, Live: m.Live})
	if err != nil {
		return err
	}
	return m.print(c, did, func(w io.Writer) { m.describe(w, did, config.MasterSecretFile) })
}

func (m *moveCmd) describe(w io.Writer, did valetkey.Moved, secret string) {
	from, to := databases[string(did.From)], databases[string(did.To)]
	if did.DryRun {
		fmt.Fprintf(w, "Dry run: nothing was written. From %s to %s would be copied:\n", from, to)
		describeTables(w, did.Tables)
		return
	}
	fmt.Fprintf(w, "Copied from %s to %s, read again and found alike:\n", from, to)
	describeTables(w, did.Tables)
	if len(did.Changed) > 0 {
		fmt.Fprintf(w, "The source was written to meanwhile: %s. That isn't in the copy, which counts as restored: everybody signs in anew.\n", strings.Join(did.Changed, ", "))
	}
	fmt.Fprintln(w, "What is written to the source from now on isn't in the copy either. To go over to it:")
	if secret == "" {
		secret = "the file beside the SQLite database"
	}
	fmt.Fprintf(w, "  database: the address that you gave as --to\n  master-secret-file: the same as now (%s)\n", secret)
	fmt.Fprintln(w, "and start the server. Keep the source until you know that all is well.")
}
