package mail_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
)

func TestMailbox(t *testing.T) {
	b := &mail.Mailbox{}
	p := newPost(t, func(c *mail.Config) { c.Sender, c.Now = b, func() time.Time { return noon } })
	enqueue(t, p, head.SignInCode(ada, "482 913", link, "Saleswave", time.Hour))
	if err := p.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := b.List()
	if len(list) != 1 {
		t.Fatalf("%d messages", len(list))
	}
	got, ok := b.Get(list[0].ID)
	if !ok || got.To != ada.Address || got.Subject != "Sign in to O-stock" || got.Link != link || got.Code != "482 913" || !got.At.Equal(noon) ||
		!strings.Contains(got.Text, "You will go on to Saleswave.") || !strings.Contains(got.HTML, "<p") {
		t.Errorf("%+v", got)
	}
	if _, ok := b.Get("no-such"); ok {
		t.Error("found what isn't there")
	}
}

func TestMailboxKeepsTheLast(t *testing.T) {
	b := &mail.Mailbox{}
	var all sync.WaitGroup
	for i := range 500 {
		all.Go(func() {
			_ = b.Send(t.Context(), mail.Message{ID: fmt.Sprintf("%d@x", i), Text: "nothing"})
			b.List()
		})
	}
	all.Wait()
	_ = b.Send(t.Context(), mail.Message{ID: "last@x"})
	list := b.List()
	if len(list) != 200 || list[0].ID != "last" || list[0].Link != "" || list[0].Code != "" {
		t.Errorf("%d kept, the first is %+v", len(list), list[0])
	}
	if _, ok := b.Get(list[199].ID); !ok {
		t.Error("the oldest that is listed isn't found")
	}
}
