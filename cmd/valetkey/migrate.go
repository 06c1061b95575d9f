package main

import (
	"context"
	"fmt"
	"io"

	"github.com/valetkey/valetkey"
)

type migrateCmd struct {
	jsonFlag

	DryRun bool `help:"List what would run, and run nothing."`
}

// migrated is what ran, or would run.
type migrated struct {
	Schema int      `json:"schema"` // of the database afterwards
	Ran    []string `json:"ran"`
	DryRun bool     `json:"dry_run"`
}

// Run opens the database, which brings it up to date.
func (m *migrateCmd) Run(ctx context.Context, s *Settings, c console) error {
	config, err := s.untouched(c)
	if err != nil {
		return err
	}
	plan, err := valetkey.PlanMigrations(ctx, config)
	if err != nil {
		return err
	}
	if m.DryRun {
		return m.tell(c, migrated{plan.Schema, plan.Pending, true})
	}
	return withAdmin(ctx, s, c, func(*valetkey.Admin) error {
		return m.tell(c, migrated{plan.Latest, plan.Pending, false})
	})
}

func (m *migrateCmd) tell(c console, did migrated) error {
	return m.print(c, did, func(w io.Writer) {
		verb := "ran"
		if did.DryRun {
			verb = "would run"
		}
		for _, name := range did.Ran {
			fmt.Fprintln(w, verb, name)
		}
		switch {
		case len(did.Ran) == 0 || !did.DryRun:
			fmt.Fprintf(w, "The database's schema is up to date (%d).\n", did.Schema)
		default:
			fmt.Fprintf(w, "The database's schema is %d. Nothing was run.\n", did.Schema)
		}
	})
}
