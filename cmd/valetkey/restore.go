package main

import (
	"context"
	"fmt"
	"io"

	"github.com/valetkey/valetkey"
)

type restoreCmd struct {
	jsonFlag

	File   string `arg:"" help:"A file that valetkey backup made."`
	EndAll bool   `help:"End every session and every app's access too: everybody signs in anew."`
	Check  bool   `help:"Check that the file is whole and tell what it holds; restore nothing."`
}

// Run fills the database of the settings, which must be empty.
func (r *restoreCmd) Run(ctx context.Context, s *Settings, c console) error {
	config, err := s.untouched(c)
	if err != nil {
		return err
	}
	if r.Check {
		held, err := valetkey.ReadBackup(ctx, r.File)
		if err != nil {
			return err
		}
		return r.print(c, held, func(w io.Writer) {
			fmt.Fprintf(w, "%s is whole. It holds the %s database of %s as it was at %s (schema %d, valetkey %s):\n",
				r.File, databases[string(held.Database)], held.Issuer, second(held.MadeAt), held.Schema, held.Version)
			describeTables(w, held.Tables)
		})
	}
	did, err := valetkey.Restore(ctx, config, r.File, r.EndAll)
	if err != nil {
		return err
	}
	return r.print(c, did, func(w io.Writer) { describeRestore(w, did, config.Issuer) })
}

func describeRestore(w io.Writer, did valetkey.Restored, issuer string) {
	fmt.Fprintf(w, "Restored %d rows: %s as it was at %s.\n", did.Rows(), did.Issuer, second(did.MadeAt))
	if did.Issuer != issuer {
		fmt.Fprintf(w, "This server's issuer is another, %s: tokens, passkeys and redirect addresses of %s don't fit it.\n", issuer, did.Issuer)
	}
	fmt.Fprintln(w, "What happened since then is lost: what was revoked, withdrawn, disabled or changed is as it was before.")
	if did.Ended {
		fmt.Fprintln(w, "Every session and every app's access was ended.")
		return
	}
	fmt.Fprintln(w, "Everybody signs in anew: sessions, codes, links and pages from before are refused. Apps keep their refresh tokens,")
	fmt.Fprintln(w, "also those that were revoked since; to end them all, restore into an empty database with --end-all.")
}
