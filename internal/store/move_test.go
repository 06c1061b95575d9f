package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

func TestMove(t *testing.T) {
	pairs(t, func(t *testing.T, from *bed, to string) {
		ctx := t.Context()
		from.fillTables(t)
		before := contents(t, from.url)
		rehearsed := must(Move(ctx, from.config(), MoveOptions{To: to, DryRun: true}))(t)
		if got := differing(before, rehearsed.Tables); got != nil || !rehearsed.DryRun {
			t.Errorf("rehearsed %+v", got)
		}
		if plan := must(Pending(ctx, to))(t); plan.Schema != 0 {
			t.Errorf("a dry run wrote: %+v", plan)
		}
		did := must(Move(ctx, from.config(), MoveOptions{To: to}))(t)
		if got := differing(before, contents(t, to)); got != nil || did.Changed != nil || did.From != from.Database() {
			t.Errorf("%v, %+v", got, did)
		}
		moved := from.at(to).open(t)
		if !moved.RestoredAt().IsZero() {
			t.Error("a whole copy counts as restored")
		}
		for _, dry := range []bool{true, false} {
			_, err := Move(ctx, from.config(), MoveOptions{To: to, DryRun: dry})
			wants(t, "once more", err, ErrNotEmpty)
		}
		_, err := Move(ctx, from.config(), MoveOptions{To: from.url})
		wants(t, "onto itself", err, ErrNotEmpty)
	})
}

// A source that is written to is refused, and nothing stays in the target; one
// who wants it all the same gets a copy that counts as restored.
func TestMoveWhileItChanges(t *testing.T) {
	pairs(t, func(t *testing.T, from *bed, to string) {
		g := from.ground(t)
		stop := from.busy(t, g)
		defer stop()
		time.Sleep(100 * time.Millisecond)
		_, err := Move(t.Context(), from.config(), MoveOptions{To: to})
		wants(t, "while flows run", err, ErrChanged)
		if err != nil && (!strings.Contains(err.Error(), "authorizations (") || !strings.Contains(err.Error(), "--live")) {
			t.Errorf("%v doesn't say what and how", err)
		}
		if plan := must(Pending(t.Context(), to))(t); plan.Schema != 0 {
			t.Errorf("something stays: %+v", plan)
		}
		did := must(Move(t.Context(), from.config(), MoveOptions{To: to, Live: true}))(t)
		if len(did.Changed) == 0 {
			t.Errorf("%+v", did)
		}
		moved := from.at(to)
		moved.one(t)
		moved.Store = moved.open(t)
		if moved.RestoredAt().IsZero() {
			t.Error("a copy that is older than its source doesn't count as restored")
		}
		_, err = moved.Session(t.Context(), g.session.ID, moved.time())
		wants(t, "the session", err, oauth.ErrNotFound)
	})
}

func TestMoveRefuses(t *testing.T) {
	shared(t, func(t *testing.T, from *bed) {
		folder := t.TempDir()
		for _, to := range []string{"sqlite::memory:", "sqlite:", "postgres://127.0.0.1:1/x?connect_timeout=1", "postgres://%%", "sqlite:" + filepath.Join(folder, "no", "x.db")} {
			for _, dry := range []bool{true, false} {
				if _, err := Move(t.Context(), from.config(), MoveOptions{To: to, DryRun: dry}); err == nil && (!dry || !strings.Contains(to, "/no/")) {
					t.Errorf("to %s, dry %v", to, dry)
				}
			}
		}
		empty := from.at("sqlite:" + filepath.Join(folder, "empty.db"))
		ok(t, os.WriteFile(filepath.Join(folder, "empty.db"), nil, 0o600))
		if _, err := Move(t.Context(), empty.config(), MoveOptions{To: sqliteFile(t)}); err == nil || !strings.Contains(err.Error(), "isn't a database of this program") {
			t.Errorf("an empty file is moved: %v", err)
		}
	})
}

// What SQLite takes for text and PostgreSQL doesn't is named.
func TestMoveOfUnfitText(t *testing.T) {
	for name, text := range map[string]string{"NUL": "a\x00b", "no UTF-8": "a\xffb"} {
		t.Run(name, func(t *testing.T) {
			from := newBed(t, sqliteFile(t))
			ok(t, from.statement(t.Context(), func(c conn) error {
				_, err := c.exec("INSERT INTO initial_tokens VALUES ('token7', $1, $2, 1, 1, 1)", []byte("h"), text)
				return err
			}))
			to := kinds["postgres"](t)
			_, err := Move(t.Context(), from.config(), MoveOptions{To: to})
			if err == nil || !strings.Contains(err.Error(), "initial_tokens") || !strings.Contains(err.Error(), `column note of the row that begins with "token7"`) {
				t.Error(err)
			}
			if plan := must(Pending(t.Context(), to))(t); plan.Schema != 0 {
				t.Errorf("something stays: %+v", plan)
			}
			must(Move(t.Context(), from.config(), MoveOptions{To: sqliteFile(t)}))(t)
		})
	}
}

// A copy that is broken off leaves nothing, wherever it was.
func TestMoveBrokenOff(t *testing.T) {
	if testing.Short() {
		t.Skip("breaks many copies off")
	}
	pairs(t, func(t *testing.T, from *bed, to string) {
		from.fillTables(t)
		whole := 0
		for delay := 4 * time.Millisecond; whole == 0 && delay < time.Minute; delay += delay / 2 {
			ctx, cancel := context.WithTimeout(t.Context(), delay)
			_, err := Move(ctx, from.config(), MoveOptions{To: to})
			cancel()
			plan := must(Pending(t.Context(), to))(t)
			switch {
			case err == nil, plan.Schema != 0 && differing(contents(t, from.url), contents(t, to)) == nil: // the time was over while all was committed
				whole++
			case errors.Is(err, ErrNotEmpty) || plan.Schema != 0:
				t.Fatalf("broken off after %s: %v, %+v", delay, err, plan)
			}
		}
		if whole == 0 {
			t.Error("it never came to its end")
		}
	})
}
