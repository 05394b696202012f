package dpop

// SameAddress is for tests in package dpop_test.
var SameAddress = sameAddress
