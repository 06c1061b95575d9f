package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

type scopeCmd struct {
	Create scopeCreate `cmd:"" help:"Declare a scope."`
	Update scopeUpdate `cmd:"" help:"Change a scope."`
	List   scopeList   `cmd:"" help:"List scopes."`
	Delete scopeDelete `cmd:"" help:"Forget a scope."`
}

type scopeCreate struct {
	jsonFlag

	Scope       string   `arg:"" name:"name" help:"Its name in requests."`
	Title       string   `help:"A sentence about the person's things." required:""`
	Description string   `help:"A second sentence."`
	Optional    bool     `help:"People may untick it."`
	Restricted  bool     `help:"Only apps registered with it may ask."`
	Resource    string   `help:"URL of the API that it belongs to."`
	Groups      []string `name:"group" help:"Only members of this group may let apps have it; may be repeated." sep:"none"`
}

func (k *scopeCreate) Run(ctx context.Context, s *Settings, c console) error {
	scope := oauth.Scope{Name: k.Scope, Title: k.Title, Description: k.Description, Optional: k.Optional, Restricted: k.Restricted, Resource: k.Resource, Groups: k.Groups}
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		if err := a.CreateScope(ctx, scope); err != nil {
			return fmt.Errorf("scope %s: %w", k.Scope, err)
		}
		return k.print(c, scopeDocument(scope), func(w io.Writer) { fmt.Fprintf(w, "Declared %s: %s\n", k.Scope, k.Title) })
	})
}

func scopeDocument(s oauth.Scope) map[string]any {
	return map[string]any{
		"name": s.Name, "title": s.Title, "description": s.Description, "optional": s.Optional, "restricted": s.Restricted, "resource": s.Resource,
		"groups": append([]string{}, s.Groups...),
	}
}

// scopeUpdate changes what is given.
type scopeUpdate struct {
	jsonFlag

	Scope       string   `arg:"" name:"name" help:"Its name in requests."`
	Title       *string  `help:"A sentence about the person's things."`
	Description *string  `help:"A second sentence."`
	Optional    *bool    `help:"People may untick it (--optional), or not (--optional=false)."`
	Restricted  *bool    `help:"Only apps registered with it may ask."`
	Resource    *string  `help:"URL of the API that it belongs to."`
	Groups      []string `name:"group" help:"Only members of this group may let apps have it; may be repeated. Replaces those of before." sep:"none" xor:"groups"`
	Everybody   bool     `name:"for-everybody" help:"No longer for members of groups only." xor:"groups"`
}

func (k *scopeUpdate) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		now, err := a.UpdateScope(ctx, k.Scope, k.apply)
		if err != nil {
			return fmt.Errorf("scope %s: %w", k.Scope, err)
		}
		return k.print(c, scopeDocument(now), func(w io.Writer) { fmt.Fprintf(w, "Changed %s: %s\n", k.Scope, now.Title) })
	})
}

func (k *scopeUpdate) apply(scope *oauth.Scope) {
	set(&scope.Title, k.Title)
	set(&scope.Description, k.Description)
	set(&scope.Resource, k.Resource)
	setBool(&scope.Optional, k.Optional)
	setBool(&scope.Restricted, k.Restricted)
	setList(&scope.Groups, k.Groups)
	if k.Everybody {
		scope.Groups = nil
	}
}

type scopeList struct{ jsonFlag }

func (k *scopeList) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		catalog, err := a.Scopes(ctx)
		if err != nil {
			return err
		}
		documents := []map[string]any{}
		names := slices.Sorted(maps.Keys(catalog.Scopes))
		for _, name := range names {
			documents = append(documents, scopeDocument(catalog.Scopes[name]))
		}
		return k.print(c, documents, func(w io.Writer) {
			fmt.Fprintln(w, "SCOPE\tTITLE\tOPTIONAL\tRESTRICTED\tGROUPS\tRESOURCE")
			for _, name := range names {
				one := catalog.Scopes[name]
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", name, one.Title, yesNo(one.Optional), yesNo(one.Restricted), strings.Join(one.Groups, ", "), one.Resource)
			}
		})
	})
}

type scopeDelete struct {
	jsonFlag

	Scope string `arg:"" name:"name" help:"Its name in requests."`
}

func (k *scopeDelete) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		if err := a.DeleteScope(ctx, k.Scope); err != nil {
			return fmt.Errorf("scope %s: %w", k.Scope, err)
		}
		return k.print(c, map[string]string{"deleted": k.Scope}, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s\n", k.Scope) })
	})
}
