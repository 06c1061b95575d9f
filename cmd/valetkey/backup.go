package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/valetkey/valetkey"
)

type backupCmd struct {
	jsonFlag

	File string `arg:"" help:"The file to make; it must not be there yet."`
}

// Run copies the database, whichever it is, into one file.
func (b *backupCmd) Run(ctx context.Context, s *Settings, c console) error {
	config, err := s.untouched(c)
	if err != nil {
		return err
	}
	made, err := valetkey.Backup(ctx, config, version, b.File)
	if err != nil {
		return err
	}
	return b.print(c, made, func(w io.Writer) {
		fmt.Fprintf(w, "%s holds the %s database of %s as it was at %s:\n", b.File, databases[string(made.Database)], made.Issuer, second(made.MadeAt))
		describeTables(w, made.Tables)
		fmt.Fprintln(w, "The master secret isn't in it. Keep a copy of that in another place.")
	})
}

var databases = map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL"}

func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// describeTables leaves out those that hold nothing.
func describeTables(w io.Writer, tables []valetkey.TableSum) {
	var rows, size int64
	fmt.Fprintln(w, "TABLE\tROWS\tKIB")
	for _, t := range tables {
		if rows, size = rows+t.Rows, size+t.Bytes; t.Rows > 0 {
			fmt.Fprintf(w, "%s\t%d\t%d\n", t.Name, t.Rows, (t.Bytes+1023)>>10)
		}
	}
	fmt.Fprintf(w, "in all\t%d\t%d\n", rows, (size+1023)>>10)
}

// untouched is server without making the data folder: for commands that read,
// and for a restore, which needs what should lie there already.
func (s *Settings) untouched(c console) (valetkey.Config, error) {
	named := *s
	if s.Database == "" {
		named.Database = "sqlite:" + filepath.Join(s.DataDir, "valetkey.db")
		if s.MasterSecretFile == "" {
			named.MasterSecretFile = filepath.Join(s.DataDir, "master-secret")
		}
	}
	return named.server(c)
}
