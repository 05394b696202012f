//go:build !linux

// Package vfs is, on Linux, a way for SQLite to sync its write-ahead log that
// keeps no processor. Here it is nothing.
package vfs

// Name is "": the usual one.
func Name() (string, error) { return "", nil }
