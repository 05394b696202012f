package config

import "log/slog"

// Secret is a text that shows itself nowhere: not with any fmt verb, not in a
// log, not in JSON.
type Secret string

const redacted = "[redacted]"

// Reveal is the text.
func (s Secret) Reveal() string { return string(s) }

// String hides the text.
func (s Secret) String() string { return redacted }

// GoString hides the text from %#v.
func (s Secret) GoString() string { return redacted }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
