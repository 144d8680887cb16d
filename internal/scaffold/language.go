package scaffold

import (
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/loadr-plugins/loadr/manifest"
	csdk "github.com/loadr-plugins/loadr/sdk/c"
	gosdk "github.com/loadr-plugins/loadr/sdk/go"
	"github.com/loadr-plugins/loadr/sdk/rust"
)

// language says how plugins are written in one.
type language struct {
	title string          // for people
	kinds []manifest.Kind // that its interface carries, the usual one first
	abi   manifest.Family
	built string                           // the folder where a build puts the library
	sdk   func() iter.Seq2[string, []byte] // what goes with the sources: names with slashes, and texts
}

var languages = map[string]language{
	"c": {
		title: "C", kinds: []manifest.Kind{manifest.Protocol}, abi: manifest.FamilyC, built: "build",
		sdk: func() iter.Seq2[string, []byte] { return maps.All(map[string][]byte{"loadr_plugin.h": csdk.Header}) },
	},
	"go": {
		title: "Go", kinds: []manifest.Kind{manifest.Protocol}, abi: manifest.FamilyC, built: "build",
		sdk: func() iter.Seq2[string, []byte] { return files(gosdk.Files, "") },
	},
	"rust": {
		title: "Rust", kinds: []manifest.Kind{manifest.Protocol, manifest.Output, manifest.Service}, abi: manifest.FamilyNative,
		built: "target/release",
		sdk:   func() iter.Seq2[string, []byte] { return files(rust.Files, "loadr-plugin-sdk/") },
	},
}

// Languages lists what plugins can be started in.
func Languages() []string { return slices.Sorted(maps.Keys(languages)) }

// Kinds lists what a language can make, the usual one first; nil for an unknown language.
func Kinds(language string) []manifest.Kind { return slices.Clone(languages[language].kinds) }

// files gives the files of an embedded tree, with names below prefix.
func files(tree fs.FS, prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		_ = fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, _ error) error { // reading what is embedded does not fail
			if entry.IsDir() {
				return nil
			}
			text, _ := fs.ReadFile(tree, path)
			if !yield(prefix+path, text) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// page is what the templates are filled with.
type page struct {
	Plugin
	lang language
}

// Description is one line for people.
func (p *page) Description() string {
	article := map[manifest.Kind]string{manifest.Output: "An"}[p.Kind]
	if article == "" {
		article = "A"
	}
	return article + " " + string(p.Kind) + " plugin in " + p.lang.title
}

// ABI is the interface that the library has.
func (p *page) ABI() string { return string(p.lang.abi) }

// Scheme is the plugin's name, made one that a URL can begin with: a letter comes first.
func (p *page) Scheme() string {
	if p.Name[0] <= '9' {
		return "plugin-" + p.Name
	}
	return p.Name
}

// taken are names that a crate cannot have although a plugin can: the language's words, its own crates, and the SDK's.
const taken = " abstract alloc as async await become box break const continue core crate do dyn else enum extern false final fn for" +
	" gen if impl in let loadr-plugin-sdk loop macro match mod move mut override priv proc-macro pub ref return self static std" +
	" struct super test trait true try type typeof unsafe unsized use virtual where while yield "

// Crate is the plugin's name, made one that a crate can have.
func (p *page) Crate() string {
	if strings.Contains(taken, " "+p.Name+" ") {
		return "plugin-" + p.Name
	}
	return p.Scheme()
}

// Ident is the library's name as an identifier.
func (p *page) Ident() string {
	name := p.Name
	if p.Language == "rust" {
		name = p.Crate()
	}
	return strings.ReplaceAll(name, "-", "_")
}

// Library is the file name of the library on the target.
func (p *page) Library() string {
	switch p.Target.Format() {
	case manifest.PE:
		return p.Ident() + ".dll"
	case manifest.MachO:
		return "lib" + p.Ident() + ".dylib"
	default:
		return "lib" + p.Ident() + ".so"
	}
}

// Built is where a build puts the library, relative to plugin.toml.
func (p *page) Built() string { return p.lang.built + "/" + p.Library() }

// output gives the file that a template makes: "plugin.c" takes the plugin's name, "gitignore" gets its dot, which go:embed
// would skip, and of Rust's sources the kind's own becomes the library's. Empty: none.
func (p *page) output(template string) string {
	switch template {
	case "plugin.c":
		return p.Ident() + ".c"
	case "gitignore":
		return ".gitignore"
	case "src/" + string(p.Kind) + ".rs":
		return "src/lib.rs"
	}
	if strings.HasPrefix(template, "src/") {
		return ""
	}
	return template
}
