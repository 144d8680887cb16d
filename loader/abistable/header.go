package abistable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/loadr-plugins/loadr/loader/binfile"
	"github.com/loadr-plugins/loadr/loader/layout"
)

// RootModule is the symbol of the root module's header, the same for every abi_stable 0.11 library: the mangled
// `_as.lib_header.root module loader`.
const RootModule = "_1as_0lib_1header_0root_bmodule_bloader"

// magic is what every header starts with, 32 bytes.
const magic = "abi stable library for Rust     "

// The version of abi_stable's own binary interface that this package reads. The major number being 0, the minor must be
// equal.
const (
	abiMajor = 0
	abiMinor = 11
)

// Header is what a library says about itself in its root module's header. Addresses are those of the Memory that it was read
// from: of the image for a file, of the process for a loaded library.
type Header struct {
	ABIMajor    uint32 `json:"abi_major"` // of abi_stable: 0
	ABIMinor    uint32 `json:"abi_minor"` // of abi_stable: 11
	BaseName    string `json:"base_name"` // of the root module, loadr_plugin; shown, not compared
	Name        string `json:"name"`
	Version     string `json:"version"`     // of the interface crate, not of the plugin
	HasLayout   bool   `json:"has_layout"`  // false: built without, so that nothing can be verified
	Address     uint64 `json:"address"`     // of the header
	RootLayout  uint64 `json:"root_layout"` // address of the root type's layout; 0 without
	Constructor uint64 `json:"constructor"` // address of the function that makes the root module
}

// headerSize is the size of abi_stable's LibHeader.
const headerSize = 152

// headerError says what of a header is not as in any library; it becomes a verdict.
type headerError struct{ problem string }

func (e *headerError) Error() string { return e.problem }

// readHeader reads a LibHeader:
//
//	magic 0, abi major u32 32, minor 36, base name {ptr, len} 40, name 56, version 72, layout tag u8 88 (0: present, 1: absent),
//	*TypeLayout 96, test functions 104, init_globals 112, module 120, mutex 128, 136, constructor 144
//
// With another magic or abi_stable version nothing else is read. The error is a *headerError or mem's.
func readHeader(mem layout.Memory, address uint64) (*Header, string, error) {
	b, err := mem.Read(address, headerSize)
	if err != nil {
		return nil, "", err
	}
	if len(b) < headerSize {
		return nil, "", &headerError{"shorter than a header"}
	}
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	h := &Header{
		ABIMajor: binary.LittleEndian.Uint32(b[32:]), ABIMinor: binary.LittleEndian.Uint32(b[36:]),
		HasLayout: b[88] == 0, Address: address, RootLayout: word(96), Constructor: word(144),
	}
	found, tag := string(b[:len(magic)]), b[88]
	texts := [3][2]uint64{{word(40), word(48)}, {word(56), word(64)}, {word(72), word(80)}}
	if found != magic || h.ABIMajor != abiMajor || h.ABIMinor != abiMinor {
		return h, found, nil
	}
	if tag > 1 {
		return nil, "", &headerError{fmt.Sprintf("layout tag: expected 0 or 1, found %d", tag)}
	}
	if !h.HasLayout {
		h.RootLayout = 0
	}
	for i, to := range []*string{&h.BaseName, &h.Name, &h.Version} {
		if *to, err = text(mem, texts[i][0], texts[i][1]); err != nil {
			return nil, "", err
		}
	}
	return h, found, nil
}

// maxText bounds the texts of a header, in bytes.
const maxText = 256

// text reads a text of the header, which ends up in messages and records.
func text(mem layout.Memory, address, length uint64) (string, error) {
	if length == 0 || length > maxText {
		return "", &headerError{fmt.Sprintf("text of %d bytes: expected 1 to %d", length, maxText)}
	}
	b, err := mem.Read(address, length)
	if err != nil {
		return "", err
	}
	s := string(b)
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", &headerError{fmt.Sprintf("text %.100q is not printable", s)}
	}
	return s, nil
}

// damaged says whether an error is about what the library contains, rather than about reading it.
func damaged(err error) bool {
	return is[*headerError](err) || is[*codeError](err) || is[*binfile.FormatError](err) || is[*binfile.UnsupportedError](err)
}

func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}
