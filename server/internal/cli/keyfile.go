package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// writeKeyFile writes a new file, mode 0600, and never over an existing one: a
// lost private key can't be made again. "" writes to standard output.
func (p *program) writeKeyFile(name string, data []byte) error {
	return p.writeNew(name, data, 0o600)
}

// writePublicFile is writeKeyFile for what everybody may read.
func (p *program) writePublicFile(name string, data []byte) error {
	return p.writeNew(name, data, 0o644)
}

func (p *program) writeNew(name string, data []byte, mode fs.FileMode) error {
	if name == "" || name == "-" {
		_, err := p.Stdout.Write(data)
		return err
	}
	f, err := createNew(name, mode)
	if err != nil {
		return err
	}
	return fill(f, data)
}

func createNew(name string, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already and is never overwritten; choose another name or move it away", name)
	}
	return f, err
}

// fill writes all of a new file, or removes it.
func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// note tells a person what was done, on standard error, so that standard
// output stays what the command makes.
func (p *program) note(format string, args ...any) {
	if !p.json {
		io.WriteString(p.Stderr, oneLine(fmt.Sprintf(format, args...))+"\n")
	}
}
