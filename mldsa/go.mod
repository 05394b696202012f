module github.com/writ-auth/writ/mldsa

go 1.26.0

require (
	filippo.io/mldsa v1.0.0
	github.com/writ-auth/writ v0.0.0
)

replace github.com/writ-auth/writ => ../
