package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// registrationTokenCmd is about initial access tokens: RFC 7591 §3.
type registrationTokenCmd struct {
	Create registrationTokenCreate `cmd:"" help:"Make a token; it is shown once."`
	List   registrationTokenList   `cmd:"" help:"List tokens."`
	Delete registrationTokenDelete `cmd:"" help:"Delete a token; apps registered with it stay."`
}

type registrationTokenCreate struct {
	jsonFlag

	Uses    int64         `help:"How many apps it registers." default:"1"`
	Expires time.Duration `help:"How long it is good, such as 24h." default:"24h"`
	Note    string        `help:"Whom it is for."`
}

func (k *registrationTokenCreate) Run(ctx context.Context, s *Settings, c console) error {
	switch {
	case k.Uses < 1:
		return usageError{errors.New("--uses: it is at least 1")}
	case k.Expires < time.Second:
		return usageError{errors.New("--expires: it is at least a second, such as 24h")}
	}
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		made, token, err := a.CreateInitialToken(ctx, k.Note, k.Uses, k.Expires)
		if err != nil {
			return err
		}
		document := registrationTokenDocument(made)
		document["token"] = token
		return k.print(c, document, func(w io.Writer) {
			fmt.Fprintf(w, "id\t%s\ntoken\t%s\t(shown once)\nuses\t%d\nexpires\t%s\n", made.ID, token, made.UsesLeft, when(made.ExpiresAt))
		})
	})
}

func registrationTokenDocument(t oauth.InitialToken) map[string]any {
	return map[string]any{
		"id": t.ID, "note": t.Note, "uses_left": t.UsesLeft,
		"created_at": t.CreatedAt.UTC().Format(time.RFC3339), "expires_at": t.ExpiresAt.UTC().Format(time.RFC3339),
	}
}

type registrationTokenList struct{ jsonFlag }

func (k *registrationTokenList) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		tokens, err := a.InitialTokens(ctx)
		if err != nil {
			return err
		}
		documents := []map[string]any{}
		for _, one := range tokens {
			documents = append(documents, registrationTokenDocument(one))
		}
		return k.print(c, documents, func(w io.Writer) {
			fmt.Fprintln(w, "ID\tUSES LEFT\tEXPIRES\tNOTE")
			for _, one := range tokens {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", one.ID, one.UsesLeft, when(one.ExpiresAt), one.Note)
			}
		})
	})
}

type registrationTokenDelete struct {
	jsonFlag

	ID string `arg:"" name:"id" help:"Its id, as list shows it."`
}

func (k *registrationTokenDelete) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		if err := a.DeleteInitialToken(ctx, k.ID); err != nil {
			return fmt.Errorf("registration token %s: %w", k.ID, err)
		}
		return k.print(c, map[string]string{"deleted": k.ID}, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s\n", k.ID) })
	})
}
