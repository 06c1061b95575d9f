package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

type resourceCmd struct {
	Create resourceCreate `cmd:"" help:"Declare an API."`
	List   resourceList   `cmd:"" help:"List APIs."`
	Delete resourceDelete `cmd:"" help:"Forget an API."`
}

type resourceCreate struct {
	jsonFlag

	URL    string `arg:"" help:"Its identifier, the audience of its tokens."`
	Name   string `help:"Name that people see."`
	Client string `help:"Client id that introspection answers for this API." placeholder:"CLIENT_ID"`
}

func (k *resourceCreate) Run(ctx context.Context, s *Settings, c console) error {
	r := oauth.Resource{URL: k.URL, Name: k.Name, Client: k.Client}
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		if err := a.CreateResource(ctx, r); err != nil {
			return fmt.Errorf("resource %s: %w", k.URL, err)
		}
		return k.print(c, resourceDocument(r), func(w io.Writer) { fmt.Fprintf(w, "Declared %s\n", k.URL) })
	})
}

func resourceDocument(r oauth.Resource) map[string]string {
	return map[string]string{"url": r.URL, "name": r.Name, "client": r.Client}
}

type resourceList struct{ jsonFlag }

func (k *resourceList) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		catalog, err := a.Scopes(ctx)
		if err != nil {
			return err
		}
		documents := []map[string]string{}
		for _, url := range slices.Sorted(maps.Keys(catalog.Resources)) {
			documents = append(documents, resourceDocument(catalog.Resources[url]))
		}
		return k.print(c, documents, func(w io.Writer) {
			fmt.Fprintln(w, "URL\tNAME\tCLIENT")
			for _, d := range documents {
				fmt.Fprintf(w, "%s\t%s\t%s\n", d["url"], d["name"], d["client"])
			}
		})
	})
}

type resourceDelete struct {
	jsonFlag

	URL string `arg:"" help:"Its identifier."`
}

func (k *resourceDelete) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		if err := a.DeleteResource(ctx, k.URL); err != nil {
			return fmt.Errorf("resource %s: %w", k.URL, err)
		}
		return k.print(c, map[string]string{"deleted": k.URL}, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s\n", k.URL) })
	})
}
