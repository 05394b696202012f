module github.com/writ-auth/writ

go 1.26.0
