package introspection

import "time"

// Memory is what the service knows, for tests.
type Memory struct{ known }

// NewMemory makes one that holds for age.
func NewMemory(age time.Duration) *Memory { return &Memory{known{age: age}} }

// MaxKnown and MaxKnownSize are its bounds.
const (
	MaxKnown     = maxKnown
	MaxKnownSize = maxKnownSize
)

// Keep remembers a token.
func (m *Memory) Keep(raw string, t *Token, judged, expires time.Time, news <-chan struct{}) {
	m.keep(raw, &entry{token: t, judged: judged, expires: expires, news: news})
}

// Find answers it.
func (m *Memory) Find(raw string, now time.Time) *Token {
	token, _ := m.find(raw, now)
	return token
}

// Len is how many it holds.
func (m *Memory) Len() int { return len(m.entries) }
