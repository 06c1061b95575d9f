package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/valetkey/valetkey"
)

type doctorCmd struct {
	jsonFlag

	Verify bool `help:"Read all of a SQLite database (integrity_check), which takes time."`

	Recover bool `help:"After a fail-over or a copy that was put back, by which commits may be lost: end every session and all apps' access, and let servers use the database again."`
	Keep    bool `help:"With --recover: end nothing, since nothing was lost."`
}

// diagnosis is what was found.
type diagnosis struct {
	Findings []valetkey.Finding `json:"findings"`
	OK       int                `json:"ok"`
	Warnings int                `json:"warnings"`
	Failures int                `json:"failures"`
}

// Run looks at everything, changes nothing unless it is to recover, and fails
// when something is wrong.
func (d *doctorCmd) Run(ctx context.Context, s *Settings, c console) error {
	switch {
	case d.Recover:
		return d.recover(ctx, s, c)
	case d.Keep:
		return errors.New("--keep goes with --recover")
	}
	found := diagnosis{Findings: d.examine(ctx, s, c)}
	for _, f := range found.Findings {
		switch f.Level {
		case valetkey.FindingFailure:
			found.Failures++
		case valetkey.FindingWarning:
			found.Warnings++
		default:
			found.OK++
		}
	}
	if err := d.print(c, found, found.describe); err != nil {
		return err
	}
	if found.Failures > 0 {
		return fmt.Errorf("%d of %d checks failed", found.Failures, len(found.Findings))
	}
	return nil
}

func (d *doctorCmd) recover(ctx context.Context, s *Settings, c console) error {
	config, err := s.untouched(c)
	if err != nil {
		return err
	}
	did, err := valetkey.Recover(ctx, config, d.Keep)
	if err != nil {
		return err
	}
	return d.print(c, did, func(w io.Writer) {
		if did.Ended {
			fmt.Fprintf(w, "Every session and every app's access from before %s was ended.\n", second(did.At))
		} else {
			fmt.Fprintln(w, "Nothing was ended.")
		}
		if did.Timeline > 0 {
			fmt.Fprintf(w, "Servers use the database's timeline %d now.\n", did.Timeline)
		}
	})
}

func (d *doctorCmd) examine(ctx context.Context, s *Settings, c console) []valetkey.Finding {
	config, err := s.untouched(c)
	if err != nil {
		return []valetkey.Finding{bad("configuration", "correct it; nothing else was looked at", "%v", err)}
	}
	found := []valetkey.Finding{fine("configuration", "it can be read")}
	found = append(found, s.examineFiles(config.Issuer)...)
	inside, kids := valetkey.Examine(ctx, config, d.Verify)
	found = append(found, inside...)
	return append(found, examineIssuer(ctx, config, kids)...)
}

func (d diagnosis) describe(w io.Writer) {
	for _, f := range d.Findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Level, f.Check, f.What)
		if f.Do != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Do)
		}
	}
	fmt.Fprintf(w, "%d fine, %d to look at, %d wrong\n", d.OK, d.Warnings, d.Failures)
}

func fine(check, what string, args ...any) valetkey.Finding {
	return valetkey.Finding{Level: valetkey.FindingFine, Check: check, What: fmt.Sprintf(what, args...)}
}

func warning(check, do, what string, args ...any) valetkey.Finding {
	return valetkey.Finding{Level: valetkey.FindingWarning, Check: check, What: fmt.Sprintf(what, args...), Do: do}
}

func bad(check, do, what string, args ...any) valetkey.Finding {
	return valetkey.Finding{Level: valetkey.FindingFailure, Check: check, What: fmt.Sprintf(what, args...), Do: do}
}
