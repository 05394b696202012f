package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"go.yaml.in/yaml/v3"
)

// defaultFile is read if it is there and no other is named.
const defaultFile = "writ.yaml"

const maxFile = 1 << 20

// readFile reads the YAML file, if there is one, into given.
func (c *Config) readFile(settings []Setting, src Source, env map[string]string, given map[string]value) error {
	name, where := fileName(src.Flags, env)
	if src.ReadFile == nil {
		return nil
	}
	data, err := src.ReadFile(name)
	if where == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &Error{Where: strings.TrimPrefix(where+" "+name, " "), Problem: "can't be read: " + err.Error()}
	}
	if where == "" {
		given["config"] = value{name, "default of --config"}
	}
	return parseFile(settings, name, data, given)
}

func fileName(flags, env map[string]string) (name, where string) {
	if name = flags["config"]; name != "" {
		return name, "--config"
	}
	if name = env["WRIT_CONFIG"]; name != "" {
		return name, "WRIT_CONFIG"
	}
	return defaultFile, ""
}

// parseFile reads a flat mapping of settings. It looks at the nodes rather than
// decode into a map: the text as it was written goes through the same parser as
// a flag's, and a duplicate key shows.
func parseFile(settings []Setting, name string, data []byte, given map[string]value) error {
	root, err := document(data)
	if err != nil {
		return &Error{Where: name, Problem: err.Error()}
	}
	if root == nil {
		return nil
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		where := fmt.Sprintf("%s line %d", name, key.Line)
		if err := fileKey(settings, key, seen); err != nil {
			return &Error{Where: where, Setting: key.Value, Problem: err.Error()}
		}
		text, err := scalar(node)
		if err != nil {
			return &Error{Where: where, Setting: key.Value, Problem: key.Value + " " + err.Error()}
		}
		given[key.Value] = value{text, where + ", " + key.Value}
	}
	return nil
}

// document is the mapping of the one document in data, nil if data is empty.
func document(data []byte) (*yaml.Node, error) {
	if len(data) > maxFile {
		return nil, errors.New("is larger than 1MiB")
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && isNull(&doc)) {
		return nil, nil
	}
	if err != nil {
		return nil, errors.New(oneLine(err.Error()))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("has more than one document")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("must be a mapping of settings, such as 'issuer: https://auth.example.com'")
	}
	return doc.Content[0], nil
}

func isNull(doc *yaml.Node) bool {
	return doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 && doc.Content[0].Tag == "!!null"
}

func fileKey(settings []Setting, key *yaml.Node, seen map[string]int) error {
	if key.Kind != yaml.ScalarNode || key.Anchor != "" {
		return errors.New("a key must be the name of a setting")
	}
	if key.Value == "config" || find(settings, key.Value) == nil {
		return fmt.Errorf("there is no setting %q%s", key.Value, meant(key.Value, fileKeys(settings)))
	}
	if line := seen[key.Value]; line != 0 {
		return fmt.Errorf("%s is set twice, first in line %d", key.Value, line)
	}
	seen[key.Value] = key.Line
	return nil
}

// fileKeys are the settings that a file may have: all but its own name.
func fileKeys(settings []Setting) []string {
	var names []string
	for _, s := range settings {
		if s.Name != "config" {
			names = append(names, s.Name)
		}
	}
	return names
}

// scalar is the text of a value; a list is its items with commas between them.
func scalar(n *yaml.Node) (string, error) {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return "", errors.New("uses an anchor or alias; write the value itself")
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", errors.New("has no value; leave the line out")
		}
		return n.Value, nil
	case yaml.SequenceNode:
		items := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			text, err := scalar(item)
			if err != nil || item.Kind != yaml.ScalarNode || strings.Contains(text, ",") {
				return "", errors.New("must be a list of plain values")
			}
			items = append(items, text)
		}
		return strings.Join(items, ","), nil
	}
	return "", errors.New("must be a plain value or a list of them")
}
