package cli

import (
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/writ-auth/writ/server/internal/config"
)

// settingFlags makes the flags of the named settings, or of all without names,
// from the table in package config: a pointer to a struct with a *string each,
// nil where the flag isn't given. There is no second list to keep in step.
func settingFlags(names ...string) kong.Plugins {
	var fields []reflect.StructField
	for _, s := range config.Settings() {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		fields = append(fields, reflect.StructField{
			Name: fieldName(s.Name), Type: reflect.TypeFor[*string](), Tag: settingTag(s),
		})
	}
	return kong.Plugins{reflect.New(reflect.StructOf(fields)).Interface()}
}

// fieldName is an exported Go name for a setting: "tls-key" is "F_tls_key".
func fieldName(setting string) string {
	return "F_" + strings.ReplaceAll(setting, "-", "_")
}

func settingTag(s config.Setting) reflect.StructTag {
	def := s.Default
	if s.Note != "" {
		def = s.Note
	}
	help := s.Help + " (default " + def + ", $" + s.Env + ")"
	help = strings.NewReplacer("$", "$$", "`", "").Replace(help)
	return reflect.StructTag(`name:` + strconv.Quote(s.Name) + ` help:` + strconv.Quote(help) +
		` placeholder:"…" group:"Settings:"`)
}

// givenSettings are the flags that the command line has.
func givenSettings(plugins kong.Plugins) map[string]string {
	given := map[string]string{}
	for _, plugin := range plugins {
		v := reflect.ValueOf(plugin).Elem()
		for _, s := range config.Settings() {
			f := v.FieldByName(fieldName(s.Name))
			if f.IsValid() && !f.IsNil() {
				given[s.Name] = f.Elem().String()
			}
		}
	}
	return given
}

// loadConfig reads the settings from flags, environment and file.
func (p *program) loadConfig(plugins kong.Plugins) (*config.Config, error) {
	return config.Load(config.Source{
		Flags: givenSettings(plugins), Environ: p.Environ, ReadFile: os.ReadFile,
	})
}

// getenv is a variable of the environment, "" if it isn't set.
func (p *program) getenv(name string) string {
	for _, line := range p.Environ {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}
