//go:build !unix

package valetkey

import "os"

func ownedByUs(os.FileInfo) bool { return true }
