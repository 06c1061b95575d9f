package mail_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
)

// carrier is a Sender that answers what the test says and counts.
type carrier struct {
	mu     sync.Mutex
	sent   []mail.Message
	tries  int
	now    int // being sent
	most   int
	answer func(ctx context.Context, m mail.Message) error
}

func (c *carrier) Send(ctx context.Context, m mail.Message) error {
	c.mu.Lock()
	c.tries++
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	var err error
	if c.answer != nil {
		err = c.answer(ctx, m)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	if err == nil {
		c.sent = append(c.sent, m)
	}
	return err
}

func (c *carrier) counts() (tries, sent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tries, len(c.sent)
}

// start runs a Post until the test ends.
func start(t testing.TB, p *mail.Post) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

func enqueue(t testing.TB, p *mail.Post, letters ...mail.Letter) {
	t.Helper()
	if err := p.Enqueue(context.Background(), letters...); err != nil {
		t.Fatal(err)
	}
}

func TestOff(t *testing.T) {
	p := newPost(t, func(c *mail.Config) { c.Sender, c.From = nil, "" })
	l := head.ResetPassword(ada, link, time.Hour)
	_, sealErr := p.Seal(l, 0)
	if p.Enabled() || !errors.Is(p.Enqueue(t.Context(), l), mail.ErrOff) || !errors.Is(sealErr, mail.ErrOff) {
		t.Error("mail that isn't set up takes letters")
	}
	p.Wake()
	p.Run(t.Context()) // returns
	if (*mail.Post)(nil).Enabled() {
		t.Error("no Post at all is enabled")
	}
}

func TestLetterGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{}
		p := newPost(t, func(config *mail.Config) { config.Sender = c })
		start(t, p)
		synctest.Wait()
		began := time.Now()
		enqueue(t, p, head.ResetPassword(ada, link, time.Hour), head.AddressTaken(ada, link))
		synctest.Wait()
		if _, sent := c.counts(); sent != 2 || time.Since(began) != 0 {
			t.Fatalf("%d sent after %s", sent, time.Since(began))
		}
		m := c.sent[0]
		id, host, _ := strings.Cut(m.ID, "@")
		if host != "auth.ostock.example" || len(id) != 26 || !m.At.Equal(began.Truncate(time.Second)) || m.From.String() != `"O-stock" <noreply@ostock.example>` {
			t.Errorf("id %s, at %s, from %s", m.ID, m.At, &m.From)
		}
	})
}

// A row that another one's transaction wrote goes out without a Wake, too.
func TestSealedRowGoesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := &carrier{}, &memory{}
		p := newPost(t, func(config *mail.Config) { config.Sender, config.Store = c, s })
		start(t, p)
		row, err := p.Seal(head.ResetPassword(ada, link, time.Hour), 20*time.Minute)
		if err != nil || row.ExpiresAt.Sub(row.DueAt) != 20*time.Minute {
			t.Fatalf("%v, %v", row.ExpiresAt, err)
		}
		synctest.Wait()
		_ = s.QueueMail(t.Context(), row)
		time.Sleep(6 * time.Second)
		if _, sent := c.counts(); sent != 1 || len(s.all()) != 0 {
			t.Errorf("%d sent, %d rows left", sent, len(s.all()))
		}
	})
}

func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		c := &carrier{answer: func(context.Context, mail.Message) error {
			if at = append(at, time.Since(began).Truncate(time.Minute)); len(at) < 7 {
				return errors.New("451 try again")
			}
			return nil
		}}
		s := &memory{}
		p := newPost(t, func(config *mail.Config) { config.Sender, config.Store = c, s })
		start(t, p)
		enqueue(t, p, head.Notice(ada, mail.PasswordChanged, mail.Happening{At: noon}))
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		const m = time.Minute
		if want := []time.Duration{0, m, 3 * m, 8 * m, 23 * m, 83 * m, 143 * m}; fmt.Sprint(at) != fmt.Sprint(want) {
			t.Errorf("tried after %v, want %v", at, want)
		}
		if len(s.all()) != 0 {
			t.Error("the row is still there")
		}
	})
}

func TestGivesUpAtExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answer: func(context.Context, mail.Message) error { return errors.New("451 try again") }}
		s, j := &memory{}, &journal{}
		p := newPost(t, func(config *mail.Config) {
			config.Sender, config.Store, config.Log = c, s, slog.New(slog.NewTextHandler(j, nil))
		})
		start(t, p)
		enqueue(t, p, head.SignInCode(ada, "482 913", "", "", 10*time.Minute))
		time.Sleep(time.Hour)
		if tries, _ := c.counts(); tries != 4 || len(s.all()) != 0 {
			t.Errorf("%d tries, %d rows left", tries, len(s.all()))
		}
		if strings.Count(j.String(), "letter given up") != 1 {
			t.Errorf("log:\n%s", j)
		}
	})
}

