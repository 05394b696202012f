package load_test

import (
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/load"
)

func TestHistogram(t *testing.T) {
	var h load.Histogram
	if h.Quantile(.5) != 0 || h.Max() != 0 || h.Count() != 0 || h.Bars() != nil {
		t.Error("an empty histogram has something in it")
	}
	for i := range 1000 { // 1 to 1000 ms
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0: time.Millisecond, .5: 501 * time.Millisecond, .9: 901 * time.Millisecond, .99: 991 * time.Millisecond, 1: time.Second} {
		got := h.Quantile(q)
		if got < want || float64(got) > float64(want)*1.016 {
			t.Errorf("quantile %v is %v, want %v or at most 1.6 %% more", q, got, want)
		}
	}
	if h.Max() != time.Second || h.Count() != 1000 {
		t.Errorf("max %v, count %d", h.Max(), h.Count())
	}
	var both load.Histogram
	both.Record(2 * time.Second)
	both.Add(&h)
	if both.Max() != 2*time.Second || both.Count() != 1001 || both.Quantile(.5) != h.Quantile(.5) {
		t.Errorf("added up: max %v, count %d, median %v", both.Max(), both.Count(), both.Quantile(.5))
	}
	var sum uint64
	last := time.Duration(0)
	for _, bar := range both.Bars() {
		if bar.Upper <= last || bar.Count == 0 {
			t.Errorf("the bar up to %v has %d, after one up to %v", bar.Upper, bar.Count, last)
		}
		last, sum = bar.Upper, sum+bar.Count
	}
	if sum != 1001 || last != 2*time.Second {
		t.Errorf("the bars hold %d up to %v", sum, last)
	}
}

func FuzzHistogram(f *testing.F) {
	for _, n := range []int64{-1, 0, 1, 127, 128, 129, 255, 256, 1e6, 1e9, 1 << 40, 1<<63 - 1} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		up := load.Bucket(time.Duration(n))
		if n < 0 || n > int64(30*time.Minute) {
			return // counted at an end
		}
		if int64(up) < n || float64(up) > float64(n)*1.016+1 {
			t.Errorf("%d is counted as up to %d", n, up)
		}
	})
}
