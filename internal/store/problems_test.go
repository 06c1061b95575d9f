package store

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/oauth"
)

func problem(client, code, sent string, at time.Time) oauth.Event {
	return oauth.Event{
		Kind: oauth.EventProblem, ClientID: client, At: at, Sent: sent, Expected: []string{"https://app.example/cb"},
		Error:     &oauth.Error{Code: code, Description: "why", Parameter: "redirect_uri"},
		RequestID: "r" + at.Format("150405"),
	}
}

func TestProblems(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		b.addClient(t, "app")
		note := func(code, sent string) {
			b.NoteProblem(problem("app", code, sent, b.time()))
			b.advance(time.Second)
		}
		note("invalid_request", "http://a")
		note("invalid_request", "http://a")
		note("invalid_request", "http://b")
		ok(t, b.Flush(ctx))
		note("invalid_request", "http://a")
		b.NoteProblem(problem("nobody", "invalid_request", "x", b.time()))
		want := []Problem{
			{Sent: "http://a", Count: 3, FirstAt: began, LastAt: began.Add(3 * time.Second), RequestID: "r030408"},
			{Sent: "http://b", Count: 1, FirstAt: began.Add(2 * time.Second), LastAt: began.Add(2 * time.Second), RequestID: "r030407"},
		}
		for i := range want {
			want[i].ClientID, want[i].Error, want[i].Description = "app", "invalid_request", "why"
			want[i].Parameter, want[i].Expected = "redirect_uri", []string{"https://app.example/cb"}
		}
		for range 2 { // from memory and table, then from the table
			if diff := cmp.Diff(want, must(b.Problems(ctx, "app"))(t)); diff != "" {
				t.Error(diff)
			}
			before := b.Writes()
			ok(t, b.Flush(ctx))
			if n := b.Writes() - before; n > 1 {
				t.Errorf("written in %d commits", n)
			}
		}
		if n := b.count(t, "problems"); n != 2 {
			t.Errorf("%d rows; a name that is no client's has none", n)
		}
		b.advance(31 * 24 * time.Hour)
		ok(t, b.Sweep(ctx))
		if n := b.count(t, "problems"); n != 0 {
			t.Errorf("%d rows after a month", n)
		}
	})
}

func TestProblemsAreBounded(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		b.addClient(t, "app")
		for round := range 2 {
			for i := range 50 {
				b.NoteProblem(problem("app", "invalid_request", fmt.Sprint(round, i), b.time()))
				b.advance(time.Second)
			}
			got := must(b.Problems(ctx, "app"))(t)
			if len(got) != 20 || got[0].Sent != fmt.Sprint(round, 49) {
				t.Errorf("%d problems, the latest %q", len(got), got[0].Sent)
			}
			ok(t, b.Flush(ctx))
			if n := b.count(t, "problems"); n != 20 {
				t.Errorf("%d rows", n)
			}
		}
	})
}

func TestProblemsOfManyClientsAreBounded(t *testing.T) {
	b := newBed(t, "sqlite::memory:")
	for i := range maxProblems + 100 {
		b.NoteProblem(problem(fmt.Sprint("c", i), "invalid_request", "x", b.time()))
	}
	if n := b.problems.recent.Len(); n != maxProblems || len(b.problems.byClient) != n {
		t.Errorf("%d problems of %d clients", n, len(b.problems.byClient))
	}
	if left := b.problems.of("c99"); left != nil {
		t.Errorf("the oldest is there: %v", left)
	}
}

// What a stranger sends is cut, and is text that every database can hold.
func TestProblemsCleanWhatWasSent(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		b.addClient(t, "app")
		b.NoteProblem(problem("app", "invalid_request", "\x00\xff"+strings.Repeat("ß", 5000), b.time()))
		ok(t, b.Flush(t.Context()))
		got := must(b.Problems(t.Context(), "app"))(t)
		if len(got) != 1 || utf8.RuneCountInString(got[0].Sent) != maxSent {
			t.Errorf("%+v", got)
		}
	})
}
