package revlog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Chain is the value of the hash chain after an entry: it covers that entry and
// all before it, back to the log's name. Two logs with the same value hold the
// same entries.
type Chain [sha256.Size]byte

// ChainStart is the value before the first entry of a log.
func ChainStart(log string) Chain {
	return sha256.Sum256(append([]byte("writ-log\x00"), log...))
}

// Next is the value after one more entry:
//
//	SHA-256(c ‖ seq ‖ kind ‖ hash ‖ expiry)
//
// with seq and expiry in 8 bytes, the highest first.
func (c Chain) Next(e Entry) Chain {
	buf := make([]byte, 0, len(c)+8+1+HashSize+8)
	buf = append(buf, c[:]...)
	buf = binary.BigEndian.AppendUint64(buf, e.Seq)
	buf = append(buf, byte(e.Kind))
	buf = append(buf, e.Hash[:]...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.Expiry))
	return sha256.Sum256(buf)
}

// Head says how long a log was at a time. Signed by one of the issuer's log
// keys it is what a follower rests on: whoever stands between may keep entries
// back or make some up, but can't make a head that covers what he passes on.
type Head struct {
	Log    string
	Seq    uint64 // the highest number
	Chain  Chain  // after it
	First  uint64 // nothing below is in force
	TimeMS int64  // unix milliseconds, taken before the log was read
}

// SignatureSize is the number of bytes of a head's signature, Ed25519
// (RFC 8032).
const SignatureSize = 64

// Message is what is signed:
//
//	"writ-log-head-v1" ‖ 0x00 ‖ len ‖ log ‖ seq ‖ chain ‖ first ‖ time
//
// with the numbers, and the length of the log's name, in 8 bytes, the highest
// first. The beginning keeps it apart from all else that a key could sign.
func (h Head) Message() []byte {
	buf := append(make([]byte, 0, 17+8+len(h.Log)+8+len(h.Chain)+8+8), "writ-log-head-v1\x00"...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(h.Log)))
	buf = append(buf, h.Log...)
	buf = binary.BigEndian.AppendUint64(buf, h.Seq)
	buf = append(buf, h.Chain[:]...)
	buf = binary.BigEndian.AppendUint64(buf, h.First)
	return binary.BigEndian.AppendUint64(buf, uint64(h.TimeMS))
}

// Proof is what a page of a signed log has besides: everything that the
// signature of its head needs.
type Proof struct {
	Prev      Chain               // before the first of the page's entries
	Chain     Chain               // at the page's head
	TimeMS    int64               // unix milliseconds of the head
	KeyID     string              // of the log key
	Signature [SignatureSize]byte // of the head
}

// Sign makes the head's signature with a log key, whose kid is named.
func (h Head) Sign(kid string, sign func(message []byte) ([]byte, error)) (*Proof, error) {
	signature, err := sign(h.Message())
	if err != nil {
		return nil, err
	}
	p := &Proof{Chain: h.Chain, TimeMS: h.TimeMS, KeyID: kid}
	if copy(p.Signature[:], signature) != SignatureSize || len(signature) != SignatureSize {
		return nil, errors.New("revlog: a log key signs with Ed25519")
	}
	return p, nil
}

// SignedHead is the head that the page's proof is about. The page must have
// one.
func (p *Page) SignedHead() Head {
	return Head{Log: p.Log, Seq: p.Head, Chain: p.Proof.Chain, First: p.First, TimeMS: p.Proof.TimeMS}
}

// Last is the number up to which a page goes.
func (p *Page) Last() uint64 {
	if p.More {
		return p.Entries[len(p.Entries)-1].Seq // Decode sees to it that there is one
	}
	return p.Head
}

// ChainAfter is the value after the page's entries, counted on from Prev.
func (p *Page) ChainAfter() Chain {
	c := p.Proof.Prev
	for _, e := range p.Entries {
		c = c.Next(e)
	}
	return c
}
