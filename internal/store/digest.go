package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// TableSum says what a table holds. SHA256 is the sum, modulo 2^256, of the
// SHA-256 of each row: two databases needn't agree on an order of rows, and a
// table of any size is summed in the same little memory. It finds what was
// lost, doubled or changed by accident; it is no seal against forgery.
type TableSum struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"` // of the values, without what a database adds
	SHA256 string `json:"sha256"`
}

// digest sums rows up.
type digest struct {
	rows, size int64
	sum        [4]uint64 // the lowest first
	scratch    []byte
}

func (d *digest) add(row []any) {
	d.scratch = d.scratch[:0]
	for _, v := range row {
		d.scratch = appendValue(d.scratch, v)
	}
	hash := sha256.Sum256(d.scratch)
	var carry uint64
	for i := range d.sum {
		d.sum[i], carry = bits.Add64(d.sum[i], binary.LittleEndian.Uint64(hash[8*i:]), carry)
	}
	d.rows++
	d.size += int64(len(d.scratch))
}

// appendValue writes a value so that no two rows are written alike: its kind,
// and the length of what has one.
func appendValue(to []byte, value any) []byte {
	switch v := value.(type) {
	case int64:
		return binary.BigEndian.AppendUint64(append(to, 'i'), uint64(v)) //nolint:gosec // the same bits
	case bool:
		if v {
			return append(to, 'b', 1)
		}
		return append(to, 'b', 0)
	case string:
		return append(binary.AppendUvarint(append(to, 't'), uint64(len(v))), v...)
	case []byte:
		return append(binary.AppendUvarint(append(to, 'x'), uint64(len(v))), v...)
	}
	return append(to, 'n')
}

func (d *digest) of(name string) TableSum {
	var sum [sha256.Size]byte
	for i, part := range d.sum {
		binary.LittleEndian.PutUint64(sum[8*i:], part)
	}
	return TableSum{Name: name, Rows: d.rows, Bytes: d.size, SHA256: hex.EncodeToString(sum[:])}
}

// cursor walks a table and sums it up on the way. It is a source for pgx's
// CopyFrom.
type cursor struct {
	table  table
	strict bool // refuse text that PostgreSQL can't hold
	rows   *sql.Rows
	values []any
	into   []any
	digest digest
	err    error
}

// cursor reads a table. A server's timeline is its own and goes nowhere.
func (e *end) cursor(ctx context.Context, t table) (*cursor, error) {
	but := ""
	if t.name == "settings" {
		but = " WHERE name <> '" + settingTimeline + "'"
	}
	rows, err := e.tx.QueryContext(ctx, "SELECT "+strings.Join(t.names(), ", ")+" FROM "+t.name+but) //nolint:gosec // names of our own migrations
	if err != nil {
		return nil, fmt.Errorf("read the table %s: %w", t.name, err)
	}
	c := &cursor{table: t, rows: rows, values: make([]any, len(t.columns)), into: make([]any, len(t.columns))}
	for i := range c.values {
		c.into[i] = &c.values[i]
	}
	return c, rows.Err()
}

// Next implements pgx.CopyFromSource.
func (c *cursor) Next() bool {
	if c.err != nil || !c.rows.Next() {
		return false
	}
	if c.err = c.rows.Scan(c.into...); c.err == nil {
		c.err = c.canonical()
	}
	if c.err != nil {
		return false
	}
	c.digest.add(c.values)
	return true
}

// Values implements pgx.CopyFromSource.
func (c *cursor) Values() ([]any, error) { return c.values, nil }

// Err implements pgx.CopyFromSource.
func (c *cursor) Err() error {
	err := c.err
	if err == nil {
		err = c.rows.Err()
	}
	if err != nil {
		return fmt.Errorf("read the table %s: %w", c.table.name, err)
	}
	return nil
}

// canonical brings the row into the kinds of its columns, which drivers see
// differently.
func (c *cursor) canonical() error {
	for i, column := range c.table.columns {
		v, ok := asKind(column.kind, c.values[i])
		if !ok {
			return fmt.Errorf("column %s is %T, not %s", column.name, c.values[i], column.kind)
		}
		if text, is := v.(string); is && c.strict && (!utf8.ValidString(text) || strings.ContainsRune(text, 0)) {
			return fmt.Errorf("column %s of the row that begins with %q holds what PostgreSQL has no text for (a NUL, or no UTF-8); change or delete that row first", column.name, fmt.Sprint(c.values[0]))
		}
		c.values[i] = v
	}
	return nil
}

func asKind(kind string, value any) (any, bool) {
	if value == nil {
		return nil, true
	}
	switch v := value.(type) {
	case string:
		if kind == "BYTEA" {
			return []byte(v), true
		}
		return v, kind == "TEXT"
	case []byte:
		if kind == "TEXT" {
			return string(v), true
		}
		if v == nil { // drivers see an empty value so; NULL is no []byte at all
			v = []byte{}
		}
		return v, kind == "BYTEA"
	case int64:
		if kind == "BOOLEAN" {
			return v != 0, true
		}
		return v, kind == "BIGINT"
	case bool:
		return v, kind == "BOOLEAN"
	}
	return nil, false
}

// sum reads a table for its sum alone.
func (e *end) sum(ctx context.Context, t table) (TableSum, error) {
	c, err := e.cursor(ctx, t)
	if err != nil {
		return TableSum{}, err
	}
	defer func() { _ = c.rows.Close() }()
	for c.Next() {
	}
	return c.digest.of(t.name), c.Err()
}

func (e *end) sums(ctx context.Context, tables []table) ([]TableSum, error) {
	sums := make([]TableSum, len(tables))
	for i, t := range tables {
		var err error
		if sums[i], err = e.sum(ctx, t); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// differing names the tables whose sums aren't alike, with both counts.
func differing(before, after []TableSum) (names []string) {
	known := map[string]TableSum{}
	for _, s := range before {
		known[s.Name] = s
	}
	for _, s := range after {
		if was := known[s.Name]; was != s {
			names = append(names, fmt.Sprintf("%s (%d rows, then %d)", s.Name, was.Rows, s.Rows))
		}
	}
	return names
}
