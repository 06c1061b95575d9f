//go:build failpoints

package store

import (
	"context"
	"os"
	"strconv"
	"strings"
)

// limitPages makes the database as full as the file says that
// VALETKEY_FAILPOINT_PAGES names: so many pages, and no more than there are when
// it says 1. Without the file there is room.
func limitPages(p *pool) {
	file := os.Getenv("VALETKEY_FAILPOINT_PAGES")
	if file == "" {
		return
	}
	content, _ := os.ReadFile(file)
	n, _ := strconv.Atoi(strings.TrimSpace(string(content)))
	if n == 0 {
		n = 1 << 30
	}
	_, _ = p.ExecContext(context.Background(), "PRAGMA max_page_count = "+strconv.Itoa(n))
}
