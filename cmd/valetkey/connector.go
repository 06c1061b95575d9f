package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valetkey/valetkey"
)

type connectorCmd struct {
	List connectorList `cmd:"" help:"List the providers that people may sign in with."`
	Test connectorTest `cmd:"" help:"Try one out: reach it, check what it says, and tell what to do."`
}

type connectorList struct{ jsonFlag }

type connectorRow struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
}

func (l *connectorList) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		rows := []connectorRow{}
		for _, one := range a.Connectors() {
			rows = append(rows, connectorRow{one.Name, one.Kind, one.Title})
		}
		return l.print(c, rows, func(w io.Writer) {
			fmt.Fprintln(w, "NAME\tKIND\tTITLE")
			for _, r := range rows {
				fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.Kind, r.Title)
			}
		})
	})
}

type connectorTest struct {
	jsonFlag

	Name string `arg:"" help:"Its name in the configuration."`
}

// errConnector is what the command ends with when a check failed; the checks say
// what.
var errConnector = errors.New("the connector doesn't work yet")

func (t *connectorTest) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		checks, err := a.TestConnector(ctx, t.Name)
		if err != nil {
			return err
		}
		failed := false
		for _, check := range checks {
			failed = failed || !check.OK
		}
		err = t.print(c, checks, func(w io.Writer) {
			for _, check := range checks {
				mark := "ok"
				if !check.OK {
					mark = "FAILED"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", mark, check.Step+": "+check.Tried, check.Found)
				if !check.OK && check.Do != "" {
					fmt.Fprintf(w, "\t\t%s\n", check.Do)
				}
			}
		})
		if err == nil && failed {
			err = errConnector
		}
		return err
	})
}
