package strictjson

// maxListed is how many member names of open objects are kept in a list and
// compared one by one. An object that outgrows it continues in a map, so the
// work for n names stays proportional to n whatever an attacker sends.
const maxListed = 48

// frame is an object or array that has been opened and not closed.
type frame struct {
	known  uint64              // a bit for each of the first 64 numbers that NextMember has returned
	seen   uint64              // a bit for each sum of its names: most new names differ in it and need no comparison
	more   map[string]struct{} // the names that did not fit into the list, nil while all do
	base   uint8               // where its names begin in Reader.keys
	object bool
	begun  bool // it has a member or element, so a comma must come before the next
}

// BeginObject reads the opening brace of an object. NextKey follows.
func (r *Reader) BeginObject() error {
	if r.peek() != '{' {
		return r.mismatch()
	}
	return r.push(true)
}

// Members reads an object: member is called with each name, and must read the
// value. The object may be a part of the text; End looks for what follows it.
func (r *Reader) Members(member func(name string) error) error {
	if err := r.BeginObject(); err != nil {
		return err
	}
	for {
		name, more, err := r.NextKey()
		if err != nil || !more {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// Member returns the text of one member of an object, all of which is checked;
// found says whether the object has it.
func Member(object, name string) (value string, found bool, err error) {
	r := NewReader(object)
	err = r.Members(func(key string) error {
		raw, err := r.RawValue()
		if key == name {
			value, found = raw, true
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return "", false, err
	}
	return value, found, nil
}

// BeginArray reads the opening bracket of an array. NextElement follows.
func (r *Reader) BeginArray() error {
	if r.peek() != '[' {
		return r.mismatch()
	}
	return r.push(false)
}

func (r *Reader) push(object bool) error {
	if r.depth == MaxDepth {
		return r.fail(ErrDepth)
	}
	r.open[r.depth] = frame{base: uint8(r.nkeys), object: object}
	r.depth++
	r.pos++
	return nil
}

// pop reads the closing bracket.
func (r *Reader) pop() {
	r.depth--
	f := &r.open[r.depth]
	r.nkeys, f.more = int(f.base), nil
	r.pos++
}

// NextKey reads the next member's name and the colon after it; the value must
// be read next. It returns false when it has read the object's closing brace.
func (r *Reader) NextKey() (name string, more bool, err error) {
	f := r.top(true)
	if f == nil {
		return "", false, r.syntax()
	}
	name, more, err = r.nextName(f)
	if err != nil || !more {
		return "", false, err
	}
	if !r.remember(f, name) {
		return "", false, r.fail(ErrDuplicate)
	}
	return name, true, nil
}

// nextName is NextKey for a name that may come twice.
func (r *Reader) nextName(f *frame) (name string, more bool, err error) {
	c := r.peek()
	if c == '}' {
		r.pop()
		return "", false, nil
	}
	if c, ok := r.comma(f, c); !ok || c != '"' {
		return "", false, r.syntax()
	}
	if name, err = r.ReadString(); err != nil {
		return "", false, err
	}
	if r.peek() != ':' {
		return "", false, r.syntax()
	}
	r.pos++
	return name, true, nil
}

// NextElement reads up to the next element of an array, which must be read
// next. It returns false when it has read the array's closing bracket.
func (r *Reader) NextElement() (more bool, err error) {
	f := r.top(false)
	if f == nil {
		return false, r.syntax()
	}
	c := r.peek()
	if c == ']' {
		r.pop()
		return false, nil
	}
	if c, ok := r.comma(f, c); !ok || c == ']' {
		return false, r.syntax()
	}
	return true, nil
}

// top is the innermost open object or array, nil if it is of the other kind.
func (r *Reader) top(object bool) *frame {
	if r.depth == 0 || r.open[r.depth-1].object != object {
		return nil
	}
	return &r.open[r.depth-1]
}

// comma reads the comma that all but the first member need, and returns the
// byte that follows it.
func (r *Reader) comma(f *frame, c byte) (next byte, ok bool) {
	if !f.begun {
		f.begun = true
		return c, true
	}
	if c != ',' {
		return 0, false
	}
	r.pos++
	return r.peek(), true
}

// remember notes name, and reports false if the object had it already.
func (r *Reader) remember(f *frame, name string) bool {
	bit := uint64(1) << sum(name)
	if f.seen&bit != 0 && r.has(f, name) {
		return false
	}
	f.seen |= bit
	if f.more == nil && r.nkeys < maxListed {
		r.keys[r.nkeys] = name
		r.nkeys++
		return true
	}
	if f.more == nil {
		f.more = make(map[string]struct{})
	}
	f.more[name] = struct{}{}
	return true
}

func (r *Reader) has(f *frame, name string) bool {
	for _, k := range r.keys[f.base:r.nkeys] {
		if k == name {
			return true
		}
	}
	_, ok := f.more[name]
	return ok
}

// sum maps a name to 0…63, cheaply; registered claim names rarely collide.
func sum(name string) byte {
	n := len(name)
	if n == 0 {
		return 0
	}
	return (name[0]*5 + name[n/2]*3 + name[n-1] + byte(n)) & 63
}
