module github.com/writ-auth/writ/es256k

go 1.26.0

require (
	github.com/decred/dcrd/dcrec/secp256k1/v4 v4.4.1
	github.com/writ-auth/writ v0.0.0
)

replace github.com/writ-auth/writ => ../
