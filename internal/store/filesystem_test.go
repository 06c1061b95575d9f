package store

import (
	"strings"
	"testing"
)

func TestFilesystems(t *testing.T) {
	for _, c := range []struct {
		number uint32
		name   string
		want   place
	}{
		{0xEF53, "", placeLocal},     // ext4
		{0x9123683E, "", placeLocal}, // btrfs
		{0x58465342, "", placeLocal}, // xfs
		{0x2FC12FC1, "", placeLocal}, // zfs
		{0x01021994, "", placeLocal}, // tmpfs
		{0x794C7630, "", placeLocal}, // overlayfs
		{0x00006969, "NFS", placeNetwork},
		{0x0000517B, "SMB", placeNetwork},
		{0xFF534D42, "CIFS", placeNetwork},
		{0xFE534D42, "SMB2", placeNetwork},
		{0x01021997, "9P", placeNetwork},
		{0x5346414F, "AFS", placeNetwork},
		{0x6B414653, "AFS", placeNetwork},
		{0x00C36400, "Ceph", placeNetwork},
		{0x01161970, "GFS2", placeNetwork},
		{0x7461636F, "OCFS2", placeNetwork},
		{0x0BD00BD0, "Lustre", placeNetwork},
		{0x47504653, "GPFS", placeNetwork},
		{0x65735546, "FUSE", placeUnsure},
	} {
		if name, got := judgeFilesystem(c.number); name != c.name || got != c.want {
			t.Errorf("%#x is %q, %d", c.number, name, got)
		}
	}
}

// Where these tests lie a database may lie; in memory nothing is asked.
func TestPlaceOfTests(t *testing.T) {
	if err := judgePlace(strings.TrimPrefix(sqliteFile(t), "sqlite:"), nil); err != nil {
		t.Error(err)
	}
	if left, known := room(t.TempDir()); known && left == 0 {
		t.Error("there is no room")
	}
	if _, known := room("/no/such/folder"); known {
		t.Error("room where nothing is")
	}
}
