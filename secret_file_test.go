package valetkey

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSecretOfSomebodyElse: a secret that is handed over by its group is taken
// where the file isn't ours to change, and nowhere else.
func TestSecretOfSomebodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	for _, c := range []struct {
		owner  int
		mode   os.FileMode
		refuse bool
	}{
		{0, 0o600, false},
		{0, 0o440, true},
		{4711, 0o440, false},
		{4711, 0o400, false},
		{4711, 0o460, true},
		{4711, 0o444, true},
		{4711, 0o441, true},
	} {
		file := filepath.Join(t.TempDir(), "master-secret")
		err := os.WriteFile(file, NewMasterSecret(), 0o600)
		if err == nil {
			err = os.Chown(file, c.owner, 0)
		}
		if err == nil {
			err = os.Chmod(file, c.mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readKeyring(file, false); (err != nil) != c.refuse {
			t.Errorf("%04o of %d: %v", c.mode, c.owner, err)
		}
	}
}
