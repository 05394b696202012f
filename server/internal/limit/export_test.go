package limit

import "time"

// NewSized is New with room for fewer entries.
func NewSized(now func() time.Time, entries int) *Throttle {
	t := New(now)
	t.most = entries
	return t
}
