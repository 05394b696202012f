// Command scale computes how long a revocation takes to a million verifiers,
// from what a stream costs one node: the measured figures of docs/scale.md.
//
//	go run ./bench/scale -verifiers 1000000 -fanout 2500 -rate 10
//
// It simulates the issuer, a tree of relays and a sample of the verifiers. A node
// sends an event to its streams one after the other, on all its processors; what
// comes meanwhile goes out together in the next round, as a relay does it.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// model is what is simulated.
type model struct {
	verifiers, fanOut, cores int
	rate                     float64       // revocations a second
	send                     time.Duration // of processor time, for an event and a stream
	head                     time.Duration // likewise for the head of each second
	check                    time.Duration // of a verifier: signature, chain, index
	oneWay, jitter           time.Duration // of each link; the jitter is even
	event, entry             int           // bytes of an event without entries, and of an entry
}

func measured() model {
	return model{
		verifiers: 1_000_000, fanOut: 2500, cores: 2, rate: 1,
		send: 16 * time.Microsecond, head: 14 * time.Microsecond, check: 80 * time.Microsecond,
		oneWay: 5 * time.Millisecond, jitter: 5 * time.Millisecond, event: 400, entry: 48,
	}
}

func main() {
	m := measured()
	all := flag.Bool("table", false, "write the table of docs/scale.md")
	flag.IntVar(&m.verifiers, "verifiers", m.verifiers, "how many follow")
	flag.IntVar(&m.fanOut, "fanout", m.fanOut, "streams of a node")
	flag.IntVar(&m.cores, "cores", m.cores, "processors of a node")
	flag.Float64Var(&m.rate, "rate", m.rate, "revocations a second")
	flag.DurationVar(&m.send, "send", m.send, "processor time for an event and a stream")
	flag.DurationVar(&m.head, "head", m.head, "processor time for the head of each second and a stream")
	flag.DurationVar(&m.check, "check", m.check, "a verifier's time for an event")
	flag.DurationVar(&m.oneWay, "one-way", m.oneWay, "the least time of a link, one way")
	flag.DurationVar(&m.jitter, "jitter", m.jitter, "how much longer a link may take")
	flag.Parse()
	models := []model{m}
	if *all {
		models = table()
	}
	writeRows(os.Stdout, models)
}

// table is what docs/scale.md shows.
func table() (models []model) {
	for _, verifiers := range []int{1000, 100_000, 1_000_000} {
		for _, rate := range []float64{1, 10, 100} {
			m := measured()
			m.verifiers, m.rate = verifiers, rate
			models = append(models, m)
		}
	}
	return models
}

func writeRows(w io.Writer, models []model) {
	fmt.Fprintln(w, "| verifiers | revocations a second | relays | p50 | p99 | worst | a relay's processors | a relay's Mbit/s |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, m := range models {
		r := m.run()
		fmt.Fprintf(w, "| %d | %g | %d | %d ms | %d ms | %d ms | %.0f %% | %.0f |\n", m.verifiers, m.rate, r.relays,
			r.part(0.5).Milliseconds(), r.part(0.99).Milliseconds(), r.part(1).Milliseconds(), 100*r.busy, r.megabits)
	}
}

// result is what came of it.
type result struct {
	relays   int
	delays   []time.Duration // sorted: of each revocation at each verifier of the sample
	busy     float64         // of a leaf's processors
	megabits float64         // that a leaf sends in a second
}

func (r result) part(p float64) time.Duration {
	return r.delays[int(p*float64(len(r.delays)-1))].Round(time.Millisecond)
}

// news is that everything up to a revocation is known somewhere from a time on.
type news struct {
	at   time.Duration
	upTo int // how many revocations
}

const (
	simulated = 20 * time.Second
	batch     = 20 * time.Millisecond // the issuer reads its log so often at most
	leaves    = 20                    // relays of the sample
	sampled   = 100                   // verifiers of each
)

// run simulates with the same chance each time.
func (m model) run() result {
	random := rand.New(rand.NewPCG(1, 2))
	var revoked []time.Duration
	for at := time.Duration(0); at < simulated; {
		at += time.Duration(random.ExpFloat64() / m.rate * float64(time.Second))
		revoked = append(revoked, at)
	}
	levels := m.levels()
	r := result{}
	for _, n := range levels {
		r.relays += n
	}
	known := make([]news, len(revoked))
	for i, at := range revoked {
		known[i] = news{at, i + 1}
	}
	streams := m.verifiers
	if len(levels) > 0 {
		streams = levels[0]
	}
	root := rounds(known, max(batch, m.round(streams)))
	for range leaves {
		at, of := root, streams // from the issuer down to a leaf, by places of chance
		for level := range levels {
			at = m.deliver(random, at, random.IntN(of))
			below := m.verifiers
			if level+1 < len(levels) {
				below = levels[level+1]
			}
			of = (below + levels[level] - 1) / levels[level]
			at = rounds(at, m.round(of))
		}
		for n := range sampled {
			place := n * of / sampled
			r.delays = append(r.delays, delays(revoked, m.deliver(random, at, place), m.check)...)
		}
		perSecond := float64(len(at)) / simulated.Seconds()
		r.busy = float64(of) * (perSecond*m.send.Seconds() + m.head.Seconds()) / float64(m.cores)
		r.megabits = float64(of) * (float64(m.event)*(perSecond+1) + float64(m.entry)*m.rate) * 8 / 1e6
	}
	slices.Sort(r.delays)
	return r
}

// levels are the numbers of relays, from the issuer down; none if the issuer
// serves all by itself.
func (m model) levels() (numbers []int) {
	for n := m.verifiers; n > m.fanOut; {
		n = (n + m.fanOut - 1) / m.fanOut
		numbers = append([]int{n}, numbers...)
	}
	return numbers
}

// round is how long a node takes to send an event to its streams.
func (m model) round(streams int) time.Duration {
	return time.Duration(streams) * m.send / time.Duration(m.cores)
}

// rounds are the times at which a node begins to send what it has got by then.
func rounds(in []news, each time.Duration) (out []news) {
	free := time.Duration(0)
	for i := 0; i < len(in); {
		start := max(free, in[i].at)
		for i < len(in) && in[i].at <= start {
			i++
		}
		out = append(out, news{start, in[i-1].upTo})
		free = start + each
	}
	return out
}

// deliver is what arrives at one of a node's streams, by its place among them.
// Nothing overtakes on a connection.
func (m model) deliver(random *rand.Rand, sent []news, place int) []news {
	got := make([]news, len(sent))
	last := time.Duration(0)
	for i, n := range sent {
		at := n.at + m.round(place+1) + m.oneWay + time.Duration(random.Int64N(int64(m.jitter)+1))
		last = max(last, at)
		got[i] = news{last, n.upTo}
	}
	return got
}

// delays are those of all revocations at one verifier.
func delays(revoked []time.Duration, got []news, check time.Duration) (all []time.Duration) {
	i := 0
	for n, at := range revoked {
		for got[i].upTo <= n {
			i++
		}
		all = append(all, got[i].at+check-at)
	}
	return all
}
