package binfile

import (
	"bytes"
	"unicode/utf8"

	"github.com/loadr-plugins/loadr/manifest"
)

// formats has the first bytes of the formats that New reads. The big-endian and 32-bit forms of Mach-O are among
// them to be refused by name.
var formats = []struct {
	magic  string
	format manifest.Format
}{
	{"\x7fELF", manifest.ELF},
	{"\xcf\xfa\xed\xfe", manifest.MachO},
	{"\xce\xfa\xed\xfe", manifest.MachO},
	{"\xfe\xed\xfa\xcf", manifest.MachO},
	{"\xfe\xed\xfa\xce", manifest.MachO},
	{"\xca\xfe\xba\xbe", manifest.MachO},
	{"\xca\xfe\xba\xbf", manifest.MachO},
	{"MZ", manifest.PE},
}

// lookalikes are files that people take for a library by mistake.
var lookalikes = []struct{ magic, what string }{
	{"!<arch>\n", "a static library (ar archive)"},
	{"!<thin>\n", "a static library (thin ar archive)"},
	{"\x00asm", "a WebAssembly file"},
	{"BC\xc0\xde", "LLVM bitcode"},
	{"\x1f\x8b", "a gzip file"},
	{"\x28\xb5\x2f\xfd", "a zstd file"},
	{"\xfd7zXZ", "an xz file"},
	{"PK\x03\x04", "a zip archive"},
	{"#!", "a script"},
	{"<", "an HTML or XML text"},
	{"version https://", "a Git LFS pointer"},
}

func sniff(head []byte) manifest.Format {
	for _, f := range formats {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.format
		}
	}
	return ""
}

// guess says what a file is instead of a library, for a message.
func guess(head []byte) string {
	if len(head) == 0 {
		return "an empty file"
	}
	for _, l := range lookalikes {
		if bytes.HasPrefix(head, []byte(l.magic)) {
			return l.what
		}
	}
	if utf8.Valid(head) && !bytes.ContainsRune(head, 0) {
		return "a text"
	}
	return "unknown data"
}
