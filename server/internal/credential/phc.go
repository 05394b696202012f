package credential

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What a stored hash may be wrong with. Neither text holds any of the hash.
var (
	ErrFormat = errors.New("credential: not an Argon2id or bcrypt hash")
	ErrCost   = errors.New("credential: the hash asks for more memory or time than is allowed")
)

// Bounds on the parameters of a stored hash. Hashes come in by import, and one
// that asks for 4 GiB or for hours would take the server down at the sign-in
// of whoever planted it.
const (
	maxMemory     = 1 << 20 // KiB: 1 GiB
	maxPasses     = 32
	maxLanes      = 16
	maxBcryptCost = 16 // some seconds
)

// CheckHash reports whether hash is one that Verify understands and whose cost
// is within bounds: ErrFormat or ErrCost. An import asks before it stores.
func CheckHash(hash string) error {
	_, err := parse(hash)
	return err
}

// stored is a parsed hash.
type stored interface {
	verify(password string) bool
	bytes() int64  // of memory while it is verified
	current() bool // made with today's parameters
}

func parse(hash string) (stored, error) {
	switch {
	case strings.HasPrefix(hash, "$argon2id$"):
		return parseArgon2id(hash)
	case strings.HasPrefix(hash, "$2a$"), strings.HasPrefix(hash, "$2b$"), strings.HasPrefix(hash, "$2y$"):
		return parseBcrypt(hash)
	}
	return nil, ErrFormat
}

// params are those of Argon2id (RFC 9106).
type params struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
	salt   int // bytes
	tag    int // bytes
}

// standard is what new hashes are made with: OWASP's recommendation.
func standard() params {
	return params{memory: 19 << 10, passes: 2, lanes: 1, salt: 16, tag: 32}
}

func (p params) bytes() int64 { return int64(p.memory) << 10 }

func (p params) hash(password string) string {
	salt := make([]byte, p.salt)
	rand.Read(salt)
	return argonHash{p, salt, p.key(password, salt)}.String()
}

func (p params) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, p.passes, p.memory, p.lanes, uint32(p.tag))
}

// argonHash is $argon2id$v=19$m=…,t=…,p=…$salt$tag.
type argonHash struct {
	params
	saltBytes, tagBytes []byte
}

// nobody is a hash that no password was ever hashed to.
func nobody() argonHash {
	p := standard()
	return argonHash{p, make([]byte, p.salt), make([]byte, p.tag)}
}

func (a argonHash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.memory, a.passes, a.lanes,
		b64.EncodeToString(a.saltBytes), b64.EncodeToString(a.tagBytes))
}

func (a argonHash) verify(password string) bool {
	return subtle.ConstantTimeCompare(a.key(password, a.saltBytes), a.tagBytes) == 1
}

func (a argonHash) current() bool { return a.params == standard() }

// parseArgon2id takes the one spelling that String writes: what two readers
// could take for different hashes is none.
func parseArgon2id(hash string) (stored, error) {
	parts := strings.Split(hash, "$") // "", argon2id, v=19, m=…, salt, tag
	if len(hash) > 512 || len(parts) != 6 || parts[2] != "v=19" {
		return nil, ErrFormat
	}
	var a argonHash
	if err := a.parseParams(parts[3]); err != nil {
		return nil, err
	}
	var err1, err2 error
	a.saltBytes, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	a.tagBytes, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	a.salt, a.tag = len(a.saltBytes), len(a.tagBytes)
	if err1 != nil || err2 != nil || a.salt < 8 || a.salt > 64 || a.tag < 16 || a.tag > 64 || a.String() != hash {
		return nil, ErrFormat
	}
	return a, nil
}

func (a *argonHash) parseParams(text string) error {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return ErrFormat
	}
	var values [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(parts[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil {
			return ErrFormat
		}
		values[i] = n
	}
	memory, passes, lanes := values[0], values[1], values[2]
	if memory > maxMemory || passes > maxPasses || lanes > maxLanes {
		return ErrCost
	}
	if passes < 1 || lanes < 1 || memory < 8*lanes { // RFC 9106, section 3.1
		return ErrFormat
	}
	a.memory, a.passes, a.lanes = uint32(memory), uint32(passes), uint8(lanes)
	return nil
}

// bcryptHash is $2a$, $2b$ or $2y$, which mean the same here: they tell apart
// versions with bugs that ours doesn't have.
type bcryptHash string

// bcryptLength is that of every bcrypt hash: $2b$10$ and 53 characters.
const bcryptLength = 60

// bcryptInput is how many bytes of a password bcrypt looks at. The systems that
// made these hashes cut longer passwords off in silence, so we must as well,
// until the first sign-in replaces the hash.
const bcryptInput = 72

func parseBcrypt(hash string) (stored, error) {
	if len(hash) != bcryptLength || hash[6] != '$' {
		return nil, ErrFormat
	}
	for _, c := range []byte(hash[7:]) {
		if c != '.' && c != '/' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return nil, ErrFormat
		}
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost < bcrypt.MinCost {
		return nil, ErrFormat
	}
	if cost > maxBcryptCost {
		return nil, ErrCost
	}
	return bcryptHash(hash), nil
}

// verify compares in constant time, as CompareHashAndPassword does. A NUL would
// end the password for other implementations.
func (b bcryptHash) verify(password string) bool {
	if len(password) > bcryptInput {
		password = password[:bcryptInput]
	}
	err := bcrypt.CompareHashAndPassword([]byte(b), []byte(password))
	return err == nil && !strings.Contains(password, "\x00")
}

func (b bcryptHash) bytes() int64 { return 8 << 10 }

func (b bcryptHash) current() bool { return false }
