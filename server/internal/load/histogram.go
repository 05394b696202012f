package load

import (
	"math/bits"
	"time"
)

const (
	subBits = 6 // each power of two is cut into 64: an error of at most 1.6 %
	buckets = (42 - subBits) << subBits
)

// Histogram counts durations, from nanoseconds to half an hour, each with an error
// of at most 1.6 %. The zero value is empty.
type Histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

// bucket is where a duration is counted: up to 128 exactly, then by its highest
// bits.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-subBits-1, 0)
	return min(shift<<subBits+int(v>>shift), buckets-1)
}

// upper is the largest duration that is counted in a bucket.
func upper(i int) time.Duration {
	if i < 2<<subBits {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration((i&(1<<subBits-1)+1<<subBits+1)<<shift - 1)
}

// Record counts d.
func (h *Histogram) Record(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
	h.max = max(h.max, d)
}

// Add counts everything that other has counted.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Count is how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Max is the longest, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is a duration that so many of all (0.99: 99 of 100) don't exceed; 0
// if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	seen := uint64(0)
	for i, n := range h.counts {
		seen += n
		if n > 0 && (seen > rank || seen == h.total) {
			return min(upper(i), h.max)
		}
	}
	return 0
}

// Bar is a range of a histogram, up to and including Upper.
type Bar struct {
	Upper time.Duration
	Count uint64
}

// Bars are the ranges with something in them, in order: two for each doubling.
func (h *Histogram) Bars() (bars []Bar) {
	const width = 1 << (subBits - 1)
	for from := 0; from < buckets; from += width {
		var n uint64
		for _, count := range h.counts[from : from+width] {
			n += count
		}
		if n > 0 {
			bars = append(bars, Bar{min(upper(from+width-1), h.max), n})
		}
	}
	return bars
}
