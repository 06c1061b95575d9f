//go:build unix

package valetkey

import (
	"os"
	"syscall"
)

func ownedByUs(info os.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int64(owner.Uid) == int64(os.Geteuid())
}
