package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/valetkey/valetkey"
)

type versionCmd struct{}

func (versionCmd) Run(c console) error {
	_, err := fmt.Fprintf(c.out, "valetkey %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

type secretCmd struct{}

func (secretCmd) Run(c console) error {
	_, err := c.out.Write(valetkey.NewMasterSecret())
	return err
}

type migrateCmd struct{}

// Run opens the database, which brings it up to date.
func (migrateCmd) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(*valetkey.Admin) error {
		_, err := fmt.Fprintln(c.out, "The database's schema is up to date.")
		return err
	})
}
