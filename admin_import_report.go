package valetkey

import (
	"cmp"
	"slices"

	"github.com/valetkey/valetkey/internal/imports"
)

// ImportReport says what an import did, or with DryRun what it would do. It shows
// no value of a row but names of groups and of what is left: a column that was
// mistaken for another might be a hash.
type ImportReport struct {
	Format  string `json:"format"`
	DryRun  bool   `json:"dry_run"`
	Read    int    `json:"read"`
	Created int    `json:"created"`
	Skipped int    `json:"skipped"`
	Refused int    `json:"refused"`

	SkippedFor []ImportReason `json:"skipped_for"`
	RefusedFor []ImportReason `json:"refused_for"`
	// Hashes are the formats of those created; NoPassword is how many have none.
	Hashes     map[string]int `json:"hashes"`
	NoPassword int            `json:"no_password"`
	// Groups are how many of them are in each, and Admins how many were made
	// administrators.
	Groups map[string]int `json:"groups"`
	Admins int            `json:"admins"`
	// Authenticators is how many authenticator apps came with them.
	Authenticators int `json:"authenticators"`
	// Left is what the file has of those created and isn't carried over.
	Left map[string]int `json:"left"`
}

// ImportReason is why some rows were skipped or refused.
type ImportReason struct {
	Field    string          `json:"field,omitempty"`
	Why      string          `json:"why"`
	Count    int             `json:"count"`
	Examples []ImportExample `json:"examples"` // the first
}

// ImportExample says where such a row stands.
type ImportExample struct {
	Line   int    `json:"line"`
	Record int    `json:"record"`
	Detail string `json:"detail,omitempty"`
}

const (
	maxExamples = 5
	maxReasons  = 100 // of each list; what is beyond goes together
	others      = "others"
)

// importTally is a report while it is made.
type importTally struct {
	ImportReport

	skip, refuse reasons
}

func newImportReport(o ImportOptions) *importTally {
	return &importTally{
		ImportReport: ImportReport{Format: o.Format, DryRun: o.DryRun, Hashes: map[string]int{}, Groups: map[string]int{}, Left: map[string]int{}},
		skip:         reasons{}, refuse: reasons{},
	}
}

func (t *importTally) read() { t.Read++ }

func (t *importTally) created(u imports.User, apps int) {
	t.Created++
	t.Authenticators += apps
	if u.HashKind == "" {
		t.NoPassword++
	} else {
		t.Hashes[u.HashKind]++
	}
	if u.Admin {
		t.Admins++
	}
	count(t.Groups, u.Groups)
	count(t.Left, u.Left)
}

func count(into map[string]int, names []string) {
	for _, name := range names {
		if into[name] == 0 && len(into) >= maxReasons {
			name = others
		}
		into[name]++
	}
}

func (t *importTally) skipped(u imports.User, why string) {
	t.Skipped++
	t.skip.add(&imports.RowError{Line: u.Line, Record: u.Record, Why: why})
}

func (t *importTally) refused(bad *imports.RowError) {
	t.Refused++
	t.refuse.add(bad)
}

func (t *importTally) done() ImportReport {
	t.SkippedFor, t.RefusedFor = t.skip.sorted(), t.refuse.sorted()
	return t.ImportReport
}

// reasons counts what is said in the same words.
type reasons map[string]*ImportReason

func (r reasons) add(bad *imports.RowError) {
	key := bad.Field + "\x00" + bad.Why
	if r[key] == nil && len(r) >= maxReasons {
		key, bad = others, &imports.RowError{Line: bad.Line, Record: bad.Record, Why: others}
	}
	if r[key] == nil {
		r[key] = &ImportReason{Field: bad.Field, Why: bad.Why}
	}
	r[key].Count++
	if len(r[key].Examples) < maxExamples {
		r[key].Examples = append(r[key].Examples, ImportExample{Line: bad.Line, Record: bad.Record, Detail: bad.Detail})
	}
}

// sorted has the most frequent first.
func (r reasons) sorted() []ImportReason {
	out := make([]ImportReason, 0, len(r))
	for _, one := range r {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b ImportReason) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Examples[0].Record, b.Examples[0].Record))
	})
	return out
}
