package test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// bench starts a server in this process, for profiles:
// go test ./test -run xxx -bench CodeFlow -cpuprofile cpu.out.
func bench(b *testing.B, client string) *loadgen.Target {
	b.Helper()
	srv := harness.Start(b, setup("sqlite:"+b.TempDir()+"/valetkey.db"))
	if err := harness.Populate(srv); err != nil {
		b.Fatal(err)
	}
	browser := srv.Browser(b)
	if _, err := browser.SignIn("/authorize?"+request(url.Values{"client_id": {client}}).Encode(), "ada", harness.Password); err != nil {
		b.Fatal(err)
	}
	return &loadgen.Target{
		URL: srv.URL, Client: client, Secret: url.QueryEscape(harness.Secret), Callback: harness.Callback, Scope: "orgs:read",
		Cookies: browser.Cookies(),
		HTTP: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func inParallel(b *testing.B, do func(context.Context) error) {
	b.Helper()
	b.SetParallelism(8)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(context.Background()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkCodeFlow(b *testing.B) {
	target := bench(b, "web")
	inParallel(b, func(ctx context.Context) error { _, err := target.Flow(ctx); return err })
}

func BenchmarkIntrospection(b *testing.B) {
	target := bench(b, "compat")
	tokens, err := target.Flow(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	inParallel(b, func(ctx context.Context) error { return target.Introspect(ctx, tokens.Access) })
}
