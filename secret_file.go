package valetkey

import "os"

// readByOthers judges the file of the master secret. Its group may read it where
// it belongs to somebody else, such as root: so Kubernetes (fsGroup) and systemd
// (an access list, which shows as the group's bits) hand a secret to who runs the
// program, and who runs it couldn't change that.
func readByOthers(info os.FileInfo) bool {
	mode := info.Mode().Perm()
	return mode&0o037 != 0 || mode&0o040 != 0 && ownedByUs(info)
}
