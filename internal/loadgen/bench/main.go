// Command bench starts servers of its own, loads them, and prints what each
// operation cost, beside an RSA-2048 signature timed in the same run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	count       int
	databases   []string
	connections []int
	rows        []int
	nodes       int
	tls, check  bool
	operations  string
	sweep       int
	partitions  int
	rate        float64
	during      time.Duration
	profile     string
	write       string
}

func main() {
	var o options
	flag.IntVar(&o.count, "n", 12000, "operations of each kind")
	list(&o.databases, "database", "sqlite,postgres", "sqlite, postgres (a server of its own) or postgres://…, separated by commas", text)
	list(&o.connections, "c", "64,16", "connections", strconv.Atoi)
	list(&o.rows, "rows", "1000", "authorizations that the store holds beforehand", strconv.Atoi)
	flag.IntVar(&o.nodes, "nodes", 1, "nodes on one PostgreSQL")
	flag.BoolVar(&o.tls, "tls", false, "speak TLS")
	flag.BoolVar(&o.check, "check", false, "fail when a number is above its limit")
	flag.StringVar(&o.operations, "only", "", "operations whose name begins so")
	flag.IntVar(&o.partitions, "partitions", 0, "of the authorizations on PostgreSQL; 0: none")
	flag.IntVar(&o.sweep, "sweep", 0, "of the authorizations, so many that are over: only what deleting them costs is measured")
	flag.Float64Var(&o.rate, "rate", 0, "open loop: operations a second")
	flag.DurationVar(&o.during, "for", 10*time.Second, "open loop: how long")
	flag.StringVar(&o.profile, "profile", "", "folder for a CPU profile of each operation")
	flag.StringVar(&o.write, "write", "", "file whose numbers to replace, between <!-- numbers --> and <!-- end -->")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func text(s string) (string, error) { return s, nil }

// list is a flag of several values.
func list[T any](into *[]T, name, standard, help string, parse func(string) (T, error)) {
	set := func(value string) error {
		*into = nil
		for one := range strings.SplitSeq(value, ",") {
			v, err := parse(one)
			if err != nil {
				return err
			}
			*into = append(*into, v)
		}
		return nil
	}
	flag.Func(name, help+" (default "+standard+")", set)
	if err := set(standard); err != nil {
		panic(err)
	}
}

// run measures every combination that was asked for, each on a fresh database.
func run(ctx context.Context, o options) error {
	binary, remove, err := build(ctx)
	if err != nil {
		return err
	}
	defer remove()
	r := newReport(binary)
	for _, database := range o.databases {
		for _, rows := range o.rows {
			for _, connections := range o.connections {
				if err := one(ctx, o, r, setting{binary: binary, database: database, rows: rows, connections: connections}); err != nil {
					return fmt.Errorf("%s, %d rows, %d connections: %w", database, rows, connections, err)
				}
			}
		}
	}
	if o.write != "" {
		if err := r.write(o.write); err != nil {
			return err
		}
	}
	if o.check {
		return r.check()
	}
	return nil
}

// setting is one combination.
type setting struct {
	binary, database  string
	rows, connections int
}

func one(ctx context.Context, o options, r *report, s setting) error {
	h, err := open(ctx, o, s)
	if err != nil {
		return err
	}
	defer h.close()
	results, err := h.measure(ctx, o, s)
	if err != nil {
		return err
	}
	return r.add(o, s, h, results)
}
