package store

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// TestMemoryIsBounded: 3.12. What strangers make up costs less than 32 MiB beside
// the tables.
func TestMemoryIsBounded(t *testing.T) {
	const distinct, most = 300_000, 32 << 20
	now := time.Unix(1_800_000_000, 0)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, m := range []struct {
		what string
		fill func() (kept any)
	}{
		{"clients that aren't there", func() any {
			c := newCache()
			c.stop()
			for i := range distinct {
				c.keep(fmt.Sprintf("there-is-no-app-of-this-name-%d", i), nil, c.fill)
			}
			return c
		}},
		{"long names of clients that aren't there", func() any {
			c := newCache()
			c.stop()
			for i := range 2000 {
				c.keep(strings.Repeat("x", 60<<10)+fmt.Sprint(i), nil, c.fill)
			}
			return c
		}},
		{"short names in long requests", func() any {
			c, l := newCache(), new(problems)
			c.stop()
			for i := range 2000 {
				body := fmt.Sprint(i, "-", strings.Repeat("x", 60<<10))
				c.keep(body[:4], nil, c.fill)
				l.note(problemOf(oauth.Event{ClientID: "app", Sent: body[:4]}, now))
				l.note(problemOf(oauth.Event{ClientID: body[:4], Sent: "x"}, now))
			}
			return []any{c, l}
		}},
		{"large apps", func() any {
			c := newCache()
			c.stop()
			for i := range 2000 {
				jwks := `{"keys":[],"x":"` + strings.Repeat("x", 60<<10) + `"}`
				c.keep(fmt.Sprint(i), &oauth.Client{Metadata: oauth.Metadata{JWKS: []byte(jwks)}}, c.fill)
				if _, known, _ := c.client(fmt.Sprint(i)); !known {
					t.Fatal("what was just read is forgotten")
				}
			}
			return c
		}},
		{"problems of many apps", func() any {
			l := new(problems)
			for i := range distinct {
				l.note(problemOf(oauth.Event{ClientID: fmt.Sprint("app-", i%20_000), Sent: fmt.Sprint("https://app.example/", i)}, now.Add(time.Duration(i))))
			}
			return l
		}},
		{"last uses", func() any {
			var l lazy
			for i := range distinct {
				l.seen = note(l.seen, fmt.Sprintf("%026d", i), 1)
			}
			return &l
		}},
	} {
		t.Run(m.what, func(t *testing.T) {
			before := heap()
			kept := m.fill()
			after := heap()
			runtime.KeepAlive(kept)
			if t.Logf("%d KiB", (int64(after)-int64(before))>>10); after > before+most {
				t.Errorf("the heap grew by %d MiB", (after-before)>>20)
			}
		})
	}
}
