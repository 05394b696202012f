package guard

// For tests in package guard_test.
var (
	Bearer      = bearer
	CookieValue = cookie
)
