package guard_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
)

// whileAttacked is long enough for every answer that came before to be stale.
const whileAttacked = 40 * time.Second

// TestLyingRelay: whoever stands between an issuer with log keys and a guard can
// keep it from knowing, which it says, but not make it believe anything.
func TestLyingRelay(t *testing.T) {
	for name, attack := range map[string]func(l *signedLog) func(*revlog.Page) *revlog.Page{
		"entries withheld, heads as they are": func(*signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page { p.Entries, p.More = nil, false; return p }
		},
		"the last entry withheld, and the head with it": func(l *signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page {
				p.Head--
				p.Entries = p.Entries[:max(len(p.Entries)-1, 0)]
				p.Proof.Chain = l.chains[p.Head]
				return p
			}
		},
		"an old answer again and again": func(l *signedLog) func(*revlog.Page) *revlog.Page {
			l.mu.Lock()
			old := l.page(0)
			l.mu.Unlock()
			return func(*revlog.Page) *revlog.Page { return old }
		},
		"an old answer with the time of now": func(l *signedLog) func(*revlog.Page) *revlog.Page {
			l.mu.Lock()
			old := l.page(0)
			l.mu.Unlock()
			return func(p *revlog.Page) *revlog.Page {
				old.Time, old.Proof.TimeMS = p.Time, p.Proof.TimeMS
				return old
			}
		},
		"an entry changed": func(*signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page {
				for i := range p.Entries {
					p.Entries[i].Hash = revlog.Hash(revlog.Session, "mine")
				}
				return p
			}
		},
		"an expiry changed": func(*signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page {
				for i := range p.Entries {
					p.Entries[i].Expiry = 1
				}
				return p
			}
		},
		"an entry made up": func(*signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page {
				p.Head++
				p.Entries = append(p.Entries, revlog.Entry{Seq: p.Head, Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, "mine")})
				return p
			}
		},
		"first raised": func(*signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page {
				p.First, p.Entries, p.More = p.Head+1, nil, false
				return p
			}
		},
		"a key of the JWKS": func(l *signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page {
				prev := p.Proof.Prev
				p.Head++
				e := revlog.Entry{Seq: p.Head, Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, "mine")}
				h := revlog.Head{Log: p.Log, Seq: p.Head, Chain: l.chains[p.Head-1].Next(e), First: p.First, TimeMS: p.Proof.TimeMS}
				p.Entries = append(p.Entries, e)
				p.Proof, _ = h.Sign(l.world.key.KeyID(), l.world.key.Sign) // a signature of ES256 has 64 bytes too
				p.Proof.Prev = prev
				return p
			}
		},
		"a log key of its own": func(l *signedLog) func(*revlog.Page) *revlog.Page {
			key, err := jwk.Generate(jwk.EdDSA)
			if err != nil {
				t.Fatal(err)
			}
			return forge(l, key)
		},
		"a log key of its own with the right name": func(l *signedLog) func(*revlog.Page) *revlog.Page {
			key, err := jwk.Generate(jwk.EdDSA)
			if err != nil {
				t.Fatal(err)
			}
			return forge(l, key.WithKeyID(l.key.KeyID()))
		},
		"no signature at all": func(*signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page {
				p.Entries = append(p.Entries, revlog.Entry{Seq: p.Head + 1, Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, "mine")})
				p.Head++
				p.Proof = nil
				return p
			}
		},
		"another log's name": func(*signedLog) func(*revlog.Page) *revlog.Page {
			return func(p *revlog.Page) *revlog.Page { p.Log = "log-2"; return p }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				l.revoke(revlog.Session, "before")
				g := l.guard(t, nil)
				l.check(t, "before the attack", g, "good", 200)
				tamper := attack(l)
				l.with(func() { l.tamper = tamper })
				l.revoke(revlog.Session, "withheld")
				time.Sleep(whileAttacked)
				l.check(t, "attacked", g, "withheld", 503)
				l.check(t, "attacked", g, "good", 503)
				l.check(t, "attacked", g, "mine", 503) // not 401: what the relay made up is in no index
				l.check(t, "attacked", g, "before", 401)
				if s := g.Stats().Issuers[0]; s.Fresh || s.Revoked != 1 {
					t.Errorf("stats %+v, want one entry, not fresh", s)
				}
				l.with(func() { l.tamper = nil })
				time.Sleep(15 * time.Second)
				l.check(t, "when it is over", g, "good", 200)
				l.check(t, "when it is over", g, "mine", 200)
				l.check(t, "when it is over", g, "withheld", 401)
			})
		})
	}
}

