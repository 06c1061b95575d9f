package web

import (
	"context"

	"github.com/valetkey/valetkey/internal/secret"
)

// KeepLogo makes a logo of ours of a picture that was fetched and returns its
// id: what oauth.Server.Logo wants.
func (w *Web) KeepLogo(ctx context.Context, clientID string, picture []byte) (string, error) {
	content, err := remakeLogo(picture)
	if err != nil {
		return "", err
	}
	id := secret.NewID()
	return id, w.Store.SaveLogo(ctx, id, clientID, content)
}
