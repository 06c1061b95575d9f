package keys

import (
	"fmt"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// Fault is something about the signing keys that an operator should know.
type Fault struct {
	Grave bool // tokens can't be made, or aren't accepted
	What  string
	Do    string
}

// late is for how long a step may be due before somebody is told: nodes look
// every few seconds.
const late = time.Hour

// Examine looks at the records as they are now, and changes nothing: each can be
// opened, each algorithm has one that signs, and the next is published in time.
func Examine(records []Record, c Config) ([]Fault, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	var faults []Fault
	r := &Ring{c: c}
	for _, rec := range records {
		if _, err := r.open(rec); err != nil {
			faults = append(faults, Fault{
				Grave: true, What: err.Error(),
				Do: "put back the line of the master secret that it was sealed under; or make a new key: valetkey key rotate --emergency --alg " + string(rec.Alg),
			})
		}
	}
	for _, alg := range algsOf(records, c) {
		if fault, is := examineLine(c.Now(), chain(records, alg), alg, c); is {
			faults = append(faults, fault)
		}
	}
	return faults, nil
}

func examineLine(now time.Time, line []Record, alg jose.Alg, c Config) (Fault, bool) {
	current, ok := signer(now.Unix(), line)
	starts := "start the server, which makes one: valetkey serve"
	switch _, overdue := successor(now.Add(-late).Unix(), line, alg, c); {
	case len(line) == 0:
		return Fault{What: fmt.Sprintf("there is no %s key yet", alg), Do: starts}, true
	case !ok:
		return Fault{Grave: true, What: fmt.Sprintf("no %s key signs: the last was removed at %s", alg, moment(line[len(line)-1].RemovedAt)), Do: starts}, true
	case current.SignsAt > now.Unix():
		return Fault{Grave: true, What: fmt.Sprintf("no %s key signs before %s", alg, moment(current.SignsAt)), Do: "check this machine's clock"}, true
	case overdue:
		return Fault{
			What: fmt.Sprintf("the successor of the %s key %s isn't published, and it retires at %s", alg, current.KID, moment(current.RetiresAt)),
			Do:   "let a server run, which publishes it, and read its log",
		}, true
	}
	return Fault{}, false
}

func moment(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }
