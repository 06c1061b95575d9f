package store

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/valetkey/valetkey/oauth"
)

const (
	maxProblems       = 10_000
	maxClientProblems = 20
	maxSent           = 500 // characters
)

// Problem is something that went wrong for an app, shown to its owner. Sent is
// a stranger's text.
type Problem struct {
	ClientID    string
	Error       string
	Description string
	Parameter   string
	Sent        string
	Expected    []string
	Count       int64
	FirstAt     time.Time
	LastAt      time.Time
	RequestID   string // of the latest
}

// problems are those since the last flush, one entry for each kind of problem
// of a client. A stranger can cause them, so both numbers are bounded.
type problems struct {
	mu       sync.Mutex
	byClient map[string]map[string]*list.Element // by Problem.key
	recent   list.List                           // of *Problem, the latest at the back
}

// NoteProblem remembers an event that its client's owner may want to know.
// Values of parameters that may be secret (code, token, state …) are the
// caller's to leave out.
func (s *Store) NoteProblem(e oauth.Event) {
	if e.ClientID == "" {
		return
	}
	p := problemOf(e, s.now())
	s.problems.mu.Lock()
	defer s.problems.mu.Unlock()
	s.problems.note(p)
}

func problemOf(e oauth.Event, now time.Time) *Problem {
	at := orElse(e.At, now)
	p := &Problem{
		ClientID: clean(e.ClientID), Error: string(e.Kind), Sent: clean(e.Sent), RequestID: clean(e.RequestID),
		Count: 1, FirstAt: at, LastAt: at,
	}
	for _, expected := range e.Expected {
		p.Expected = append(p.Expected, clean(expected))
	}
	if e.Error != nil {
		p.Error, p.Description, p.Parameter = clean(e.Error.Code), clean(e.Error.Description), clean(e.Error.Parameter)
	}
	return p
}

// clean cuts a stranger's text to what PostgreSQL can hold and a page shows. It
// is a copy: a part of a request would keep the whole of it.
func clean(text string) string {
	if len(text) > maxSent*utf8.UTFMax {
		text = text[:maxSent*utf8.UTFMax]
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if runes := []rune(text); len(runes) > maxSent {
		return string(runes[:maxSent])
	}
	return strings.Clone(text)
}

// key tells problems of a client apart.
func (p *Problem) key() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{p.Error, p.Parameter, p.Sent}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// note is called with mu held.
func (l *problems) note(p *Problem) {
	if l.byClient == nil {
		l.byClient = map[string]map[string]*list.Element{}
	}
	of := l.byClient[p.ClientID]
	if of == nil {
		of = map[string]*list.Element{}
		l.byClient[p.ClientID] = of
	}
	if known := of[p.key()]; known != nil {
		problemIn(known).merge(p)
		l.recent.MoveToBack(known)
		return
	}
	of[p.key()] = l.recent.PushBack(p)
	if len(of) > maxClientProblems {
		l.drop(oldest(of))
	}
	if l.recent.Len() > maxProblems {
		l.drop(l.recent.Front())
	}
}

func problemIn(e *list.Element) *Problem { return e.Value.(*Problem) } //nolint:forcetypeassert // nothing else is put in

func (p *Problem) merge(other *Problem) {
	p.Count += other.Count
	if other.FirstAt.Before(p.FirstAt) {
		p.FirstAt = other.FirstAt
	}
	if !other.LastAt.Before(p.LastAt) {
		p.LastAt, p.RequestID = other.LastAt, other.RequestID
		p.Description, p.Expected = other.Description, other.Expected
	}
}

func oldest(of map[string]*list.Element) *list.Element {
	return slices.MinFunc(slices.Collect(maps.Values(of)), func(a, b *list.Element) int {
		return problemIn(a).LastAt.Compare(problemIn(b).LastAt)
	})
}

func (l *problems) drop(e *list.Element) {
	p := problemIn(e)
	l.recent.Remove(e)
	delete(l.byClient[p.ClientID], p.key())
	if len(l.byClient[p.ClientID]) == 0 {
		delete(l.byClient, p.ClientID)
	}
}

// take empties the memory, oldest first.
func (l *problems) take() []*Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*Problem, 0, l.recent.Len())
	for e := l.recent.Front(); e != nil; e = e.Next() {
		out = append(out, problemIn(e))
	}
	l.byClient = nil
	l.recent.Init()
	return out
}

// putBack keeps what couldn't be written for the next time.
func (l *problems) putBack(taken []*Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range taken {
		l.note(p)
	}
}

// of copies a client's problems.
func (l *problems) of(clientID string) []Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Problem
	for _, e := range l.byClient[clientID] {
		out = append(out, *problemIn(e))
	}
	return out
}
