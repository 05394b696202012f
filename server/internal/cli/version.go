package cli

import (
	"io"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// buildVersion is what the Go tool recorded in the program.
type buildVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a work tree with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readVersion() buildVersion {
	v := buildVersion{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (versionCmd) Run(p *program) error {
	v := readVersion()
	return p.show(v, func(w io.Writer) error {
		line := "writ " + v.Version + " " + v.Go + " " + v.Platform
		if v.Revision != "" {
			line += " " + v.Revision
		}
		_, err := io.WriteString(w, line+"\n")
		return err
	})
}
