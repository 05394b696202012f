package strictjson

import "math/bits"

// Names is an index of the member names that a program knows, for NextMember.
// It is what a map would be, in less time, and immutable once it is in use: what
// a text brings is looked up, never added, so that nobody can make it slow.
type Names struct {
	first   [64]uint16 // by hash: 1 + the number of a name, 0 for none
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
	return byte((word + uint64(length)) * 0x9e3779b97f4a7c15 >> 58)
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
	if word, length := r.shortName(f); length >= 0 {
		start := r.pos
		r.pos += length + len(`":`)
		f.begun = true
		return r.member(f, known.short(word, length), r.text[start:start+length])
	}
	name, more, err := r.nextName(f)
	if err != nil || !more {
		return 0, false, err
	}
	return r.member(f, known.find(name), name)
}

// shortName recognizes what most members of a compact text begin with: a comma
// before all but the first, and a name of less than eight bytes without
// escapes, directly followed by its colon. Then it moves to the first byte of
// the name. Otherwise it moves nowhere, and length is -1.
func (r *Reader) shortName(f *frame) (word uint64, length int) {
	i := r.pos
	if f.begun {
		if !r.at(',') {
			return 0, -1
		}
		i++
	}
	if len(r.text)-i < len(`"`)+8+len(`:`) || r.text[i] != '"' {
		return 0, -1
	}
	rest := r.text[i+1:]
	word = load(rest)
	length = bits.TrailingZeros64(stops(word)) / 8 // 8 for none
	if rest[length] != '"' || rest[length+1] != ':' {
		return 0, -1
	}
	r.pos = i + 1
	return word & (1<<(8*length) - 1), length
}

// member notes that the object has a member of this number and name, which is
// an error if it had one before.
func (r *Reader) member(f *frame, n int, name string) (int, bool, error) {
	if n < 0 || n >= 64 {
		if !r.remember(f, name) {
			return 0, false, r.fail(ErrDuplicate)
		}
		return n, true, nil
	}
	bit := uint64(1) << n
	if f.known&bit != 0 {
		return 0, false, r.fail(ErrDuplicate)
	}
	f.known |= bit
	return n, true, nil
}
