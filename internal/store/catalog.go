package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/valetkey/valetkey/oauth"
)

// Catalog implements oauth.Store: OpenID Connect's scopes, the rows, and what
// configuration declares, a later one winning over an earlier of its name.
func (s *Store) Catalog(ctx context.Context) (*oauth.Catalog, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	s.cache.mu.RLock()
	catalog, fill := s.cache.catalog, s.cache.fill
	s.cache.mu.RUnlock()
	if catalog != nil {
		return catalog, nil
	}
	scopes, err := s.ListScopes(ctx)
	if err != nil {
		return nil, err
	}
	resources, err := s.ListResources(ctx)
	if err != nil {
		return nil, err
	}
	return s.cache.keepCatalog(newCatalog(scopes, resources), fill), nil
}

func newCatalog(scopes []oauth.Scope, resources []oauth.Resource) *oauth.Catalog {
	catalog := &oauth.Catalog{Scopes: map[string]oauth.Scope{}, Resources: map[string]oauth.Resource{}}
	for _, scope := range slices.Concat(oauth.BuiltinScopes(), scopes) {
		catalog.Scopes[scope.Name] = scope
	}
	for _, r := range resources {
		catalog.Resources[r.URL] = r
	}
	return catalog
}

// keepCatalog lays what is declared over the rows.
func (c *cache) keepCatalog(catalog *oauth.Catalog, fill uint64) *oauth.Catalog {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(catalog.Scopes, c.declared.Scopes)
	maps.Copy(catalog.Resources, c.declared.Resources)
	if fill == c.fill {
		c.catalog = catalog
	}
	return catalog
}

// Declare takes the scopes and resources of the configuration, in place of
// what was declared before. They are kept in memory and win over rows; a scope
// of OpenID Connect may get other words, not another meaning.
func (s *Store) Declare(_ context.Context, scopes []oauth.Scope, resources []oauth.Resource) error {
	declared := newCatalog(nil, resources)
	declared.Scopes = make(map[string]oauth.Scope, len(scopes))
	for _, scope := range scopes {
		if !oauth.ValidScopeName(scope.Name) {
			return fmt.Errorf("scope name %q has other than printable ASCII characters, or none", scope.Name)
		}
		scope.Builtin = isBuiltin(scope.Name)
		declared.Scopes[scope.Name] = scope
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.declared = *declared
	s.cache.clear()
	return nil
}

func isBuiltin(name string) bool {
	return slices.ContainsFunc(oauth.BuiltinScopes(), func(b oauth.Scope) bool { return b.Name == name })
}

// CreateScope declares a scope; ErrConflict when there is one of its name.
func (s *Store) CreateScope(ctx context.Context, scope oauth.Scope) error {
	switch {
	case !oauth.ValidScopeName(scope.Name):
		return fmt.Errorf("scope name %q has other than printable ASCII characters, or none", scope.Name)
	case isBuiltin(scope.Name):
		return fmt.Errorf("%w: %s is a scope of OpenID Connect", oauth.ErrConflict, scope.Name)
	}
	members, err := membersOf(scope)
	if err != nil {
		return err
	}
	return s.change(ctx, func(c conn) error {
		var name string
		return conflictIfNone(c.row(`INSERT INTO scopes (name, title, description, optional, restricted, resource, members)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING RETURNING name`,
			scope.Name, scope.Title, scope.Description, scope.Optional, scope.Restricted, scope.Resource, members).Scan(&name))
	})
}

// UpdateScope changes a declaration; ErrNotFound when there is none.
func (s *Store) UpdateScope(ctx context.Context, scope oauth.Scope) error {
	members, err := membersOf(scope)
	if err != nil {
		return err
	}
	return s.changeRow(ctx, `UPDATE scopes SET title = $1, description = $2, optional = $3, restricted = $4, resource = $5, members = $6
		WHERE name = $7 RETURNING name`, scope.Title, scope.Description, scope.Optional, scope.Restricted, scope.Resource, members, scope.Name)
}

// membersOf is whom a scope is for, as its row has it: "" for everybody.
func membersOf(scope oauth.Scope) (string, error) {
	if len(scope.Groups) == 0 {
		return "", nil
	}
	return toJSON(&scope.Groups)
}

// ListScopes returns the rows, without OpenID Connect's own and without what
// configuration declares.
func (s *Store) ListScopes(ctx context.Context) ([]oauth.Scope, error) {
	scopes, err := all(s.read(ctx), func(r scanner) (v oauth.Scope, err error) {
		err = r.Scan(&v.Name, &v.Title, &v.Description, &v.Optional, &v.Restricted, &v.Resource, intoJSON(&v.Groups))
		return v, err
	}, "SELECT name, title, description, optional, restricted, resource, members FROM scopes ORDER BY name")
	return scopes, s.mapped(ctx, err)
}

// DeleteScope removes the declaration; it can't be asked for any more.
func (s *Store) DeleteScope(ctx context.Context, name string) error {
	return s.changeRow(ctx, "DELETE FROM scopes WHERE name = $1 RETURNING name", name)
}

// CreateResource declares a resource; ErrConflict when there is one of its URL.
func (s *Store) CreateResource(ctx context.Context, r oauth.Resource) error {
	return s.change(ctx, func(c conn) error {
		var url string
		return conflictIfNone(c.row(`INSERT INTO resources (url, name, client_id) VALUES ($1, $2, $3)
			ON CONFLICT (url) DO NOTHING RETURNING url`, r.URL, r.Name, r.Client).Scan(&url))
	})
}

// ListResources returns the rows.
func (s *Store) ListResources(ctx context.Context) ([]oauth.Resource, error) {
	resources, err := all(s.read(ctx), func(r scanner) (v oauth.Resource, err error) {
		err = r.Scan(&v.URL, &v.Name, &v.Client)
		return v, err
	}, "SELECT url, name, client_id FROM resources ORDER BY url")
	return resources, s.mapped(ctx, err)
}

// DeleteResource removes the declaration.
func (s *Store) DeleteResource(ctx context.Context, url string) error {
	return s.changeRow(ctx, "DELETE FROM resources WHERE url = $1 RETURNING url", url)
}
