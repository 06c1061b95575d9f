package keys

import (
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// keep is how long a removed key's row stays, for people to see what was.
const keep = 7 * 24 * time.Hour

// Action is something to be done about the keys: Make, Move or Sweep.
//
//sumtype:decl
type Action interface{ action() }

// Make asks for a new key. Plan has all but KID and Sealed.
type Make struct{ Plan Record }

// Move asks for a record's times to be changed to these.
type Move struct{ Record Record }

// Sweep asks for the records removed before that time to be deleted.
type Sweep struct{ Before int64 }

func (Make) action()  {}
func (Move) action()  {}
func (Sweep) action() {}

// Step decides what is to be done at now. It is a pure function of what every
// node sees, so all of them come to the same actions, and one that died half
// way is finished by the next. Done and reloaded, they lead to no further
// ones, but for the Move that follows a Make.
func Step(now time.Time, records []Record, c Config) []Action {
	var actions []Action
	t := now.Unix()
	for _, alg := range algsOf(records, c) {
		line := chain(records, alg)
		if plan, ok := successor(t, line, alg, c); ok {
			actions = append(actions, Make{plan})
		}
		for i := range len(line) - 1 {
			if moved, ok := retire(t, line[i], line[i+1], c); ok {
				actions = append(actions, Move{moved})
			}
		}
	}
	if before, ok := sweep(t, records, c); ok {
		actions = append(actions, Sweep{before})
	}
	return actions
}

// successor plans the next key of an algorithm: the first one signs at once; a
// later one is published Lead before its predecessor retires, or, when we
// weren't running then, signs Lead from now while the old one goes on.
func successor(now int64, line []Record, alg jose.Alg, c Config) (Record, bool) {
	if len(line) == 0 {
		return plan(alg, "", now, now, c), slices.Contains(c.Algs, alg)
	}
	last := line[len(line)-1]
	switch {
	case last.RemovedAt <= now:
		return plan(alg, last.KID, now, now, c), slices.Contains(c.Algs, alg)
	case last.SignsAt > now, now < last.RetiresAt-seconds(c.Lead):
		return Record{}, false
	}
	return plan(alg, last.KID, now, max(last.RetiresAt, now+seconds(c.Lead)), c), true
}

// plan fills in a life: everything follows from when it signs.
func plan(alg jose.Alg, replaces string, published, signs int64, c Config) Record {
	return Record{
		Alg: alg, Replaces: replaces, PublishedAt: published, SignsAt: signs,
		RetiresAt: signs + seconds(c.Period),
		RemovedAt: signs + seconds(c.Period+c.Overlap),
	}
}

// retire lets a key stop when its successor begins. A removed one stays as it
// is: an emergency took it away.
func retire(now int64, r, next Record, c Config) (Record, bool) {
	if r.RemovedAt <= now || r.RetiresAt == next.SignsAt {
		return r, false
	}
	r.RetiresAt = next.SignsAt
	r.RemovedAt = next.SignsAt + seconds(c.Overlap)
	return r, true
}

// sweep spares the last key of each algorithm, even a removed one: while its
// row stands, two nodes can't both add a successor.
func sweep(now int64, records []Record, c Config) (int64, bool) {
	before := now - seconds(keep)
	for _, alg := range algsOf(records, c) {
		if line := chain(records, alg); len(line) > 0 {
			before = min(before, line[len(line)-1].RemovedAt)
		}
	}
	due := slices.ContainsFunc(records, func(r Record) bool { return r.RemovedAt < before })
	return before, due
}

// algsOf are the configured algorithms and those that were asked for once:
// a key made for one client's sake is renewed like the others.
func algsOf(records []Record, c Config) []jose.Alg {
	algs := slices.Clone(c.Algs)
	for _, r := range records {
		if !slices.Contains(algs, r.Alg) {
			algs = append(algs, r.Alg)
		}
	}
	slices.Sort(algs[len(c.Algs):])
	return algs
}

// chain returns an algorithm's records from the first to the last by who
// replaces whom. Times can't order them: an emergency makes a key that signs
// before the one that it replaces would have.
func chain(records []Record, alg jose.Alg) []Record {
	byKID, replaced := map[string]Record{}, map[string]bool{}
	for _, r := range records {
		if r.Alg == alg {
			byKID[r.KID] = r
			replaced[r.Replaces] = true
		}
	}
	var line []Record
	for _, r := range byKID { // the last is the one that nobody replaced
		if !replaced[r.KID] && (line == nil || later(r, line[0])) {
			line = []Record{r}
		}
	}
	for len(line) > 0 {
		r, ok := byKID[line[len(line)-1].Replaces]
		if !ok || len(line) >= len(byKID) {
			break
		}
		line = append(line, r)
	}
	slices.Reverse(line)
	return line
}

// later orders two ends of a chain that was torn by hand.
func later(a, b Record) bool {
	if a.PublishedAt != b.PublishedAt {
		return a.PublishedAt > b.PublishedAt
	}
	return a.KID > b.KID
}

// signer is the last key that signs already; when there is none, the first
// that is alive: a node whose clock is behind must not be left without.
func signer(now int64, line []Record) (Record, bool) {
	for _, r := range slices.Backward(line) {
		if r.SignsAt <= now && now < r.RemovedAt {
			return r, true
		}
	}
	for _, r := range line {
		if now < r.RemovedAt {
			return r, true
		}
	}
	return Record{}, false
}

// stateOf is a record's place in its life at now.
func stateOf(now int64, r Record, line []Record) State {
	current, _ := signer(now, line)
	switch {
	case now >= r.RemovedAt:
		return Removed
	case r.KID == current.KID:
		return Signing
	case now < r.SignsAt:
		return Published
	}
	return Retiring
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
