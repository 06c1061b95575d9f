package mail

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// mailboxSize is how many messages a Mailbox keeps.
const mailboxSize = 200

// Mailbox is a Sender for demonstrations and tests: it keeps the last messages
// in memory instead of sending them. The zero value is an empty one.
type Mailbox struct {
	mu   sync.Mutex
	kept []Received
}

// Received is a message in a Mailbox.
type Received struct {
	ID      string // the row's
	To      string
	Subject string
	Text    string
	HTML    string
	At      time.Time
	Link    string // the first one in the text; may be ""
	Code    string // may be ""
}

var (
	linkIn = regexp.MustCompile(`https?://\S+`)
	codeIn = regexp.MustCompile(`(?m)^` + codeIndent + `(\S.*?)\s*$`)
)

// Send keeps the message.
func (b *Mailbox) Send(_ context.Context, m Message) error {
	id, _, _ := strings.Cut(m.ID, "@")
	r := Received{ID: id, To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, At: m.At, Link: linkIn.FindString(m.Text)}
	if found := codeIn.FindStringSubmatch(m.Text); found != nil {
		r.Code = found[1]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept) == mailboxSize {
		b.kept = slices.Delete(b.kept, 0, 1)
	}
	b.kept = append(b.kept, r)
	return nil
}

// List answers what is kept, the newest first.
func (b *Mailbox) List() []Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Clone(b.kept)
	slices.Reverse(list)
	return list
}

// Get answers one message, while it is kept.
func (b *Mailbox) Get(id string) (Received, bool) {
	for _, r := range b.List() {
		if r.ID == id {
			return r, true
		}
	}
	return Received{}, false
}
