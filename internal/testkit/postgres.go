package testkit

import (
	"testing"

	"github.com/valetkey/valetkey/internal/testkit/postgres"
)

// Main runs a package's tests and stops what they started. Tests that call
// Postgres have it as their TestMain.
func Main(m *testing.M) { postgres.Main(m) }

// Postgres returns the URL of a fresh, empty PostgreSQL database that goes
// with the test.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres.Database(t)
}
