// Package e2e tests the built program as its users meet it: over HTTP, with
// real files, real signals and the library's own guard on the other side.
package e2e
