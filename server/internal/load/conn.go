package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// Target is a server.
type Target struct {
	Address string // host and port to dial
	Host    string // of the Host header
	TLS     bool
}

// NewTarget reads the address of a server, an http or https URL.
func NewTarget(base string) (Target, error) {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Target{}, fmt.Errorf("%q is not the http or https address of a server", base)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return Target{Address: net.JoinHostPort(u.Hostname(), port), Host: u.Host, TLS: u.Scheme == "https"}, nil
}

const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 30 * time.Second
	maxAnswer     = 1 << 20
)

// conn asks over one connection after another: package net/http's client costs
// more than the server it would measure.
type conn struct {
	target  Target
	net     net.Conn
	read    *bufio.Reader
	request []byte
	body    []byte
	fields  fields
}

// fields are headers of an answer that some tasks go on with.
type fields struct{ location, cookie string }

// follower is a task that takes them, before its Answer.
type follower interface{ follow(fields) }

func (c *conn) close() {
	if c.net != nil {
		_ = c.net.Close() // nothing more is wanted of it
		c.net = nil
	}
}

// do asks for the task and answers status and body, which is good until the
// next call. After an error the connection is made anew.
func (c *conn) do(ctx context.Context, task Task) (status int, body []byte, err error) {
	c.request = task.Request(c.request[:0])
	if err := c.dial(ctx); err != nil {
		return 0, nil, err
	}
	status, body, last, err := c.exchange()
	if err != nil || last {
		c.close()
	}
	if to, ok := task.(follower); ok && err == nil {
		to.follow(c.fields)
	}
	return status, body, err
}

// carry does a task, all of its requests if it is made of several.
func (c *conn) carry(ctx context.Context, task Task) error {
	for {
		status, body, err := c.do(ctx, task)
		if err == nil {
			err = task.Answer(status, body)
		}
		if long, ok := task.(interface{ more() bool }); err != nil || !ok || !long.more() {
			return err
		}
	}
}

func (c *conn) dial(ctx context.Context) (err error) {
	if c.net != nil {
		return nil
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	if c.target.TLS {
		host, _, _ := net.SplitHostPort(c.target.Address)
		config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
		c.net, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", c.target.Address)
	} else {
		c.net, err = dialer.DialContext(ctx, "tcp", c.target.Address)
	}
	if err != nil {
		c.net = nil
		return err
	}
	c.read = bufio.NewReader(c.net)
	return nil
}

// exchange sends the request and reads the answer; last says that the server
// closes the connection after it.
func (c *conn) exchange() (status int, body []byte, last bool, err error) {
	if err := c.net.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, nil, false, err
	}
	if _, err := c.net.Write(c.request); err != nil {
		return 0, nil, false, err
	}
	return c.answer()
}

// answer reads an answer.
func (c *conn) answer() (status int, body []byte, last bool, err error) {
	line, err := c.line()
	if err != nil {
		return 0, nil, false, err
	}
	if status, err = statusOf(line); err != nil {
		return 0, nil, false, err
	}
	h, err := c.headers()
	if err != nil {
		return 0, nil, false, err
	}
	if h.chunked {
		err = c.readChunks()
	} else {
		err = c.readBody(h.length)
	}
	return status, c.body, h.last, err
}

func (c *conn) line() ([]byte, error) {
	line, err := c.read.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func statusOf(line []byte) (int, error) {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, errors.New("the answer is not one of HTTP/1.1")
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 200 {
		return 0, errors.New("the answer has no status")
	}
	return status, nil
}

// framing is what headers say of the body's end.
type framing struct {
	length        int
	chunked, last bool
}

func (c *conn) headers() (h framing, err error) {
	c.fields = fields{}
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return h, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.Trim(value, " \t")
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.Atoi(string(value)); err != nil || h.length < 0 || h.length > maxAnswer {
				return h, errors.New("the answer has no possible length")
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			h.last = bytes.EqualFold(value, []byte("close"))
		case bytes.EqualFold(name, []byte("Location")):
			c.fields.location = string(value)
		case bytes.EqualFold(name, []byte("Set-Cookie")):
			c.fields.cookie = string(value)
		}
	}
}

func (c *conn) readBody(length int) error {
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err := io.ReadFull(c.read, c.body)
	return err
}

// readChunks reads a body of unknown length (RFC 9112, section 7.1).
func (c *conn) readChunks() error {
	c.body = c.body[:0]
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(line), 16, 32)
		if err != nil || len(c.body)+int(size) > maxAnswer {
			return errors.New("the answer's chunks are malformed or too large")
		}
		from := len(c.body)
		c.body = append(c.body, make([]byte, size)...)
		if _, err := io.ReadFull(c.read, c.body[from:]); err != nil {
			return err
		}
		if line, err = c.line(); err != nil || len(line) > 0 {
			return errors.Join(err, trailing(line))
		}
		if size == 0 {
			return nil
		}
	}
}

func trailing(line []byte) error {
	if len(line) > 0 {
		return errors.New("the answer has trailers, or its chunks are malformed")
	}
	return nil
}
