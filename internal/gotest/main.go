// Command gotest runs go test and closes with what a reader needs to know: how
// many tests passed and failed, and what was skipped and why.
//
//	gotest [go test flags] packages
//
// Passing tests stay silent; a failing one prints all it wrote. The race
// detector is on where a C compiler can build for it. The exit status is go
// test's own, or 1 where no test ran at all.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		code = 1
	}
	os.Exit(code)
}

// run runs go test with args, writes the report to out and answers the exit
// status.
func run(args []string, out io.Writer) (int, error) {
	rep := newReport(out)
	flags := []string{"test", "-json"}
	if err := raceDetector(); err != nil {
		rep.note("the race detector", err.Error())
	} else {
		flags = append(flags, "-race")
	}
	cmd := exec.Command("go", append(flags, args...)...)
	cmd.Env = append(os.Environ(), "TEST_RUN="+strconv.FormatInt(time.Now().UnixNano(), 36))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	readErr := rep.read(stdout)
	if readErr != nil {
		io.Copy(io.Discard, stdout) // a blocked go test would never end
	}
	code, err := exitStatus(cmd.Wait())
	return rep.close(code), errors.Join(readErr, err)
}

// exitStatus turns what Wait answers into an exit status.
func exitStatus(err error) (int, error) {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(exit.ExitCode(), 1), nil // -1 for a signal
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// raceDetector returns an error that says why the race detector can't be used.
// A compiler alone isn't enough, it needs the C library's headers; so a
// program is built.
func raceDetector() error {
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return fmt.Errorf("go env CC: %w", err)
	}
	words := strings.Fields(string(cc))
	if len(words) == 0 || os.Getenv("CGO_ENABLED") == "0" {
		return errors.New("cgo is off")
	}
	dir, err := os.MkdirTemp("", "gotest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(words[0], append(words[1:], "-pthread", "-x", "c", "-", "-o", filepath.Join(dir, "out"))...)
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\nint main(void) { return 0; }\n")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s builds no program: a C compiler and the C library's headers are needed", words[0])
	}
	return nil
}

// read takes the stream of test events until it ends. Lines that are no event
// pass through: the go command has something to say.
func (r *report) read(stream io.Reader) error {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var ev event
			if json.Unmarshal(line, &ev) == nil && ev.Action != "" {
				r.event(ev)
			} else {
				fmt.Fprintf(r.out, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
