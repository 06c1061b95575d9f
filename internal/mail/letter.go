// Package mail writes letters to people, keeps them until they are sent, and
// hands them to an SMTP server.
//
// What can be said is a list of constructors, one for each occasion; nobody
// else puts words into a letter. It waits in the database as a sealed envelope,
// so that a copy of the database shows neither a link nor a code, and any node
// may send it. Log lines name the row and the address' domain, nothing more.
//
// The package refuses to know who has an account, why a letter is written and
// whether a link still works: it is told an address and the facts. What comes
// from people (names, apps, devices) is text to it and never markup, a header
// or a second recipient.
package mail

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Letter is what one person is told. The constructors on Letterhead make it.
type Letter struct {
	To      string        // exactly one address without a name
	Locale  string        // BCP 47; English for one that isn't spoken here
	Name    string        // for the greeting; may be ""
	Subject string        // one line
	Lines   []string      // paragraphs: what happened
	Facts   []Fact        // when, from where
	Next    string        // what to do about it; the code and the link follow
	Code    string        // to be entered by hand; may be ""
	Action  *Action       // a link; may be nil
	Foot    []string      // how long it works, what if this wasn't you
	Life    time.Duration // how long it is worth sending; 0: a day
}

// Fact is a detail of an occasion: "Device", "Firefox on Windows".
type Fact struct{ Label, Value string }

// Action is a link, an http or https URL, and the words on it.
type Action struct{ Label, URL string }

// Person is whom a letter is for.
type Person struct {
	Address string
	Locale  string
	Name    string // what the person wants to be called; may be ""
}

const day = 24 * time.Hour

// Format keeps links and codes out of every log.
func (Letter) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue keeps links and codes out of every log.
func (Letter) LogValue() slog.Value { return slog.StringValue(redacted) }

const redacted = "[letter]"
