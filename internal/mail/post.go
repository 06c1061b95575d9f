package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"net/url"
	"time"

	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/internal/secret"
)

// What queueing and sending may answer besides success.
var (
	// ErrOff says that no way to send mail is configured.
	ErrOff = errors.New("mail isn't set up")
	// ErrRefused says that a message was refused for good.
	ErrRefused = errors.New("refused for good")
)

// Row is a letter that waits. ID is associated data of what is sealed.
type Row struct {
	ID        string
	Sealed    []byte
	Tries     int
	DueAt     time.Time
	ExpiresAt time.Time
}

// Store keeps letters that wait. Of two calls at once, on one node or two, no
// row is answered to both.
type Store interface {
	QueueMail(ctx context.Context, rows ...Row) error
	// DueMail answers at most limit rows that are due and not expired. In the
	// same step it moves their DueAt to now+lease and counts a try, which the
	// answered rows have counted.
	DueMail(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Row, error)
	// DropMail forgets a row. One that isn't there is no error.
	DropMail(ctx context.Context, id string) error
	PostponeMail(ctx context.Context, id string, due time.Time) error
}

// Config says who writes, and through whom.
type Config struct {
	Store  Store
	Box    *seal.Box
	Sender Sender // nil: there is no mail
	From   string // noreply@example.com, or with a name of its own instead of the brand's
	Brand  string
	Issuer string // its host stands in every letter and in Message-ID
	Now    func() time.Time
	Log    *slog.Logger // nil: nowhere
	// Ended hears what became of a try: sent, postponed, refused, given_up, expired
	// or unreadable. nil: nobody does.
	Ended func(outcome string)
}

// Post queues letters and sends them. It is the Letterhead as well, so that
// post.ResetPassword(…) is a letter.
type Post struct {
	Letterhead

	store  Store
	box    *seal.Box
	sender Sender
	from   netmail.Address
	idHost string
	now    func() time.Time
	log    *slog.Logger
	ended  func(string)
	wake   chan struct{}
	slots  chan struct{} // one for each letter that is being sent
}

// New makes a Post. Without a Sender it is off: it refuses letters, and From
// isn't looked at.
func New(c Config) (*Post, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Hostname() == "" {
		return nil, errors.New("mail: the issuer has no host")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Ended == nil {
		c.Ended = func(string) {}
	}
	p := &Post{
		Letterhead: Letterhead{Brand: c.Brand, Host: issuer.Host}, store: c.Store, box: c.Box, sender: c.Sender,
		idHost: issuer.Hostname(), now: c.Now, log: c.Log, ended: c.Ended, wake: make(chan struct{}, 1), slots: make(chan struct{}, maxSending),
	}
	if net.ParseIP(p.idHost) != nil {
		p.idHost = "[" + p.idHost + "]" // RFC 5322 §3.6.4: no-fold-literal
	}
	if p.sender == nil {
		return p, nil
	}
	p.from, err = sender(c.From, c.Brand)
	return p, err
}

// sender is the From header: the address the operator named, under the brand's
// name if it has none of its own.
func sender(from, brand string) (netmail.Address, error) {
	parsed, err := netmail.ParseAddress(from)
	if err != nil {
		return netmail.Address{}, fmt.Errorf("mail: the address that letters come from: %w", ErrAddress)
	}
	if parsed.Name == "" {
		parsed.Name = brand
	}
	parsed.Name = header(parsed.Name)
	_, err = plainAddress(parsed.Address)
	return *parsed, err
}

// CheckFrom judges Config.From.
func CheckFrom(from string) error {
	_, err := sender(from, "")
	return err
}

// Enabled says whether letters can be sent from here.
func (p *Post) Enabled() bool { return p != nil && p.sender != nil }

// sealed is what is in the envelope. Its own expiry is the one that counts: a
// row can be altered, an envelope can't.
type sealed struct {
	Letter Letter `json:"letter"`
	At     int64  `json:"at"`
	Until  int64  `json:"until"`
}

// Seal makes the row of a letter, for whoever stores it together with what it
// tells about and calls Wake when that is done. Life 0 is the letter's own. A
// letter that couldn't be sent is refused here, where somebody hears of it.
func (p *Post) Seal(l Letter, life time.Duration) (Row, error) {
	if !p.Enabled() {
		return Row{}, ErrOff
	}
	if _, err := p.render(l); err != nil {
		return Row{}, err
	}
	for _, own := range []time.Duration{l.Life, day} {
		if life <= 0 {
			life = own
		}
	}
	now := p.now()
	row := Row{ID: secret.NewIDAt(now), DueAt: now, ExpiresAt: now.Add(life)}
	content, err := json.Marshal(sealed{Letter: l, At: now.Unix(), Until: row.ExpiresAt.Unix()})
	if err != nil {
		return Row{}, fmt.Errorf("mail: %w", err)
	}
	row.Sealed = []byte(p.box.Seal(content, []byte(row.ID)))
	return row, nil
}

// Enqueue stores letters and has them sent at once: all of them or, if one is
// refused, none.
func (p *Post) Enqueue(ctx context.Context, letters ...Letter) error {
	if !p.Enabled() {
		return ErrOff
	}
	rows := make([]Row, 0, len(letters))
	for _, l := range letters {
		row, err := p.Seal(l, 0)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	if err := p.store.QueueMail(ctx, rows...); err != nil {
		return fmt.Errorf("queue mail: %w", err)
	}
	p.Wake()
	return nil
}

// open is Seal's way back.
func (p *Post) open(row Row) (c sealed, err error) {
	content, err := p.box.Open(string(row.Sealed), []byte(row.ID))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(content, &c)
}
