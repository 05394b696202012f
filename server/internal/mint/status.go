package mint

import "strconv"

// PathStatusLists is where an issuer's status lists are, each under its number.
const PathStatusLists = "/v1/status-lists"

// StatusListURI names a status list: in a token's status claim, and as the sub
// of the list itself. It is the same in all tokens whose status stands there, so
// that it tells nobody whose token is being checked.
func StatusListURI(issuer string, list int64) string {
	return issuer + PathStatusLists + "/" + strconv.FormatInt(list, 10)
}
