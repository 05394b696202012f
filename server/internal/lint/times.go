package lint

import (
	"strconv"
	"time"
)

const (
	year9999     = 253402300799    // the last second that RFC 3339 can write
	milliseconds = 100_000_000_000 // as seconds the year 5138, as milliseconds 1973
	clockDrift   = time.Minute     // by which good clocks may differ
)

// Lifetimes that are usual at most.
const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// times checks the dates.
func (l *linter) times() {
	dates := map[string]time.Time{}
	for _, claim := range []string{"exp", "nbf", "iat", "auth_time"} {
		if t, ok := l.date(claim); ok {
			dates[claim] = t
		}
	}
	exp, ends := dates["exp"]
	iat, issued := dates["iat"]
	if issued && iat.After(l.opts.Now.Add(clockDrift)) {
		l.find("iat-future", "claim iat: %s ahead", span(iat.Sub(l.opts.Now)))
	}
	if !ends {
		return
	}
	for _, begin := range []string{"iat", "nbf"} {
		if t, ok := dates[begin]; ok && !exp.After(t) {
			l.find("time-order", "claim exp: not after %s", begin)
			return
		}
	}
	if !exp.After(l.opts.Now) {
		l.find("exp-past", "claim exp: %s ago", span(l.opts.Now.Sub(exp)))
	}
	l.lifetime(exp, dates)
}

// date is a claim's date, if it is one that can be.
func (l *linter) date(claim string) (time.Time, bool) {
	p := l.token.payload
	if !p.has(claim) {
		return time.Time{}, false
	}
	seconds, ok := p.date(claim)
	switch {
	case !ok:
		l.find("claim-type", "claim %s: not a number", claim)
	case seconds >= milliseconds && seconds < year9999*1000:
		l.find("time-milliseconds", "claim %s", claim)
	case seconds < 0 || seconds > year9999:
		l.find("time-range", "claim %s", claim)
	default:
		return time.Unix(int64(seconds), 0), true
	}
	return time.Time{}, false
}

// lifetime is counted from iat, or nbf, or now, whichever is there first.
func (l *linter) lifetime(exp time.Time, dates map[string]time.Time) {
	from, since := l.opts.Now, "now"
	for _, claim := range []string{"nbf", "iat"} {
		if t, ok := dates[claim]; ok {
			from, since = t, claim
		}
	}
	life := exp.Sub(from)
	id := ""
	switch limit := l.opts.MaxLifetime; {
	case limit > 0 && life > limit:
		id = "life-limit"
	case limit > 0:
	case life > day:
		id = "life-day"
	case life > hour && l.kind == Access:
		id = "life-hour"
	}
	if id != "" {
		l.find(id, "claim exp: %s after %s", span(life), since)
	}
}

// span is a duration for people, in whole seconds.
func span(d time.Duration) string {
	if d >= 48*time.Hour {
		return strconv.FormatInt(int64(d/day), 10) + " days"
	}
	return d.Round(time.Second).String()
}
