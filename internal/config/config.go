// Package config reads the user's configuration: config.toml and the environment variables that override it. Flags and
// the project's loadr.toml are not its business; internal/cli lays them over what this package returns.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// DefaultNamespace is the namespace of a machine without configuration: a directory on this machine.
const DefaultNamespace = "local/plugins"

// Config is the user's configuration with defaults filled in.
type Config struct {
	// Namespaces are registry/namespace pairs in the order in which messages name them; never empty. The first is
	// where publish goes.
	Namespaces []string
	// PlainHTTP lists hosts (host:port) besides loopback that are reached without TLS.
	PlainHTTP []string
	// RegistryDir is the root of the directory registry.
	RegistryDir string
	// CacheDir is the root of the cache.
	CacheDir string
	// Concurrency bounds parallel downloads and look-ups; at least 1.
	Concurrency int
	// Mirrors are what config.toml says; each registry occurs once at most.
	Mirrors []Mirror
}

// Mirror is where copies of a registry's content are. Nothing about the places has been checked.
type Mirror struct {
	Registry  string   `toml:"registry"`  // host[:port]
	Locations []string `toml:"locations"` // host[:port][/path], the first one asked first; not empty
	Resolve   bool     `toml:"resolve"`   // they may say which versions there are
}

// file is the form of config.toml.
type file struct {
	Namespaces  []string `toml:"namespaces"`
	PlainHTTP   []string `toml:"plain-http"`
	RegistryDir string   `toml:"registry-dir"`
	CacheDir    string   `toml:"cache-dir"`
	Concurrency int      `toml:"concurrency"`
	Mirrors     []Mirror `toml:"mirror"`
}

// Error is a configuration that can't be used.
type Error struct {
	File   string `json:"file"`   // path of config.toml, or the name of an environment variable
	Detail string `json:"detail"` // with line and column where the file has them
}

func (e *Error) Error() string { return fmt.Sprintf("configuration %s: %s", e.File, e.Detail) }

// Load reads $LOADR_CONFIG, else loadr/config.toml in the user's configuration directory; the latter may be absent.
// getenv stands for the environment. LOADR_REGISTRY (a comma-separated list), LOADR_REGISTRY_DIR and LOADR_CACHE_DIR
// override the file.
func Load(getenv func(string) string) (*Config, error) {
	f, err := read(getenv("LOADR_CONFIG"))
	if err != nil {
		return nil, err
	}
	c := &Config{
		Namespaces:  f.Namespaces,
		PlainHTTP:   f.PlainHTTP,
		RegistryDir: first(getenv("LOADR_REGISTRY_DIR"), f.RegistryDir),
		CacheDir:    first(getenv("LOADR_CACHE_DIR"), f.CacheDir),
		Concurrency: f.Concurrency,
		Mirrors:     f.Mirrors,
	}
	if list := getenv("LOADR_REGISTRY"); list != "" {
		c.Namespaces = splitList(list)
	}
	return c, c.fillDefaults(getenv)
}

func (c *Config) fillDefaults(getenv func(string) string) (err error) {
	if len(c.Namespaces) == 0 {
		c.Namespaces = []string{DefaultNamespace}
	}
	if c.Concurrency == 0 {
		c.Concurrency = 16
	}
	if c.RegistryDir == "" {
		if c.RegistryDir, err = dataDir(getenv); err != nil {
			return err
		}
	}
	if c.CacheDir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return &Error{"LOADR_CACHE_DIR", "no user cache directory is known; set the variable to a folder"}
		}
		c.CacheDir = filepath.Join(base, "loadr")
	}
	return nil
}

// dataDir is where the directory registry lives without configuration. Unlike a cache it must survive cleaning.
func dataDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "loadr", "registry"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", &Error{"LOADR_REGISTRY_DIR", "no home directory is known; set the variable to a folder"}
	}
	return filepath.Join(home, ".local", "share", "loadr", "registry"), nil
}

func read(path string) (file, error) {
	explicit := path != ""
	if !explicit {
		base, err := os.UserConfigDir()
		if err != nil {
			return file{}, nil // a machine without a home: defaults and the environment only
		}
		path = filepath.Join(base, "loadr", "config.toml")
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !explicit:
		return file{}, nil
	case err != nil:
		return file{}, &Error{path, err.Error()}
	}
	return parse(path, text)
}

func parse(path string, text []byte) (f file, err error) {
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&f); err != nil {
		return f, &Error{path, detail(err)}
	}
	if f.Concurrency < 0 || f.Concurrency > 256 {
		return f, &Error{path, fmt.Sprintf("concurrency = %d: expected 1 to 256", f.Concurrency)}
	}
	return f, checkMirrors(path, f.Mirrors)
}

// checkMirrors wants one list of locations for each registry: the order of two would be anybody's guess.
func checkMirrors(path string, mirrors []Mirror) error {
	seen := map[string]bool{}
	for _, m := range mirrors {
		registry := strings.ToLower(m.Registry)
		switch {
		case registry == "":
			return &Error{path, "[[mirror]]: expected registry = \"HOST\", the registry that it mirrors"}
		case len(m.Locations) == 0:
			return &Error{path, fmt.Sprintf("[[mirror]] of %q: expected locations = [\"HOST[/PATH]\", ...], where copies are", m.Registry)}
		case seen[registry]:
			return &Error{path, fmt.Sprintf("[[mirror]] of %q: listed twice, expected one with all locations in their order", m.Registry)}
		}
		seen[registry] = true
	}
	return nil
}

// detail adds the position, which the library keeps apart from its messages.
func detail(err error) string {
	var syntax *toml.DecodeError
	var unknown *toml.StrictMissingError
	switch {
	case errors.As(err, &unknown) && len(unknown.Errors) > 0:
		row, col := unknown.Errors[0].Position()
		return fmt.Sprintf("line %d, column %d: unknown key %q, expected one of namespaces, plain-http, registry-dir, "+
			"cache-dir, concurrency, mirror", row, col, strings.Join(unknown.Errors[0].Key(), "."))
	case errors.As(err, &syntax):
		row, col := syntax.Position()
		return fmt.Sprintf("line %d, column %d: %s", row, col, strings.TrimPrefix(syntax.Error(), "toml: "))
	}
	return err.Error()
}

func splitList(s string) (out []string) {
	for word := range strings.SplitSeq(s, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
