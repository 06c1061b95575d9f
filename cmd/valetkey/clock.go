//go:build !failpoints

package main

import "github.com/valetkey/valetkey"

// testFlags are those of test builds: here, none.
type testFlags struct{}

func (testFlags) set(*valetkey.Config) {}
