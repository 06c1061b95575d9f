package main

import (
	"fmt"
	"runtime"

	"github.com/valetkey/valetkey"
)

type versionCmd struct{}

func (versionCmd) Run(c console) error {
	_, err := fmt.Fprintf(c.out, "valetkey %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

type secretCmd struct{}

func (secretCmd) Run(c console) error {
	_, err := c.out.Write(valetkey.NewMasterSecret())
	return err
}
