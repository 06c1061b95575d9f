package oauth

import "time"

// Event is something that happened and that somebody may want to know:
// the log always, the client's owner when it is a problem of the app's.
type Event struct {
	Kind      EventKind
	At        time.Time
	ClientID  string
	Subject   string
	Session   string
	Scopes    []string
	GrantType string

	// What a problem shows to the app's owner.
	Error     *Error
	Sent      string   // the value that was sent; a stranger's text
	Expected  []string // what was registered
	RequestID string
}

// EventKind names an event.
type EventKind string

// The events.
const (
	EventProblem      EventKind = "problem"       // an app's request was refused
	EventAuthorized   EventKind = "authorized"    // a code was issued
	EventDenied       EventKind = "denied"        // the person said no
	EventIssued       EventKind = "issued"        // tokens were issued
	EventRefreshed    EventKind = "refreshed"     // tokens were renewed
	EventCodeReplayed EventKind = "code_replayed" // a used code came again
	EventReplayed     EventKind = "refresh_replayed"
	EventRepeated     EventKind = "refresh_repeated" // one predecessor came more than three times
	EventRevoked      EventKind = "revoked"
)
