module github.com/writ-auth/writ/fast

go 1.26.0

require github.com/writ-auth/writ v0.0.0

replace github.com/writ-auth/writ => ../
