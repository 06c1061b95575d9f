package test

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// BenchmarkCodeFlow runs whole code flows against a server in this process, for
// profiles: go test ./test -run xxx -bench CodeFlow -cpuprofile cpu.out.
func BenchmarkCodeFlow(b *testing.B) {
	srv := harness.Start(b, setup("sqlite:"+b.TempDir()+"/valetkey.db"))
	if err := harness.Populate(srv); err != nil {
		b.Fatal(err)
	}
	browser := srv.Browser(b)
	if _, err := browser.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password); err != nil {
		b.Fatal(err)
	}
	target := &loadgen.Target{
		URL: srv.URL, PID: os.Getpid(), Client: "web", Secret: "a+secret+that+the+operator+chose", Callback: harness.Callback, Scope: "orgs:read",
		Cookies: browser.Cookies(),
		HTTP: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := target.Flow(context.Background()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
