//go:build !failpoints

// Package failpoint ends the process at a place that a test names, as a power
// cut would. It does so in builds with the tag failpoints; in all others it is
// nothing.
package failpoint

// Hit does nothing.
func Hit(string) {}

// Half does nothing: mid-answer is a place of test builds only.
func Half(interface{ Write([]byte) (int, error) }, []byte) {}
