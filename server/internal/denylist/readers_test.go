package denylist_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/internal/testenv"
)

const examples = "../../../examples/redis-denylist"

// inNode asks denylist.mjs about each line of the standard input; its HMGET is
// as much of a client as the test needs.
const inNode = `
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
const { revoked, CannotKnow } = await import(process.argv[1] + '/denylist.mjs')
const hmget = (key, fields) => new Promise((resolve, reject) => {
  const socket = createConnection(process.argv[2]), words = ['HMGET', key, ...fields]
  let text = ''
  socket.on('error', reject).on('data', (data) => {
    text += data
    const lines = text.split('\r\n').slice(1)
    const found = []
    for (let i = 0; found.length < fields.length; ) {
      if (lines[i] === undefined || lines[i][0] !== '$' || lines[i + 1] === undefined) return
      if (lines[i] === '$-1') { found.push(null); i += 1 } else { found.push(lines[i + 1]); i += 2 }
    }
    socket.end()
    resolve(found)
  })
  socket.write('*' + words.length + '\r\n' + words.map((w) => '$' + Buffer.byteLength(w) + '\r\n' + w + '\r\n').join(''))
})
for await (const line of createInterface({ input: process.stdin })) {
  const { claims, kid } = JSON.parse(line)
  try {
    console.log(await revoked(hmget, claims, kid) ? 'revoked' : 'good')
  } catch (error) {
    if (!(error instanceof CannotKnow)) throw error
    console.log('unknown')
  }
}
`

// inPython does the same with denylist.py.
const inPython = `
import json, socket, sys
sys.path.insert(0, sys.argv[1])
import denylist
class Client:
    def hmget(self, key, fields):
        words = [w.encode() for w in ["HMGET", key, *fields]]
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(sys.argv[2])
            s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            lines = s.makefile("rb")
            lines.readline()
            sizes = (int(lines.readline()[1:]) for _ in fields)
            return [None if n < 0 else lines.read(n + 2)[:n] for n in sizes]
for line in sys.stdin:
    asked = json.loads(line)
    try:
        print("revoked" if denylist.revoked(Client(), asked["claims"], asked["kid"]) else "good")
    except denylist.CannotKnow:
        print("unknown")
`

// question is what a reader is asked.
type question struct {
	Claims map[string]any `json:"claims"`
	KID    string         `json:"kid"`
}

// questions are about a token of which nothing is revoked, a service's, and one
// for each identifier that is.
func questions() (all []question, want []string) {
	token := func(change func(claims map[string]any)) map[string]any {
		claims := map[string]any{"iss": issuer, "jti": "jti-1", "sid": "sid-1", "epochs": []string{"user-1", "client-1"}}
		change(claims)
		return claims
	}
	add := func(kid, answer string, change func(claims map[string]any)) {
		all, want = append(all, question{token(change), kid}), append(want, answer)
	}
	add("kid-1", "good", func(map[string]any) {})
	add("kid-1", "good", func(c map[string]any) { delete(c, "sid") })
	add("", "good", func(map[string]any) {})
	add("kid-1", "revoked", func(c map[string]any) { c["jti"] = "over" })
	add("kid-1", "revoked", func(c map[string]any) { c["sid"] = "over" })
	add("kid-1", "revoked", func(c map[string]any) { c["epochs"] = []string{"over", "client-1"} })
	add("kid-1", "revoked", func(c map[string]any) { c["epochs"] = []string{"user-1", "over"} })
	add("over", "revoked", func(map[string]any) {})
	add("kid-1", "good", func(c map[string]any) { c["jti"] = "över" })
	return all, want
}

// TestReaders: the examples answer as the list has it, and refuse where it can't
// tell.
func TestReaders(t *testing.T) {
	for name, reader := range map[string]func(t *testing.T) []string{
		"Node": func(t *testing.T) []string {
			return []string{testenv.Need(t, testenv.Node), "--input-type=module", "-e", inNode}
		},
		"Python": func(t *testing.T) []string { return []string{testenv.Need(t, testenv.Python), "-B", "-c", inPython} },
	} {
		t.Run(name, func(t *testing.T) {
			command := reader(t)
			s, b := startRedis(t), newBook("log-1")
			b.now = time.Now().Unix()
			asked, want := questions()
			ask := func(when string, want ...string) {
				t.Helper()
				if got := s.ask(command, asked); strings.Join(got, " ") != strings.Join(want, " ") {
					t.Errorf("%s: %v, want %v", when, got, want)
				}
			}
			unknown := strings.Fields(strings.Repeat("unknown ", len(asked)))
			ask("no list", unknown...)
			for i, kind := range []revlog.Kind{revlog.Token, revlog.Session, revlog.Epoch, revlog.Key} {
				b.entries = append(b.entries, revlog.Entry{Seq: uint64(i + 1), Kind: kind, Hash: revlog.Hash(kind, "over"), Expiry: b.now + 600})
			}
			stop := s.runUntil(b)
			s.current(b)
			b.change(func() { b.now = time.Now().Unix() })
			s.current(b)
			ask("a list", want...)
			stop()
			for when, text := range map[string]string{
				"an old head":       fmt.Sprintf(`{"version":1,"log":"log-1","seq":4,"time":%d}`, time.Now().Unix()-60),
				"a head to come":    fmt.Sprintf(`{"version":1,"log":"log-1","seq":4,"time":%d}`, time.Now().Unix()+60),
				"another's version": fmt.Sprintf(`{"version":2,"log":"log-1","seq":4,"time":%d}`, time.Now().Unix()),
			} {
				s.do("HSET", key, "head", text)
				ask(when, unknown...)
			}
			s.do("HDEL", key, "head")
			ask("no head", unknown...)
		})
	}
}

// ask runs a reader.
func (s *redisServer) ask(command []string, asked []question) []string {
	s.t.Helper()
	var input, stderr bytes.Buffer
	for _, q := range asked {
		line, err := json.Marshal(q)
		if err != nil {
			s.t.Fatal(err)
		}
		input.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(s.t.Context(), command[0], append(command[1:], examples, s.socket)...)
	cmd.Stdin, cmd.Stderr = &input, &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%v: %s", err, &stderr)
	}
	return strings.Fields(string(out))
}
