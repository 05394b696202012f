package strictjson

import "math/bits"

// Names is an index of the member names that a program knows, for NextMember.
// It is what a map would be, in less time, and immutable once it is in use: what
// a text brings is looked up, never added, so that nobody can make it slow.
type Names struct {
	first   [128]uint16 // by hash: 1 + the number of a name, 0 for none
	entries []nameEntry
}

type nameEntry struct {
	name string
	word uint64
	next uint16 // as in first: another name of the same hash
}

// MaxNames is how many names an index may have.
const MaxNames = 1<<16 - 1

// NewNames returns the index of names, which are numbered as they come. There
// are at most MaxNames of them, and none twice.
func NewNames(names ...string) *Names {
	k := &Names{entries: make([]nameEntry, 0, len(names))}
	for _, name := range names {
		word := wordOf(name)
		h := hash(word, len(name))
		k.entries = append(k.entries, nameEntry{name, word, k.first[h]})
		k.first[h] = uint16(len(k.entries))
	}
	return k
}

// wordOf returns the first eight bytes of s, the first as the lowest. With its
// length it is all there is to know about a shorter one.
func wordOf(s string) uint64 {
	if len(s) >= 8 {
		return load(s)
	}
	var word uint64
	for i := range len(s) {
		word |= uint64(s[i]) << (8 * i)
	}
	return word
}

// load returns the first eight bytes of s, which has them.
func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func hash(word uint64, length int) byte {
	return byte((word + uint64(length)) * 0x9e3779b97f4a7c15 >> 57)
}

// short returns the number of the name of up to eight bytes that word and
// length stand for, -1 if it isn't known.
func (k *Names) short(word uint64, length int) int {
	for i := k.first[hash(word, length)]; i != 0; {
		e := &k.entries[i-1]
		if e.word == word && len(e.name) == length {
			return int(i - 1)
		}
		i = e.next
	}
	return -1
}

// find returns the number of any name, -1 if it isn't known.
func (k *Names) find(name string) int {
	word := wordOf(name)
	for i := k.first[hash(word, len(name))]; i != 0; {
		e := &k.entries[i-1]
		if e.word == word && e.name == name {
			return int(i - 1)
		}
		i = e.next
	}
	return -1
}

// NextMember is NextKey for an object most of whose names are expected: it
// returns the number of the next member's name in known, or -1 for a name that
// is not there. It is as strict about names that come twice, known or not. An
// object is read with NextKey or with NextMember and always the same names.
func (r *Reader) NextMember(known *Names) (n int, more bool, err error) {
	f := r.top(true)
	if f == nil {
		return 0, false, r.syntax()
	}
	// In a compact text most members begin with a comma before all but the first,
	// directly followed by a known name of at most eight bytes without escapes
	// that has not come before, and its colon. All others are anyMember's.
	text := r.text[r.pos:]
	if f.begun {
		if text == "" || text[0] != ',' {
			return r.anyMember(f, known)
		}
		text = text[1:]
	}
	if len(text) < len(`"12345678":`) || text[0] != '"' {
		return r.anyMember(f, known)
	}
	word := load(text[1:])
	stop := stops(word)
	length := bits.TrailingZeros64(stop) / 8 // 8 for none
	if uint16(text[length+1])|uint16(text[length+2])<<8 != '"'|':'<<8 {
		return r.anyMember(f, known)
	}
	before := stop&-stop>>7 - 1 // the bytes before the first stop
	n = known.short(word&before, length)
	if n < 0 || n >= 64 || f.known>>n&1 != 0 {
		return r.anyMember(f, known)
	}
	f.known |= 1 << n
	f.begun = true
	r.pos = len(r.text) - len(text) + length + len(`"":`)
	return n, true, nil
}

// anyMember is NextMember however the member is written.
func (r *Reader) anyMember(f *frame, known *Names) (n int, more bool, err error) {
	name, more, err := r.nextName(f)
	if err != nil || !more {
		return 0, false, err
	}
	if n = known.find(name); !r.first(f, n, name) {
		return 0, false, r.fail(ErrDuplicate)
	}
	return n, true, nil
}

// first notes that the object has a member of this number and name, and reports
// false if it had one before.
func (r *Reader) first(f *frame, n int, name string) bool {
	if n < 0 || n >= 64 {
		return r.remember(f, name)
	}
	bit := uint64(1) << n
	before := f.known
	f.known |= bit
	return before&bit == 0
}
