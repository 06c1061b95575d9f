package store

import "syscall"

// filesystemOf asks which file system a folder is on.
func filesystemOf(folder string) (number uint32, known bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(folder, &s) != nil {
		return 0, false // opening the database says why
	}
	return uint32(s.Type), true //nolint:gosec // a number of 32 bits, whatever the type's width
}

// room is how much of a folder's disk is left to this process.
func room(folder string) (bytes uint64, known bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(folder, &s) != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true //nolint:gosec // a block's size is small and positive
}
