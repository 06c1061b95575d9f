package valetkey

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/valetkey/valetkey/internal/imports"
	"github.com/valetkey/valetkey/internal/store"
)

// ImportOptions say how users are imported. Format is the least.
type ImportOptions struct {
	Format       string // jsonl, keycloak, auth0 or firebase
	DryRun       bool   // write nothing, and report what would be
	FailExisting bool   // who is here already is refused; else they are skipped
	StopOnError  bool   // at the first user who is refused

	// Connectors are ours for the providers of the source, by the name that the
	// source has for each.
	Connectors map[string]ImportConnector
	// KeepSubjects has people keep the ids by which apps know them: Keycloak's id,
	// Auth0's user_id, Firebase's localId. Who has none is refused.
	KeepSubjects bool
	// Firebase has the parameters that the hashes of a Firebase project share.
	Firebase *FirebaseKey
}

// ImportConnector is one of ours, with the issuer under which it knows people.
type ImportConnector = imports.Connector

// FirebaseKey has what the hashes of a Firebase project share. It is kept
// nowhere.
type FirebaseKey = imports.FirebaseKey

// ParseFirebaseKey reads the hash_config that Firebase's console shows.
func ParseFirebaseKey(text string) (*FirebaseKey, error) { return imports.ParseFirebaseKey(text) }

// KnownIssuer is the issuer of a well-known provider, by a name that Keycloak,
// Auth0 or Firebase has for it; "" for any other.
func KnownIssuer(alias string) string { return imports.KnownIssuer(alias) }

// ErrImportStopped: ImportOptions.StopOnError, and somebody was refused.
var ErrImportStopped = errors.New("stopped at the first user who was refused")

// ImportUsers makes accounts of what another system exported, with their
// password hashes, which are verified and made anew at the next sign-in. Each
// user is written whole or not at all; a user who can't be taken is told of in
// the report and stops nobody else. Who is here already stays as they are, so it
// can be run again. With an error the report says what was done before.
func (a *Admin) ImportUsers(ctx context.Context, from io.Reader, o ImportOptions) (ImportReport, error) {
	i := &importing{a: a, o: o, report: newImportReport(o), earlier: newEarlier()}
	if a.s.login.External != nil {
		return i.report.done(), errors.New("people are in the embedder's own user base; none are imported beside it")
	}
	if err := i.checkConnectors(); err != nil {
		return i.report.done(), err
	}
	err := i.all(ctx, from)
	return i.report.done(), err
}

// importing is one run.
type importing struct {
	a       *Admin
	o       ImportOptions
	report  *importTally
	earlier earlier
	batch   []importRow
}

// importRow is somebody who waits to be written.
type importRow struct {
	store.Import

	from imports.User
}

// importBatch people are written in one transaction: so many that the disk
// isn't what it waits for, so few that a server beside it needn't wait long.
const importBatch = 64

func (i *importing) all(ctx context.Context, from io.Reader) error {
	options := imports.Options{Connectors: i.o.Connectors, Firebase: i.o.Firebase, KeepSubjects: i.o.KeepSubjects}
	for u, err := range imports.Read(from, imports.Format(i.o.Format), options) {
		var bad *imports.RowError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &bad):
			err = i.refuse(bad)
		case err != nil:
			return errors.Join(i.flush(ctx), err)
		default:
			err = i.take(ctx, u)
		}
		if err != nil {
			return err
		}
	}
	return i.flush(ctx)
}

func (i *importing) refuse(bad *imports.RowError) error {
	i.report.read()
	i.report.refused(bad)
	if i.o.StopOnError {
		return ErrImportStopped
	}
	return nil
}

// take judges somebody and puts them among those to write.
func (i *importing) take(ctx context.Context, u imports.User) error {
	if u.Skip != "" {
		i.report.read()
		i.report.skipped(u, u.Skip)
		return nil
	}
	user, bad := i.judge(ctx, u)
	row := importRow{Import: store.Import{User: user, Kept: u.Subject != "", Identities: identitiesOf(u)}, from: u}
	if bad == nil {
		i.takeFactors(&row)
	}
	if bad == nil && i.earlier.awaits(row) {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	if bad == nil {
		bad = i.earlier.before(row)
	}
	if bad != nil {
		bad.Line, bad.Record = u.Line, u.Record
		return i.refuse(bad)
	}
	return i.wait(ctx, row)
}

// wait puts somebody among those to write next.
func (i *importing) wait(ctx context.Context, row importRow) error {
	i.report.read()
	i.earlier.wait(row)
	i.batch = append(i.batch, row)
	if len(i.batch) == importBatch || i.o.StopOnError {
		return i.flush(ctx)
	}
	return nil
}

// flush writes those who wait, or asks how they stand.
func (i *importing) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	people := make([]store.Import, len(i.batch))
	for n, row := range i.batch {
		people[n] = row.Import
	}
	ask := i.a.s.store.ImportUsers
	if i.o.DryRun {
		ask = i.a.s.store.Standings
	}
	standings, err := ask(ctx, people)
	if err != nil {
		first, last := i.batch[0].from.Line, i.batch[len(i.batch)-1].from.Line
		return fmt.Errorf("lines %d to %d, of which nobody was written: %w", first, last, err)
	}
	for n, row := range i.batch {
		err = errors.Join(err, i.settle(row, standings[n]))
	}
	i.batch = i.batch[:0]
	i.earlier.settled()
	return err
}

// settle counts somebody by how they stood.
func (i *importing) settle(row importRow, standing store.Standing) error {
	words := map[store.Standing]imports.RowError{
		store.StandsHere:     {Field: "username", Why: "they are here already"},
		store.StandsName:     {Field: "username", Why: "another account signs in by this name"},
		store.StandsEmail:    {Field: "email", Why: "another account signs in by this verified address"},
		store.StandsIdentity: {Field: "identities", Why: "one is linked to another account"},
		store.StandsSubject:  {Field: "sub", Why: "another account has it"},
	}
	if standing == store.StandsFree || standing == store.StandsHere {
		i.earlier.take(row)
	}
	bad := words[standing]
	switch {
	case standing == store.StandsFree:
		i.report.created(row.from, len(row.TOTPs))
	case standing == store.StandsHere && !i.o.FailExisting:
		i.report.skipped(row.from, bad.Why)
	default:
		bad.Line, bad.Record = row.from.Line, row.from.Record
		i.report.refused(&bad)
		if i.o.StopOnError {
			return ErrImportStopped
		}
	}
	return nil
}