// The envelope's expiry counts, whatever the row says.
func TestExpiryIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := &carrier{}, &memory{}
		p := newPost(t, func(config *mail.Config) { config.Sender, config.Store = c, s })
		row, _ := p.Seal(head.ResetPassword(ada, link, time.Hour), 0)
		row.ExpiresAt = row.ExpiresAt.Add(24 * time.Hour)
		_ = s.QueueMail(t.Context(), row)
		time.Sleep(2 * time.Hour)
		if err := p.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if tries, _ := c.counts(); tries != 0 || len(s.all()) != 0 {
			t.Errorf("%d tries, %d rows left", tries, len(s.all()))
		}
	})
}

func TestRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answer: func(_ context.Context, m mail.Message) error {
			return fmt.Errorf("%w: 550 <%s> unknown, see https://help.example/?for=%s", mail.ErrRefused, m.To, m.To)
		}}
		s, j := &memory{}, &journal{}
		p := newPost(t, func(config *mail.Config) {
			config.Sender, config.Store, config.Log = c, s, slog.New(slog.NewJSONHandler(j, nil))
		})
		start(t, p)
		enqueue(t, p, head.ResetPassword(ada, link, time.Hour))
		time.Sleep(time.Hour)
		if tries, _ := c.counts(); tries != 1 || len(s.all()) != 0 {
			t.Errorf("%d tries, %d rows left", tries, len(s.all()))
		}
		if log := j.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, `"domain":"people.example"`) {
			t.Errorf("log:\n%s", log)
		}
		silent(t, j)
	})
}

// silent looks through a log for what may not be there.
func silent(t *testing.T, j *journal) {
	t.Helper()
	for _, secret := range []string{"ada.private", "sekrit_token", "482 913", "https://", "O-stock", "Hello"} {
		if strings.Contains(j.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, j)
		}
	}
}

// Fifty nodes share a queue; two at least. Each letter goes once.
func TestTwoPostsOneQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answer: func(context.Context, mail.Message) error { time.Sleep(9 * time.Second); return nil }}
		s, box := &memory{}, newBox(t)
		change := func(config *mail.Config) { config.Sender, config.Store, config.Box = c, s, box }
		a, b := newPost(t, change), newPost(t, change)
		start(t, a)
		start(t, b)
		for i := range 50 {
			enqueue(t, []*mail.Post{a, b}[i%2], head.ResetPassword(ada, link, time.Hour))
		}
		time.Sleep(10 * time.Minute)
		if tries, sent := c.counts(); tries != 50 || sent != 50 || len(s.all()) != 0 {
			t.Errorf("%d tries, %d sent, %d rows left", tries, sent, len(s.all()))
		}
		ids := map[string]bool{}
		for _, m := range c.sent {
			ids[m.ID] = true
		}
		if len(ids) != 50 {
			t.Errorf("%d letters went out", len(ids))
		}
	})
}

// Case 332: who never answers holds up four letters, for ten seconds each.
func Test332SilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var longest time.Duration
		c := &carrier{}
		c.answer = func(ctx context.Context, _ mail.Message) error {
			began := time.Now()
			<-ctx.Done()
			c.mu.Lock()
			longest = max(longest, time.Since(began))
			c.mu.Unlock()
			return ctx.Err()
		}
		s := &memory{}
		p := newPost(t, func(config *mail.Config) { config.Sender, config.Store = c, s })
		stop := start(t, p)
		for range 20 {
			enqueue(t, p, head.ResetPassword(ada, link, time.Hour)) // never waits
		}
		time.Sleep(55 * time.Second)
		if tries, _ := c.counts(); tries != 20 || len(s.all()) != 20 {
			t.Errorf("%d tries, %d rows", tries, len(s.all()))
		}
		stop()
		if c.now != 0 || c.most != 4 || longest != 10*time.Second {
			t.Errorf("%d still being sent, %d at once, %s at most", c.now, c.most, longest)
		}
	})
}

