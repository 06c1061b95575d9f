package store

import (
	"fmt"
	"log/slog"
	"path/filepath"
)

// place is what a file system is to a SQLite database.
type place uint8

const (
	placeLocal   place = iota
	placeUnsure        // FUSE: what is behind it can't be told by its number
	placeNetwork       // locks and the shared memory of WAL don't reach other machines
)

// filesystems are those that lie on other machines, by the number that statfs
// gives: Linux's uapi/linux/magic.h and GNU coreutils' stat.c.
var filesystems = map[uint32]struct {
	name  string
	place place
}{
	0x00006969: {"NFS", placeNetwork},
	0x0000517B: {"SMB", placeNetwork},
	0xFF534D42: {"CIFS", placeNetwork},
	0xFE534D42: {"SMB2", placeNetwork},
	0x0000564C: {"NCP", placeNetwork},
	0x01021997: {"9P", placeNetwork},
	0x5346414F: {"AFS", placeNetwork},
	0x6B414653: {"AFS", placeNetwork},
	0x73757245: {"Coda", placeNetwork},
	0x00C36400: {"Ceph", placeNetwork},
	0x01161970: {"GFS2", placeNetwork},
	0x7461636F: {"OCFS2", placeNetwork},
	0x0BD00BD0: {"Lustre", placeNetwork},
	0x47504653: {"GPFS", placeNetwork},
	0x19830326: {"BeeGFS", placeNetwork},
	0xAAD7AAEA: {"PanFS", placeNetwork},
	0x20030528: {"PVFS2", placeNetwork},
	0x013111A8: {"IBRIX", placeNetwork},
	0x61636673: {"ACFS", placeNetwork},
	0xBEEFDEAD: {"SNFS", placeNetwork},
	0xBACBACBC: {"VMware's shared folders", placeNetwork},
	0x786F4256: {"VirtualBox's shared folders", placeNetwork},
	0x7C7C6673: {"Parallels' shared folders", placeNetwork},
	0x65735546: {"FUSE", placeUnsure},
}

// judgeFilesystem goes by the number alone.
func judgeFilesystem(number uint32) (name string, kind place) {
	known := filesystems[number]
	return known.name, known.place
}

// judgePlace refuses a SQLite database on another machine's disk: two that have
// it open there can each believe to be alone, and a commit that was answered may
// be on neither disk. https://www.sqlite.org/wal.html, "All processes using a
// database must be on the same host computer".
func judgePlace(path string, log *slog.Logger) error {
	number, known := filesystemOf(filepath.Dir(path))
	if !known {
		return nil
	}
	switch name, kind := judgeFilesystem(number); {
	case kind == placeNetwork:
		return fmt.Errorf("it is on a network file system (%s), where SQLite loses or breaks data; put it on a disk of this machine, or use PostgreSQL", name)
	case kind == placeUnsure && log != nil:
		log.Warn("the database is on FUSE: if another machine's disk is behind it, SQLite loses or breaks data there", "file", path)
	}
	return nil
}
