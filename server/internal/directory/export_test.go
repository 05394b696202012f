package directory

// For tests of what takes a service with a store to reach otherwise.
var (
	CheckRedirectURIs = checkRedirectURIs
	CheckOrigins      = checkOrigins
	CheckURL          = checkURL
	CheckClaims       = checkClaims
	CheckEmail        = checkEmail
	CheckUsername     = checkUsername
	CheckText         = checkText
)
