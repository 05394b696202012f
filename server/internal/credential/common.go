package credential

import (
	"crypto/sha256"
	_ "embed"
	"sort"
	"strings"
	"unicode/utf8"
)

// commonHashes are the first bytes of the SHA-256 of each of the 15,769 most
// common passwords that the policy would take otherwise, in lower case, sorted.
// They are those of the file data/passwords.txt of zxcvbn, which counted them in
// ten million that had leaked; see NOTICE. Hashes, since nobody needs to read such
// a list where it works, and so short that one password in ten thousand million is
// taken for one on it.
//
//go:embed common.bin
var commonHashes string

const commonSize = 6 // bytes of each hash

// common reports whether a password is on the list.
func common(password string) bool {
	sum := sha256.Sum256([]byte(strings.ToLower(password)))
	want := string(sum[:commonSize])
	_, found := sort.Find(len(commonHashes)/commonSize, func(i int) int {
		return strings.Compare(want, commonHashes[i*commonSize:(i+1)*commonSize])
	})
	return found
}

// ownName reports whether a password is one of a person's names, or the address of
// the person without its domain.
func ownName(password string, names []string) bool {
	for _, name := range names {
		local, _, _ := strings.Cut(name, "@")
		if strings.EqualFold(password, name) || strings.EqualFold(password, local) {
			return true
		}
	}
	return false
}

// repeated reports whether a password is one character again and again.
func repeated(password string) bool {
	first, _ := utf8.DecodeRuneInString(password)
	return strings.Trim(password, string(first)) == ""
}
