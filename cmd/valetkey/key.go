package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/valetkey/valetkey"
)

type keyCmd struct {
	List   keyList   `cmd:"" help:"List the signing keys and their times."`
	Rotate keyRotate `cmd:"" help:"Begin the successor of a signing key."`
}

type keyList struct{ jsonFlag }

func (k *keyList) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error { return k.list(ctx, a, c) })
}

func (j jsonFlag) list(ctx context.Context, a *valetkey.Admin, c console) error {
	keys, err := a.Keys(ctx)
	if err != nil {
		return err
	}
	return j.print(c, keys, func(w io.Writer) {
		fmt.Fprintln(w, "KEY\tALG\tSTATE\tPUBLISHED\tSIGNS\tRETIRES")
		for _, one := range keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", one.KID, one.Alg, one.State, when(one.PublishedAt), when(one.SignsAt), when(one.RetiresAt))
		}
	})
}

func when(t time.Time) string { return t.Format("2006-01-02 15:04") }

type keyRotate struct {
	jsonFlag

	Alg       string `help:"Which algorithm's key." default:"ES256" enum:"ES256,RS256,PS256,EdDSA"`
	Emergency bool   `help:"Take the old key out at once: everything that it signed is refused."`
}

func (k *keyRotate) Run(ctx context.Context, s *Settings, c console) error {
	return withAdmin(ctx, s, c, func(a *valetkey.Admin) error {
		if err := a.RotateKey(ctx, k.Alg, k.Emergency); err != nil {
			return err
		}
		return k.list(ctx, a, c)
	})
}
