package mail_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/seal"
)

// memory is a mail.Store whose verbs are as atomic as the database's: each
// happens under one lock, from the question to the write.
type memory struct {
	mu   sync.Mutex
	rows map[string]mail.Row
}

func (s *memory) QueueMail(_ context.Context, rows ...mail.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = map[string]mail.Row{}
	}
	for _, r := range rows {
		s.rows[r.ID] = r
	}
	return nil
}

func (s *memory) DueMail(_ context.Context, now time.Time, lease time.Duration, limit int) ([]mail.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []mail.Row
	for _, r := range s.rows {
		if !r.DueAt.After(now) && r.ExpiresAt.After(now) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b mail.Row) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
	})
	due = due[:min(limit, len(due))]
	for i := range due {
		due[i].DueAt = now.Add(lease)
		due[i].Tries++
		s.rows[due[i].ID] = due[i]
	}
	return due, nil
}

func (s *memory) DropMail(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, id)
	return nil
}

func (s *memory) PostponeMail(_ context.Context, id string, due time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.rows[id]; ok {
		r.DueAt = due
		s.rows[id] = r
	}
	return nil
}

func (s *memory) all() []mail.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []mail.Row
	for _, r := range s.rows {
		all = append(all, r)
	}
	return all
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newBox(t testing.TB) *seal.Box {
	t.Helper()
	keys, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	return keys.Box("mail", "")
}

// newPost makes a Post of O-stock's; change says what is otherwise.
func newPost(t testing.TB, change func(*mail.Config)) *mail.Post {
	t.Helper()
	c := mail.Config{
		Store: &memory{}, Sender: &mail.Mailbox{}, From: "noreply@ostock.example", Brand: "O-stock",
		Issuer: "https://auth.ostock.example", Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	if change(&c); c.Box == nil {
		c.Box = newBox(t)
	}
	p, err := mail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// post sends letters into a mailbox and returns what arrived, in their order.
func post(t testing.TB, letters ...mail.Letter) []mail.Received {
	t.Helper()
	box := &mail.Mailbox{}
	p := newPost(t, func(c *mail.Config) { c.Sender = box })
	var got []mail.Received
	for _, l := range letters {
		if err := p.Enqueue(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if err := p.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got = box.List()
	slices.Reverse(got)
	if len(got) != len(letters) {
		t.Fatalf("%d letters arrived of %d", len(got), len(letters))
	}
	return got
}

// speak has a language spoken that says of some texts what the test expects.
func speak(t testing.TB, tag, catalogue string) {
	t.Helper()
	t.Cleanup(locale.Use(fstest.MapFS{tag + ".json": {Data: []byte(catalogue)}}))
}

var (
	head = mail.Letterhead{Brand: "O-stock", Host: "auth.ostock.example"}
	ada  = mail.Person{Address: "ada.private@people.example", Locale: "en", Name: "Ada"}
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

const link = "https://auth.ostock.example/mail?t=sekrit_token&x=1"

// broken is a memory that can be out of reach.
type broken struct {
	memory

	down atomic.Bool
}

var errDown = errors.New("database is out of reach")

func (s *broken) QueueMail(ctx context.Context, rows ...mail.Row) error {
	if s.down.Load() {
		return errDown
	}
	return s.memory.QueueMail(ctx, rows...)
}

func (s *broken) DueMail(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]mail.Row, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.memory.DueMail(ctx, now, lease, limit)
}