// forge signs a head that hides the last entry.
func forge(l *signedLog, key *jwk.PrivateKey) func(*revlog.Page) *revlog.Page {
	return func(p *revlog.Page) *revlog.Page {
		prev := p.Proof.Prev
		p.Head = 1
		p.Entries, p.More = nil, false
		h := revlog.Head{Log: p.Log, Seq: p.Head, Chain: l.chains[p.Head], First: p.First, TimeMS: p.Proof.TimeMS}
		p.Proof, _ = h.Sign(key.KeyID(), key.Sign)
		p.Proof.Prev = prev
		return p
	}
}

// A log that is loaded in parts counts when its head is reached, not before.
func TestNothingCountsBeforeTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		for n := range 950 {
			l.revoke(revlog.Session, fmt.Sprint("sid-", n))
		}
		l.tamper = func(p *revlog.Page) *revlog.Page {
			p.Entries[50].Hash = revlog.Hash(revlog.Session, "mine")
			return p
		}
		g := l.guard(t, nil)
		time.Sleep(time.Minute)
		l.check(t, "attacked", g, "mine", 503)
		l.check(t, "attacked", g, "sid-1", 503)
		if n := g.Stats().Issuers[0].Revoked; n != 0 {
			t.Errorf("%d entries, want none", n)
		}
		l.with(func() { l.tamper = nil })
		time.Sleep(20 * time.Second)
		for sid, want := range map[string]int{"mine": 200, "sid-0": 401, "sid-50": 401, "sid-949": 401} {
			l.check(t, "when it is over", g, sid, want)
		}
	})
}

// What grows old on the way makes nobody fresh, though it is all genuine.
func TestDelayedHeads(t *testing.T) {
	for behind, want := range map[time.Duration]int{
		0: 200, -20 * time.Second: 200, 20 * time.Second: 200, -36 * time.Second: 503, 36 * time.Second: 503,
	} {
		t.Run(behind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				l.ahead = behind
				l.revoke(revlog.Session, "x")
				g := l.guard(t, nil)
				time.Sleep(time.Minute)
				l.check(t, "good", g, "good", want)
			})
		})
	}
	// A head that is 20 s old leaves 15 s, not 30.
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.ahead = -20 * time.Second
		g := l.guard(t, nil)
		l.check(t, "at first", g, "good", 200)
		l.fails(logPath)
		l.with(func() { l.cut = time.Nanosecond; l.silent = true })
		time.Sleep(18 * time.Second)
		l.check(t, "later", g, "good", 503)
	})
}

// An old head that comes once more takes nothing away from a newer one.
func TestOldHeadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.closed = true // no streams
		g := l.guard(t, nil)
		l.check(t, "at first", g, "good", 200)
		var old *revlog.Page
		l.with(func() { old = l.page(0) })
		time.Sleep(15 * time.Second)
		replayed := false
		l.with(func() { l.tamper = func(*revlog.Page) *revlog.Page { replayed = true; return old } })
		for again := false; !again; l.with(func() { again = replayed }) {
			time.Sleep(time.Second)
		}
		l.fails(logPath)
		time.Sleep(17 * time.Second)
		l.check(t, "cut off", g, "good", 200)
		time.Sleep(30 * time.Second)
		l.check(t, "cut off for long", g, "good", 503)
	})
}

func TestAnotherSignedLog(t *testing.T) {
	for _, id := range []string{"log-2", "log-1"} { // a restore, and a database that was set back
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				for n := range 10 {
					l.revoke(revlog.Session, fmt.Sprint("old-", n))
				}
				g := l.guard(t, nil)
				l.check(t, "at first", g, "good", 200)
				l.with(func() { l.begin(id); l.turnKey() })
				l.revoke(revlog.Session, "new-0")
				time.Sleep(20 * time.Second)
				for sid, want := range map[string]int{"old-9": 401, "new-0": 401, "good": 200} {
					l.check(t, "at last", g, sid, want)
				}
				if s := g.Stats().Issuers[0]; s.Sequence != 1 {
					t.Errorf("applied up to %d, want 1", s.Sequence)
				}
			})
		})
	}
}

