//go:build !failpoints

package store

// limitPages does nothing: a full database is a matter of test builds.
func limitPages(*pool) {}
