package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxInput is the most that is read of any file or of standard input: many
// times a key set, a token or a password.
const maxInput = 1 << 20

// readInput reads a named file, or standard input for "-".
func (p *program) readInput(name string) ([]byte, error) {
	if name == "-" {
		return readCapped(p.Stdin, "standard input")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readCapped(f, name)
}

func readCapped(r io.Reader, name string) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxInput {
		return nil, fmt.Errorf("%s is larger than %d bytes; is it the right file?", name, maxInput)
	}
	return data, nil
}

// passwordFrom reads a password from a file ("-": standard input), without the
// line's end; without a file it asks on the terminal, twice, without echo.
func (p *program) passwordFrom(file, what string) (string, error) {
	if file == "" {
		return p.promptTwice(what)
	}
	data, err := p.readInput(file)
	if err != nil {
		return "", err
	}
	password := trimLineEnd(string(data))
	if strings.ContainsAny(password, "\r\n") {
		return "", errors.New("the password file has more than one line; put the password alone into it")
	}
	if password == "" {
		return "", errors.New("the password is empty; put it on the first line")
	}
	return password, nil
}

func trimLineEnd(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

// terminal is standard input if a person sits at it.
func (p *program) terminal() (fd int, ok bool) {
	f, ok := p.Stdin.(*os.File)
	if !ok {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

func (p *program) promptTwice(what string) (string, error) {
	fd, ok := p.terminal()
	if !ok {
		return "", fmt.Errorf("there is no terminal to ask for the password of %s; use --password-file FILE (- reads standard input)", what)
	}
	first, err := p.prompt(fd, "Password for "+what+": ")
	if err != nil {
		return "", err
	}
	second, err := p.prompt(fd, "The same again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ; try again")
	}
	if first == "" {
		return "", errors.New("the password is empty; try again, or use --no-password")
	}
	return first, nil
}

func (p *program) prompt(fd int, text string) (string, error) {
	fmt.Fprint(p.Stderr, oneLine(text)+" ")
	line, err := term.ReadPassword(fd)
	fmt.Fprintln(p.Stderr)
	return string(line), err
}