// A fleet's node that has read the database a moment earlier than another is no
// reason to load the log again.
func TestNodeThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.closed = true
		l.revoke(revlog.Session, "a")
		l.revoke(revlog.Session, "b")
		g := l.guard(t, nil)
		l.check(t, "at first", g, "good", 200)
		_, polled := l.counts()
		read := time.Now().Add(time.Second) // by the other node
		l.with(func() {
			l.tamper = func(p *revlog.Page) *revlog.Page { // as that one would sign it
				l.tamper = nil
				prev := p.Proof.Prev
				p.Head, p.Entries, p.More = 1, nil, false
				l.sign(p, read, l.key)
				p.Proof.Prev = prev
				return p
			}
		})
		for range 30 {
			time.Sleep(time.Second)
			l.check(t, "behind for once", g, "good", 200)
			l.check(t, "behind for once", g, "b", 401)
		}
		if _, later := l.counts(); later == polled || l.tampered() {
			t.Error("the other node wasn't asked")
		}
	})
}

// Entries that are over leave the log from its beginning. A guard that was away
// goes on where there is something.
func TestLogThatMovedOn(t *testing.T) {
	for _, after := range []int{40, 50} { // the window holds ten entries, or none
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				l.revoke(revlog.Session, "a")
				g := l.guard(t, nil)
				l.check(t, "at first", g, "good", 200)
				l.fails(logPath)
				l.with(func() { l.closed, l.cut = true, time.Nanosecond })
				time.Sleep(2 * time.Second) // the stream is over
				for n := range 49 {
					l.revoke(revlog.Session, fmt.Sprint("sid-", n))
				}
				l.with(func() { l.first = uint64(after) + 1 })
				time.Sleep(time.Minute)
				l.check(t, "away", g, "good", 503)
				l.fails()
				time.Sleep(10 * time.Second)
				l.check(t, "back", g, "good", 200)
				if s := g.Stats().Issuers[0]; s.Sequence != 50 || s.Revoked != 1+50-after {
					t.Errorf("stats %+v, want %d entries up to 50", s, 1+50-after)
				}
			})
		})
	}
}

// Keys come from the issuer. A relay's own are never asked for.
func TestRelayHasNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.revoke(revlog.Session, "x")
		hosts := map[string]int{}
		g := l.guard(t, func(cfg *guard.Config) {
			cfg.Issuers[0].LogURL = "https://relay.example" + logPath
			inner := cfg.Client.Transport
			cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				l.with(func() { hosts[r.URL.Host+r.URL.Path]++ })
				return inner.RoundTrip(r)
			})
		})
		l.check(t, "by a relay", g, "good", 200)
		l.check(t, "by a relay", g, "x", 401)
		l.with(func() {
			for address := range hosts {
				if address != "relay.example"+logPath && address[:len("relay.")] == "relay." {
					t.Errorf("asked %s", address)
				}
			}
			if hosts["relay.example"+logPath] == 0 || hosts[issuerURL[len("https://"):]+logPath] != 0 {
				t.Errorf("asked %v, want the log from the relay alone", hosts)
			}
		})
		// Keys out of reach: nothing that the relay says counts.
		l.fails(logKeysPath)
		l.with(l.turnKey)
		time.Sleep(whileAttacked)
		l.check(t, "keys out of reach", g, "good", 503)
		l.fails()
		time.Sleep(15 * time.Second)
		l.check(t, "keys again", g, "good", 200)
	})
}

// With keys in the configuration nothing is discovered; the log's are named.
func TestLogKeysURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.fails(discoveryPath, keysPath)
		g := l.guard(t, func(cfg *guard.Config) {
			cfg.Issuers[0].Keys = l.world.key.Public()
			cfg.Issuers[0].LogURL, cfg.Issuers[0].LogKeysURL = "https://relay.example"+logPath, issuerURL+logKeysPath
		})
		l.check(t, "genuine", g, "good", 200)
		l.with(func() { l.tamper = func(p *revlog.Page) *revlog.Page { p.Proof = nil; return p } })
		time.Sleep(whileAttacked)
		l.check(t, "not signed", g, "good", 503)
	})
}

// A new log key is taken at once, and no request notices.
func TestLogKeyTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		g := l.guard(t, nil)
		for range 20 {
			l.check(t, "with a key", g, "good", 200)
			l.with(l.turnKey)
			time.Sleep(30 * time.Second)
		}
	})
}
