package oauth

import (
	"context"
	"errors"
)

// stillAdmitted asks anew, when tokens are made, what membership in groups
// decided when the person agreed: whether they may use the app at all, and which
// scopes they may let it have. It reads nothing where no group plays a part.
func (s *Server) stillAdmitted(ctx context.Context, c *Client, subject string, scopes []string, catalog *Catalog) ([]string, error) {
	if s.Directory == nil || len(c.Groups) == 0 && len(catalog.barred(scopes, nil)) == 0 {
		return scopes, nil
	}
	groups, err := s.Directory.Groups(ctx, subject)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidGrant("the user isn't there any more")
	case err != nil:
		return nil, err
	}
	if !c.admits(groups) {
		return nil, invalidGrant("the user may no longer use this app")
	}
	return without(scopes, catalog.barred(scopes, groups)...), nil
}
