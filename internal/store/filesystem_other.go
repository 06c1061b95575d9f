//go:build !linux

package store

func filesystemOf(string) (number uint32, known bool) { return 0, false }

func room(string) (bytes uint64, known bool) { return 0, false }
