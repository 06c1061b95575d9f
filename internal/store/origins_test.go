package store

import (
	"testing"

	"github.com/valetkey/valetkey/oauth"
)

func TestAppOrigin(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		knows := func(origin string) bool { return must(b.AppOrigin(ctx, origin))(t) }
		if knows("https://spa.example") {
			t.Error("known before it is registered")
		}
		spa, err := oauth.NewClient("spa", oauth.Metadata{
			Name: "Spa", Type: oauth.TypeSPA, RedirectURIs: []string{"https://spa.example/cb"},
		}, issuer)
		if err != nil {
			t.Fatal(err)
		}
		ok(t, b.CreateClient(ctx, spa))
		b.addClient(t, "web")
		if !knows("https://spa.example") || knows("https://app.example") || knows("null") {
			t.Error("the wrong origins are known")
		}
		ok(t, b.DisableClient(ctx, "spa"))
		if knows("https://spa.example") {
			t.Error("known after it was disabled")
		}
	})
}
