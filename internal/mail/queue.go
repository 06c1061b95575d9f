package mail

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"sync"
	"time"
)

const (
	maxSending = 4 // letters at once
	sendLimit  = 10 * time.Second
	lease      = 30 * time.Second // a try and its records take no longer
	tick       = 5 * time.Second
)

// pauses follow the first try, the second and so on; the last is repeated.
var pauses = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

func pause(tries int) time.Duration { return pauses[min(max(tries-1, 0), len(pauses)-1)] }

// Wake has what is due sent now. It never waits.
func (p *Post) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run sends what is due, at every Wake and every few seconds, until ctx is
// done. It returns when the last try has ended, some ten seconds later at most:
// a letter whose sending was broken off might have arrived, and would go twice.
func (p *Post) Run(ctx context.Context) {
	if !p.Enabled() {
		return
	}
	every := time.NewTicker(tick)
	defer every.Stop()
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		if err := p.sendDue(ctx, &sending); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "looking for mail to send failed", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-every.C:
		}
	}
}

// Deliver tries once what is due now and returns when that is done.
func (p *Post) Deliver(ctx context.Context) error {
	if !p.Enabled() {
		return ErrOff
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	return p.sendDue(ctx, &sending)
}

// sendDue claims no more than can be sent at once: the lease of what would have
// to wait could run out, and another node would send it too.
func (p *Post) sendDue(ctx context.Context, sending *sync.WaitGroup) error {
	for {
		free := p.takeSlots(ctx)
		if free == 0 {
			return ctx.Err()
		}
		rows, err := p.store.DueMail(ctx, p.now(), lease, free)
		for range free - len(rows) {
			<-p.slots
		}
		for _, row := range rows {
			sending.Go(func() {
				defer func() { <-p.slots }()
				p.try(ctx, row)
			})
		}
		if err != nil || len(rows) < free {
			return err
		}
	}
}

// takeSlots waits for one slot and takes the others that are free.
func (p *Post) takeSlots(ctx context.Context) int {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n := 1; ; n++ {
		select {
		case p.slots <- struct{}{}:
		default:
			return n
		}
	}
}

// try makes one try with a letter and notes what became of it. It goes on when
// the node is told to stop, but never beyond the lease.
func (p *Post) try(ctx context.Context, row Row) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease)
	defer cancel()
	log := p.log.With("mail", row.ID)
	c, err := p.open(row)
	if err != nil {
		p.ended("unreadable")
		p.drop(ctx, log, row, slog.LevelWarn, "letter can't be opened, was the master secret replaced?")
		return
	}
	log, until := log.With("domain", domain(c.Letter.To)), time.Unix(c.Until, 0)
	if !p.now().Before(until) {
		p.ended("expired")
		p.drop(ctx, log, row, slog.LevelWarn, "letter expired")
		return
	}
	err = p.hand(ctx, row.ID, c)
	due := p.now().Add(pause(row.Tries))
	switch {
	case err == nil:
		p.ended("sent")
		p.drop(ctx, log, row, slog.LevelInfo, "letter sent")
	case errors.Is(err, ErrRefused):
		p.ended("refused")
		p.drop(ctx, log.With("error", scrub(err)), row, slog.LevelWarn, "letter refused")
	case !due.Before(until):
		p.ended("given_up")
		p.drop(ctx, log.With("error", scrub(err)), row, slog.LevelWarn, "letter given up")
	default:
		p.ended("postponed")
		log.InfoContext(ctx, "letter postponed", "tries", row.Tries, "error", scrub(err))
		complain(ctx, log, "postponing a letter", p.store.PostponeMail(ctx, row.ID, due))
	}
}

// hand renders the letter and hands it over. It is the same message at every
// try, so that a mail server can recognise it.
func (p *Post) hand(ctx context.Context, id string, c sealed) error {
	m, err := p.render(c.Letter)
	if err != nil {
		return errors.Join(ErrRefused, err) // sealed by another version
	}
	m.ID, m.From, m.At = id+"@"+p.idHost, p.from, time.Unix(c.At, 0).UTC()
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	return p.sender.Send(ctx, m)
}

func (p *Post) drop(ctx context.Context, log *slog.Logger, row Row, level slog.Level, why string) {
	log.Log(ctx, level, why, "tries", row.Tries)
	complain(ctx, log, "forgetting a letter", p.store.DropMail(ctx, row.ID))
}

func complain(ctx context.Context, log *slog.Logger, what string, err error) {
	if err != nil {
		log.WarnContext(ctx, what+" failed", "error", err.Error())
	}
}

// private is what a mail server's words might repeat: an address or a link.
var private = regexp.MustCompile(`\S*(@|://)\S*`)

// scrub makes an error fit for the log, whatever the Sender put into it.
func scrub(err error) string {
	return private.ReplaceAllString(oneLine(err.Error(), maxSubject), "…")
}