// A node that is told to stop ends what it is doing: broken off, a letter might
// have arrived and would go twice.
func TestStopEndsWhatIsBeingSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &carrier{answer: func(ctx context.Context, _ mail.Message) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Second):
				return nil
			}
		}}
		s := &memory{}
		p := newPost(t, func(config *mail.Config) { config.Sender, config.Store = c, s })
		stop := start(t, p)
		for range 6 {
			enqueue(t, p, head.ResetPassword(ada, link, time.Hour))
		}
		synctest.Wait()
		stop()
		if tries, sent := c.counts(); tries != 4 || sent != 4 || len(s.all()) != 2 {
			t.Errorf("%d tries, %d sent, %d rows left", tries, sent, len(s.all()))
		}
	})
}

// What was queued before a restart goes after it; what a killed node had
// claimed goes when its lease is over.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, box, c := &memory{}, newBox(t), &carrier{}
		change := func(config *mail.Config) { config.Sender, config.Store, config.Box = c, s, box }
		enqueue(t, newPost(t, change), head.ResetPassword(ada, link, time.Hour), head.AddressTaken(ada, link))
		if claimed, _ := s.DueMail(t.Context(), time.Now(), 30*time.Second, 1); len(claimed) != 1 {
			t.Fatal("nothing to claim")
		}
		start(t, newPost(t, change))
		time.Sleep(time.Second)
		if _, sent := c.counts(); sent != 1 {
			t.Errorf("%d sent at once", sent)
		}
		time.Sleep(40 * time.Second)
		if _, sent := c.counts(); sent != 2 || len(s.all()) != 0 {
			t.Errorf("%d sent, %d rows left", sent, len(s.all()))
		}
	})
}

// A letter of another master secret, or of another row, is dropped and said so.
func TestLetterThatCannotBeOpened(t *testing.T) {
	s, j, c := &memory{}, &journal{}, &carrier{}
	change := func(config *mail.Config) {
		config.Sender, config.Store, config.Log = c, s, slog.New(slog.NewTextHandler(j, nil))
	}
	enqueue(t, newPost(t, change), head.ResetPassword(ada, link, time.Hour))
	p := newPost(t, change)
	mine, _ := p.Seal(head.ResetPassword(ada, link, time.Hour), 0)
	mine.ID = "another"
	_ = s.QueueMail(t.Context(), mine)
	if err := p.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tries, _ := c.counts(); tries != 0 || len(s.all()) != 0 || strings.Count(j.String(), "can't be opened") != 2 {
		t.Errorf("%d tries, %d rows left, log:\n%s", tries, len(s.all()), j)
	}
	silent(t, j)
}

// A copy of the database shows no address, no link and no code.
func TestRowsShowNothing(t *testing.T) {
	p := newPost(t, func(*mail.Config) {})
	for name, l := range occasions(head, ada) {
		row, err := p.Seal(l, 0)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(string(row.Sealed))
		if err != nil {
			t.Fatal(err)
		}
		for _, clear := range []string{"ada.private", "people.example", "sekrit_token", "482 913", "O-stock", "letter", "Locale"} {
			if bytes.Contains(row.Sealed, []byte(clear)) || bytes.Contains(raw, []byte(clear)) {
				t.Errorf("%s: %q is in the row", name, clear)
			}
		}
	}
}

// A queue that can't be reached is no reason to stop looking.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, j := &broken{}, &carrier{}, &journal{}
		p := newPost(t, func(config *mail.Config) {
			config.Sender, config.Store, config.Log = c, s, slog.New(slog.NewTextHandler(j, nil))
		})
		start(t, p)
		s.down.Store(true)
		if err := p.Enqueue(t.Context(), head.ResetPassword(ada, link, time.Hour)); err == nil {
			t.Error("no error")
		}
		time.Sleep(12 * time.Second)
		s.down.Store(false)
		enqueue(t, p, head.ResetPassword(ada, link, time.Hour))
		time.Sleep(time.Second)
		if _, sent := c.counts(); sent != 1 || !strings.Contains(j.String(), "looking for mail to send failed") {
			t.Errorf("%d sent, log:\n%s", sent, j)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := mail.Config{Store: &memory{}, Sender: &carrier{}, From: "noreply@ostock.example", Issuer: "https://auth.ostock.example", Brand: "O"}
	for name, change := range map[string]func(*mail.Config){
		"no sender's address": func(c *mail.Config) { c.From = "" },
		"two":                 func(c *mail.Config) { c.From = "a@b.example, c@d.example" },
		"injected":            func(c *mail.Config) { c.From = "a@b.example\r\nBcc: c@d.example" },
		"no issuer":           func(c *mail.Config) { c.Issuer = "" },
	} {
		c := good
		change(&c)
		if _, err := mail.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := mail.New(good); err != nil {
		t.Error(err)
	}
}
