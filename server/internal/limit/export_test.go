package limit

import "time"

// NewSized is New with room for fewer entries.
func NewSized(now func() time.Time, entries int) *Throttle {
	t := New(now)
	t.most = entries
	return t
}

// Patient makes requests wait for Redis for as long as a busy machine may need.
func (r *Redis) Patient() *Redis {
	r.within = 10 * time.Second
	return r
}
