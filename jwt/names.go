package jwt

// names finds a claim's slot by its name. It is what a map would be, in less
// time: claim names are few, short and known beforehand, so that length and
// three bytes tell most of them apart. What a token brings is looked up, never
// added, so that no bearer can make it slow.
type names struct {
	first   [64]uint16 // by hash: 1 + the index of an entry, 0 for none
	entries []nameEntry
}

type nameEntry struct {
	name string
	slot slot
	next uint16 // the entry after this one in the same bucket, as in first
}

func hashName(name string) byte {
	n := len(name)
	if n == 0 {
		return 0
	}
	return (byte(n) + name[0]*5 + name[n/2]*3 + name[n-1]*11) & 63
}

// get returns nil for a name that is not known.
func (n *names) get(name string) *slot {
	for i := n.first[hashName(name)]; i != 0; {
		e := &n.entries[i-1]
		if e.name == name {
			return &e.slot
		}
		i = e.next
	}
	return nil
}

// add returns the slot of a name, which is a new one if there was none. It is
// valid until the next call.
func (n *names) add(name string) *slot {
	if s := n.get(name); s != nil {
		return s
	}
	h := hashName(name)
	n.entries = append(n.entries, nameEntry{name, slot{field: -1}, n.first[h]})
	n.first[h] = uint16(len(n.entries))
	return &n.entries[len(n.entries)-1].slot
}
