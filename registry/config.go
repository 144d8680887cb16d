package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/manifest"
)

// configSchema is the version of the config's form. Keys are only ever added under one version.
const configSchema = 1

// Config is what the artifact says about one platform's library before it is downloaded. All of it is the publisher's
// claim until the library has been inspected here.
type Config struct {
	PluginTOML string           // the text that is installed
	Library    manifest.Library // without a verdict: Unverifiable when read
}

// TOMLDigest gives the digest of the text that is installed.
func (c *Config) TOMLDigest() digest.Digest { return digest.FromString(c.PluginTOML) }

// configJSON is the recorded form; docs/spec/artifact.md describes it.
type configJSON struct {
	Schema     int         `json:"schema"`
	PluginTOML string      `json:"plugin_toml"`
	Library    libraryJSON `json:"library"`
}

// libraryJSON leaves out the verdict and its problems: they depend on who asks, not on the library.
type libraryJSON struct {
	manifest.Library
	ABI abiJSON `json:"abi"`
}

type abiJSON struct {
	Family    manifest.Family `json:"family"`
	Version   string          `json:"version"`
	Interface string          `json:"interface,omitempty"`
	Layout    string          `json:"layout,omitempty"`
}

// encode gives the canonical JSON, at most MaxConfig bytes.
func (c *Config) encode() ([]byte, error) {
	if !utf8.ValidString(c.PluginTOML) {
		return nil, fmt.Errorf("plugin.toml: expected UTF-8 text")
	}
	lib := c.Library
	lib.Needs, lib.Exports = orEmpty(lib.Needs), orEmpty(lib.Exports)
	abi := abiJSON{lib.ABI.Family, lib.ABI.Version, lib.ABI.Interface, lib.ABI.Layout}
	text, err := canonicalJSON(configJSON{configSchema, c.PluginTOML, libraryJSON{lib, abi}})
	if err != nil {
		return nil, err
	}
	if len(text) > MaxConfig {
		return nil, fmt.Errorf("config has %d bytes, at most %d are allowed: shorten plugin.toml", len(text), MaxConfig)
	}
	return text, nil
}

// decodeConfig reads what encode wrote. Text that is not canonical is refused: two readers might see different things
// in it, such as a key that occurs twice.
func decodeConfig(text []byte) (*Config, error) {
	if len(text) > MaxConfig {
		return nil, fmt.Errorf("config has %d bytes, at most %d are allowed", len(text), MaxConfig)
	}
	var head struct{ Schema int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("config is not JSON: %w", err)
	}
	if head.Schema != configSchema {
		return nil, fmt.Errorf("config has schema %d, this program reads %d: a newer loadr may read it", head.Schema, configSchema)
	}
	if err := checkCanonical(text); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	var c configJSON
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return c.config()
}

func checkCanonical(text []byte) error {
	canonical, err := canonicalJSON(json.RawMessage(text))
	if err != nil {
		return err
	}
	if !bytes.Equal(canonical, text) {
		return fmt.Errorf("not canonical JSON (RFC 8785)")
	}
	return nil
}

func (c *configJSON) config() (*Config, error) {
	lib := c.Library.Library
	if err := lib.Digest.Validate(); err != nil || lib.Digest.Algorithm() != digest.SHA256 {
		return nil, fmt.Errorf("config: library.digest %q: expected sha256:<64 hex digits>", lib.Digest)
	}
	if lib.Size <= 0 || lib.Size > MaxLibrary {
		return nil, fmt.Errorf("config: library.size %d: expected 1 to %d bytes", lib.Size, int64(MaxLibrary))
	}
	if c.PluginTOML == "" {
		return nil, fmt.Errorf("config: plugin_toml is missing")
	}
	lib.Needs, lib.Exports = orEmpty(lib.Needs), orEmpty(lib.Exports)
	abi := c.Library.ABI
	if abi.Layout != "" && !manifest.IsLayoutDigest(abi.Layout) { // a lock repeats it, also for platforms that nobody inspects here
		return nil, fmt.Errorf("config: library.abi.layout %q: expected layout-v1:sha256:<64 hex digits>", abi.Layout)
	}
	lib.ABI = manifest.ABIReport{Family: abi.Family, Version: abi.Version, Interface: abi.Interface, Layout: abi.Layout, Verdict: manifest.Unverifiable}
	return &Config{c.PluginTOML, lib}, nil
}

// orEmpty makes an absent list an empty one, so that both are recorded in the same bytes.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// ParseConfig reads a config blob; object names it in the *InvalidArtifactError.
func ParseConfig(object string, text []byte) (*Config, error) {
	c, err := decodeConfig(text)
	if err != nil {
		return nil, &InvalidArtifactError{object, err.Error()}
	}
	return c, nil
}
