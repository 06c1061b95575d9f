// Command watch runs the demo and starts it anew whenever a source file
// changes: `make dev`. Templates need no restart, the demo reads them at each
// request. What doesn't compile is printed, and the old demo goes on.
//
//	go run ./internal/watch [flags of valetkey demo]
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	every    = 300 * time.Millisecond
	stopTime = 10 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := watch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1)
	}
}

// watch builds and runs until ctx is done.
func watch(ctx context.Context, args []string) error {
	dir, err := os.MkdirTemp("", "valetkey-dev-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w := &watcher{binary: filepath.Join(dir, "valetkey"), args: args}
	defer w.halt()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// watcher is the program as it was last built.
type watcher struct {
	binary string
	args   []string
	seen   map[string]time.Time
	end    func() // stops what runs; nil when nothing does
}

// look rebuilds and restarts when a file has another time than before.
func (w *watcher) look(ctx context.Context) error {
	now, err := times(".")
	if err != nil {
		return err
	}
	if same(w.seen, now) {
		return nil
	}
	w.seen = now
	if !build(ctx, w.binary+".new") {
		return nil
	}
	w.halt()
	if err := os.Rename(w.binary+".new", w.binary); err != nil {
		return err
	}
	return w.start(ctx)
}

// build leaves the compiler's words on standard error.
func build(ctx context.Context, binary string) bool {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/valetkey") //nolint:gosec // our own temporary folder
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	err := cmd.Run()
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "watch: the build failed; what ran before goes on")
	}
	return err == nil
}

// start runs the demo. Its end is asked for by an interrupt, the same that a
// person's Ctrl-C is, and enforced after a while.
func (w *watcher) start(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	args := append([]string{"demo", "--templates", filepath.Join("internal", "web", "templates")}, w.args...)
	cmd := exec.CommandContext(ctx, w.binary, args...) //nolint:gosec // what was just built
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTime
	if err := cmd.Start(); err != nil {
		stop()
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := cmd.Wait(); ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "watch: the demo ended:", err, "(waiting for a change)")
		}
	}()
	w.end = func() { stop(); <-ended }
	return nil
}

// halt returns when the demo has ended; its ports are free then.
func (w *watcher) halt() {
	if w.end != nil {
		w.end()
		w.end = nil
	}
}

// times are those of every file that is compiled in.
func times(root string) (map[string]time.Time, error) {
	found := map[string]time.Time{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone while we walked
			return nil
		case err != nil:
			return err
		case d.IsDir():
			return enter(root, path, d.Name())
		case !compiled(path):
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		found[path] = info.ModTime()
		return nil
	})
	return found, err
}

func enter(root, path, name string) error {
	if path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "bin" || name == "testdata") {
		return filepath.SkipDir
	}
	return nil
}

func compiled(path string) bool {
	switch filepath.Ext(path) {
	case ".go":
		return !strings.HasSuffix(path, "_test.go")
	case ".sql", ".css", ".js":
		return true
	}
	return false
}

func same(a, b map[string]time.Time) bool {
	if len(a) != len(b) {
		return false
	}
	for path, at := range a {
		if other, ok := b[path]; !ok || !other.Equal(at) {
			return false
		}
	}
	return true
}
