//go:build !linux

// Package vfs is, on Linux, a way for SQLite to sync its write-ahead log that
// keeps no processor. Here it is nothing.
package vfs

// VFS is the usual one.
type VFS struct{}

// New makes nothing.
func New() (*VFS, error) { return nil, nil }

// Name is "": the usual one.
func (*VFS) Name() string { return "" }

// Close does nothing.
func (*VFS) Close() error { return nil }
