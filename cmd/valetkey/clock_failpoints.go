//go:build failpoints

package main

import (
	"time"

	"github.com/valetkey/valetkey"
)

// testFlags are those of test builds.
type testFlags struct {
	TestClockOffset time.Duration `help:"Run ahead of the machine's clock, or behind it." env:"VALETKEY_TEST_CLOCK_OFFSET"`
}

func (f testFlags) set(c *valetkey.Config) {
	c.Now = func() time.Time { return time.Now().Add(f.TestClockOffset) } //nolint:forbidigo // the clock that is moved
}
