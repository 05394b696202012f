module github.com/writ-auth/writ/fast

go 1.26.0

require (
	filippo.io/bigmod v0.1.0
	filippo.io/edwards25519 v1.2.0
	github.com/writ-auth/writ v0.0.0
)

require golang.org/x/sys v0.11.0 // indirect

replace github.com/writ-auth/writ => ../
