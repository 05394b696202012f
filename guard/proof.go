package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// An issuer that publishes log keys signs the heads of its log. What is behind
// the address of the log, a cache, a relay, a stranger, is then believed in
// nothing: entries count when the chain over them ends in a head that a log key
// has signed. Nothing is taken from pages that don't get there, though an entry
// can only refuse more: whoever passes the log on could else make up entries for
// every session that he sees, or fill the memory.

var (
	errUnsigned = errors.New("revocation log: no signature, though the issuer has log keys")
	errHead     = errors.New("revocation log: the head isn't signed by the log key that it names")
	errChain    = errors.New("revocation log: the entries aren't those that the head is about: loading it from the start")
	errBehind   = errors.New("revocation log: an older state than the one that is known")
)

// logKeys are the keys that may sign heads, fetched from the issuer alone.
type logKeys struct {
	address string
	remote  *jwks.Remote
}

// newLogKeys finds keys at an address. A head with an unknown key leads to a
// fetch soon, since an issuer whose keys leaked replaces them at once.
func newLogKeys(address string, cfg Config) (*logKeys, error) {
	remote, err := jwks.New(jwks.Config{
		URL: address, Prepare: cfg.Prepare, Client: cfg.Client, Logger: cfg.Logger, Now: cfg.Now,
		MaxAge: time.Minute, Cooldown: time.Second, MaxWait: fetch.Timeout,
	})
	return &logKeys{address, remote}, err
}

// check refuses a page whose head isn't signed.
func (k *logKeys) check(ctx context.Context, page *revlog.Page) error {
	if page.Proof == nil {
		return errUnsigned
	}
	key, err := k.remote.FindKey(ctx, jwk.EdDSA, page.Proof.KeyID)
	if err != nil {
		return fmt.Errorf("%w: %w", errHead, err)
	}
	if !key.Verify(page.SignedHead().Message(), page.Proof.Signature[:]) {
		return errHead
	}
	return nil
}

func (k *logKeys) close() {
	if k != nil {
		_ = k.remote.Close() // has nothing to say
	}
}

// position is how far a follower of a signed log has come.
type position struct {
	chain  revlog.Chain // after the last entry that is in
	timeMS int64        // of the newest head
	staged *stage       // what was read since the last head that covered everything
}

// maxStaged bounds what is reserved for entries before they come. There may be
// more.
const maxStaged = 1 << 20

// stage holds entries that no head covers yet, while the log is loaded in
// parts. Heads say how many there may be.
type stage struct {
	table table
	blind int64 // as in follower
}

func (s *stage) add(entries []revlog.Entry, dead func(revlog.Entry) bool) {
	if need := s.table.used + len(entries); need > s.table.room() {
		s.table = s.table.copied(need, always)
	}
	for _, e := range entries {
		if e.Kind.Known() && !dead(e) {
			s.table.put(slot{e.Hash, expirySeconds(e.Expiry)})
		}
	}
	s.blind = max(s.blind, blindUntil(entries))
}

// applySigned takes a page of a signed log over. A page without the proof that
// it needs changes nothing.
func (f *follower) applySigned(ctx context.Context, page *revlog.Page, now time.Time) error {
	if err := f.keys.check(ctx, page); err != nil {
		return err
	}
	if now.Sub(time.UnixMilli(page.Proof.TimeMS)).Abs() > f.maxSkew {
		return errClock
	}
	if err := f.connects(page); err != nil {
		return err
	}
	chain := page.ChainAfter()
	if len(page.Entries) == 0 {
		chain = page.Proof.Chain // all below the head is over
	}
	if !page.More && chain != page.Proof.Chain {
		f.restart()
		return errChain
	}
	f.begun(page)
	f.after, f.position.chain, f.complete = page.Last(), chain, !page.More
	f.take(page, now)
	if page.More {
		return nil
	}
	return f.arrive(page, now)
}

// connects refuses a page that doesn't go on where the last one ended, and has
// the log loaded again if that can't be for any good reason.
func (f *follower) connects(page *revlog.Page) error {
	if f.logID != "" && page.Log != f.logID {
		f.restart()
		return errOtherLog
	}
	if page.Head < f.after {
		return f.behind(page)
	}
	known := f.position.chain
	if f.after == 0 {
		known = revlog.ChainStart(page.Log)
	}
	next := page.Head + 1
	if len(page.Entries) > 0 {
		next = page.Entries[0].Seq
	}
	switch {
	case next == f.after+1 && (len(page.Entries) == 0 && page.Proof.Chain != known || len(page.Entries) > 0 && page.Proof.Prev != known):
		f.restart()
		return errChain
	case next == f.after+1, next == page.First && next > f.after:
		// Nothing is in force between what is in and the first number: the head
		// says so, and covers what Prev stands for.
		return nil
	}
	return errStuck
}

// behind is about a head with a lower number. One node of a fleet may have read
// the database a moment before another, and anybody may pass an old answer on;
// both only fail to make this follower fresh. A lower number that stays is a log
// that was set back.
func (f *follower) behind(page *revlog.Page) error {
	if page.Proof.TimeMS <= f.position.timeMS+clockTolerance.Milliseconds() {
		return errBehind
	}
	f.restart()
	return errOtherLog
}

// take keeps the entries of a page: at once if the page's head covers them, else
// until one does.
func (f *follower) take(page *revlog.Page, now time.Time) {
	over := now.Add(-f.maxSkew).Unix()
	dead := func(e revlog.Entry) bool { return e.Expiry != 0 && e.Expiry < over }
	if !page.More && f.position.staged == nil {
		f.index.add(page.Entries)
		f.noteUnknown(blindUntil(page.Entries))
		return
	}
	if f.position.staged == nil {
		f.position.staged = &stage{table: newTable(int(min(page.Head-f.after+uint64(len(page.Entries)), maxStaged)))}
	}
	f.position.staged.add(page.Entries, dead)
	if page.More {
		return
	}
	f.index.merge(f.position.staged.table)
	f.noteUnknown(f.position.staged.blind)
	f.position.staged = nil
}

// arrive notes that every entry up to a head is in. How fresh that makes the
// follower is the head's time, not that of its arrival: an answer that somebody
// holds back or repeats grows old on the way. Clocks may differ a little.
func (f *follower) arrive(page *revlog.Page, now time.Time) error {
	f.delay.Store(int64(now.Sub(time.UnixMilli(page.Proof.TimeMS))))
	if page.Proof.TimeMS <= f.position.timeMS {
		f.publish(page.Head)
		if f.isFresh(now) {
			return nil
		}
		return errBehind
	}
	f.position.timeMS = page.Proof.TimeMS
	at := time.UnixMilli(page.Proof.TimeMS).Add(clockTolerance)
	if at.After(now) {
		at = now
	}
	return f.upToDate(page.Head, at, now)
}
