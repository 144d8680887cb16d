package manifest

import "slices"

// MaxSize is the most bytes a plugin.toml may have. It travels inside the artifact's config, which has the same limit.
const MaxSize = 64 << 10

// Manifest is a valid plugin.toml. Reading it from several goroutines is safe.
type Manifest struct {
	Plugin   Plugin
	Requires Requires
	Build    Build
	// Config is what the plugin is handed by default; nil without [config]. Values are those of go-toml: string, int64,
	// float64, bool, time.Time, toml.LocalDate, toml.LocalTime, toml.LocalDateTime, []any, map[string]any.
	Config map[string]any

	text []byte
}

// Plugin is the table [plugin]. Only Name, Version, Kind and Type are never empty.
type Plugin struct {
	Name        string // CheckName holds
	Version     string // strict semver; may have build metadata, which only publishing refuses
	Kind        Kind   // one of Type.Kinds()
	Type        Type
	Entry       string // CheckEntry holds; empty only where there is a [build] to make it from
	Description string // may have line breaks
	ABI         Family // FamilyNative, FamilyC, or empty for "inspect the library"
	Schemes     []string
	License     string // SPDX expression, not checked against the list of licenses
	Authors     []string
	Homepage    string // http or https
	Repository  string // http or https
	Keywords    []string
}

// Requires is the table [requires]: what the plugin needs of its host. Ranges are semver ranges.
type Requires struct {
	ABI     string            // range; empty for any
	Plugins map[string]string // name to range; nil for none
}

// Build is the table [build], which only packing reads. Paths are relative to plugin.toml, with forward slashes, clean.
type Build struct {
	Readme  string
	Include []string          // file names, without their directories, are all different, Readme's too
	Targets map[Target]string // built libraries; these paths may lead out of the plugin's folder
}

// Parse reads and checks a plugin.toml. file is for messages only. The error is of type Errors and lists everything
// that is wrong; the manifest is then nil. Warnings come with and without an error.
func Parse(file string, text []byte) (*Manifest, []Warning, error) {
	if len(text) > MaxSize {
		return nil, nil, Errors{tooLarge(file, len(text))}
	}
	doc, broken := openDocument(file, text)
	if broken != nil {
		return nil, nil, Errors{broken}
	}
	r := &reader{doc: doc}
	m := r.manifest()
	m.text = slices.Clone(text)
	if len(r.errs) > 0 {
		return nil, r.warnings, r.sorted()
	}
	return m, r.warnings, nil
}

// ParseShipped is Parse for a plugin.toml out of an artifact or an archive made by pack: in addition it must name its
// entry and have no [build].
func ParseShipped(file string, text []byte) (*Manifest, error) {
	m, _, err := Parse(file, text)
	if err != nil {
		return nil, err
	}
	doc, broken := openDocument(file, text)
	if broken != nil {
		return nil, Errors{broken}
	}
	if n, found := doc.find("build"); found {
		return nil, Errors{doc.errorAt(n.key, "build", "a table", "no [build]: it is never shipped")}
	}
	return m, nil
}

// Text gives a copy of the bytes that Parse read.
func (m *Manifest) Text() []byte { return slices.Clone(m.text) }
