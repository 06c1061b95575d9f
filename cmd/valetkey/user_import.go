package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/valetkey/valetkey"
)

type userImport struct {
	jsonFlag

	File         string   `arg:"" help:"What the other system exported; - is standard input."`
	Format       string   `help:"jsonl, keycloak, auth0 or firebase." required:"" enum:"jsonl,keycloak,auth0,firebase"`
	DryRun       bool     `help:"Write nothing, and report what would be."`
	Update       string   `help:"Who is here already: skip them, or fail." default:"skip" enum:"skip,fail"`
	KeepSubjects bool     `help:"Keep the ids by which apps know people: Keycloak's id, Auth0's user_id, Firebase's localId."`
	StopOnError  bool     `help:"Stop at the first user who can't be taken."`
	Connector    []string `help:"Link accounts at the provider that the file calls ALIAS to connector NAME." placeholder:"ALIAS=NAME[=ISSUER]" sep:"none"`
	FirebaseKey  string   `help:"File with the project's hash_config, as Firebase's console shows it." type:"path" placeholder:"FILE"`
}

// Run imports what it can, reports, and fails when somebody was refused.
func (u *userImport) Run(ctx context.Context, s *Settings, c console) error {
	o, err := u.options()
	if err != nil {
		return err
	}
	from, err := u.open(c)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		report, err := a.ImportUsers(ctx, from, o)
		if err == nil || report.Read > 0 {
			err = errors.Join(u.print(c, report, func(w io.Writer) { describeImport(w, report) }), err)
		}
		if err == nil && report.Refused > 0 {
			err = fmt.Errorf("%d of %d users were refused", report.Refused, report.Read)
		}
		return err
	})
}

func (u *userImport) options() (valetkey.ImportOptions, error) {
	o := valetkey.ImportOptions{
		Format: u.Format, DryRun: u.DryRun, FailExisting: u.Update == "fail", StopOnError: u.StopOnError,
		KeepSubjects: u.KeepSubjects,
		Connectors:   map[string]valetkey.ImportConnector{},
	}
	for _, text := range u.Connector {
		alias, connector, err := readConnector(text)
		if err != nil {
			return o, usageError{fmt.Errorf("--connector %s: %w", text, err)}
		}
		o.Connectors[alias] = connector
	}
	if u.FirebaseKey == "" {
		return o, nil
	}
	content, err := os.ReadFile(u.FirebaseKey)
	if err != nil {
		return o, fmt.Errorf("--firebase-key: %w", err)
	}
	if o.Firebase, err = valetkey.ParseFirebaseKey(string(content)); err != nil {
		return o, usageError{fmt.Errorf("--firebase-key %s: %w", u.FirebaseKey, err)}
	}
	return o, nil
}

// readConnector reads ALIAS=NAME[=ISSUER]; the issuer of a well-known provider
// may be left out.
func readConnector(text string) (alias string, c valetkey.ImportConnector, err error) {
	parts := strings.SplitN(text, "=", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", c, errors.New("write ALIAS=NAME, or ALIAS=NAME=ISSUER")
	}
	c = valetkey.ImportConnector{Name: parts[1], Issuer: valetkey.KnownIssuer(parts[0])}
	if len(parts) == 3 {
		c.Issuer = parts[2]
	}
	if c.Issuer == "" {
		return "", c, errors.New("this provider's issuer isn't known; write ALIAS=NAME=ISSUER, the issuer being the connector's")
	}
	return parts[0], c, nil
}

func (u *userImport) open(c console) (io.ReadCloser, error) {
	if u.File == "-" {
		return io.NopCloser(c.in), nil
	}
	f, err := os.Open(u.File)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	return f, nil
}

// describeImport is the report in words.
func describeImport(w io.Writer, r valetkey.ImportReport) {
	made := "created"
	if r.DryRun {
		fmt.Fprintln(w, "Dry run: nothing was written.")
		made = "would be created"
	}
	fmt.Fprintf(w, "%d\tread\n%d\t%s\n%d\tskipped\n%d\trefused\n", r.Read, r.Created, made, r.Skipped, r.Refused)
	describeReasons(w, "Skipped", r.SkippedFor)
	describeReasons(w, "Refused", r.RefusedFor)
	hashes := maps.Clone(r.Hashes)
	if r.NoPassword > 0 {
		hashes["no password"] = r.NoPassword
	}
	describeCounts(w, "Password hashes", hashes)
	describeCounts(w, "Groups", r.Groups)
	if r.Admins > 0 {
		fmt.Fprintf(w, "\nAdministrators:\n%d\n", r.Admins)
	}
	if r.Authenticators > 0 {
		fmt.Fprintf(w, "\nAuthenticator apps:\n%d\n", r.Authenticators)
	}
	describeCounts(w, "Not carried over", r.Left)
}

func describeReasons(w io.Writer, title string, reasons []valetkey.ImportReason) {
	if len(reasons) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, one := range reasons {
		why := one.Why
		if one.Field != "" {
			why = one.Field + ": " + why
		}
		var lines []string
		for _, e := range one.Examples {
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%d (%s)", e.Line, e.Detail), " ()"))
		}
		if one.Count > len(lines) {
			lines = append(lines, "…")
		}
		fmt.Fprintf(w, "%d\t%s\n\tlines %s\n", one.Count, why, strings.Join(lines, ", "))
	}
}

// describeCounts has the most frequent first.
func describeCounts(w io.Writer, title string, counts map[string]int) {
	if len(counts) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	for _, name := range names {
		fmt.Fprintf(w, "%d\t%s\n", counts[name], name)
	}
}
