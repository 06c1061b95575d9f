package store

import (
	"context"
	"net/url"

	"github.com/valetkey/valetkey/oauth"
)

// AppOrigin says whether a registered browser app lives at an origin: the
// origins of the redirect URIs of all clients of type spa, from the cache.
func (s *Store) AppOrigin(ctx context.Context, origin string) (bool, error) {
	if err := s.fresh(ctx); err != nil {
		return false, err
	}
	s.cache.mu.RLock()
	origins, fill := s.cache.origins, s.cache.fill
	s.cache.mu.RUnlock()
	if origins == nil {
		var err error
		if origins, err = s.readOrigins(ctx); err != nil {
			return false, err
		}
		s.cache.keepOrigins(origins, fill)
	}
	_, known := origins[origin]
	return known, nil
}

func (s *Store) readOrigins(ctx context.Context) (map[string]struct{}, error) {
	origins := map[string]struct{}{}
	for after := ""; ; {
		page, err := s.ListClients(ctx, nil, after, maxAbsent)
		if err != nil || len(page) == 0 {
			return origins, err
		}
		for _, c := range page {
			if c.Type == oauth.TypeSPA && !c.Disabled {
				addOrigins(origins, c.RedirectURIs)
			}
		}
		after = page[len(page)-1].ID
	}
}

func addOrigins(into map[string]struct{}, uris []string) {
	for _, text := range uris {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			into[u.Scheme+"://"+u.Host] = struct{}{}
		}
	}
}

func (c *cache) keepOrigins(origins map[string]struct{}, fill uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fill == c.fill {
		c.origins = origins
	}
}
