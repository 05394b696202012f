package store_test

import (
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

var (
	_ auth.Sessions  = (*store.Store)(nil)
	_ auth.Users     = (*store.Store)(nil)
	_ auth.Directory = (*store.Store)(nil)
	_ auth.Keys      = (*store.Store)(nil)
	_ auth.Log       = (*store.Store)(nil)
	_ auth.Settings  = (*store.Store)(nil)
	_ auth.Audit     = (*store.Store)(nil)

	_ auth.Registry      = (*store.Store)(nil)
	_ auth.Assertions    = (*store.Store)(nil)
	_ auth.ClientSecrets = (*store.Store)(nil)
	_ auth.Codes         = (*store.Store)(nil)
	_ auth.Consents      = (*store.Store)(nil)
	_ auth.Browsers      = (*store.Store)(nil)
	_ auth.Devices       = (*store.Store)(nil)
	_ auth.Logouts       = (*store.Store)(nil)
)
