// Package keys is the life of the signing keys: made, published, signing,
// retired, removed.
//
// A key is published before it signs, for longer than any resource server
// caches the key set, and stays published after it stopped, for longer than
// anything it signed is valid. The times stand in its row, so that people can
// see them; Step compares rows with the clock and says what is to be done;
// Ring does it and keeps the opened keys in memory. Any number of nodes do the
// same at once: a successor names the key it follows, and the store lets each
// key have one.
//
// Private keys are sealed under the master secret, bound to their kid. The
// package doesn't know what is signed.
package keys

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// Record is a row. Times are Unix seconds.
type Record struct {
	KID         string
	Alg         jose.Alg
	Replaces    string // KID of the key that it follows, "" for the first of its Alg
	Sealed      []byte // PKCS#8 in an envelope bound to KID
	PublishedAt int64
	SignsAt     int64
	RetiresAt   int64 // when its successor signs; without one it goes on
	RemovedAt   int64 // from then on nothing that it signed is accepted
}

// Store keeps the records; package store implements it.
type Store interface {
	// SigningKeys returns all records, removed ones too, in any order.
	SigningKeys(ctx context.Context) ([]Record, error)
	// AddSigningKey inserts r. KID is the primary key and (Alg, Replaces) is
	// unique: false without an error says that another node was first with a
	// successor of the same key.
	AddSigningKey(ctx context.Context, r Record) (bool, error)
	// UpdateSigningKey sets the four times of the record with r.KID, and
	// nothing else. No such record is not an error.
	UpdateSigningKey(ctx context.Context, r Record) error
	// DeleteSigningKeys deletes the records whose RemovedAt is below removedBefore.
	DeleteSigningKeys(ctx context.Context, removedBefore int64) error
}

// State is where a key is in its life.
type State string

// The states, in the order of a life.
const (
	Published State = "published" // in the key set, doesn't sign yet
	Signing   State = "signing"
	Retiring  State = "retiring" // in the key set, doesn't sign any more
	Removed   State = "removed"
)

// Status is a key as `valetkey key list` shows it.
type Status struct {
	KID         string    `json:"kid"`
	Alg         jose.Alg  `json:"alg"`
	State       State     `json:"state"`
	PublishedAt time.Time `json:"published_at"`
	SignsAt     time.Time `json:"signs_at"`
	RetiresAt   time.Time `json:"retires_at"`
	RemovedAt   time.Time `json:"removed_at"`
}

func (r Record) status(s State) Status {
	at := func(t int64) time.Time { return time.Unix(t, 0).UTC() }
	return Status{
		KID: r.KID, Alg: r.Alg, State: s,
		PublishedAt: at(r.PublishedAt), SignsAt: at(r.SignsAt), RetiresAt: at(r.RetiresAt), RemovedAt: at(r.RemovedAt),
	}
}
