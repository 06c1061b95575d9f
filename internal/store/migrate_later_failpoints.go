//go:build failpoints

package store

import (
	"os"
	"path/filepath"
)

// laterMigrations makes this program some versions newer: the files that
// VALETKEY_FAILPOINT_MIGRATIONS lists are its last migrations.
func laterMigrations(all []migration) ([]migration, error) {
	for _, file := range filepath.SplitList(os.Getenv("VALETKEY_FAILPOINT_MIGRATIONS")) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, newMigration(len(all)+1, filepath.Base(file), string(text)))
	}
	return all, nil
}
