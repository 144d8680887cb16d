package binfile

import (
	"bufio"
	"bytes"
	"debug/macho"
	"encoding/binary"
	"io"
)

const (
	exportAbsolute = 0x02 // the value is an address as it is
	exportReexport = 0x08 // the symbol is another library's

	nlistExternal = 0x01
	nlistType     = 0x0e
	nlistSection  = 0x0e // defined in a section of this image
	nlistDebugger = 0xe0
)

// lookup finds a symbol as dlsym does: C names have an underscore in front, and the export trie is asked. Only an image
// without one, from before there were tries, is searched by its symbol table.
func (m *machoImage) lookup(name string) (Symbol, bool, error) {
	name = "_" + name
	if m.trie.size == 0 {
		return m.lookupSymtab(name)
	}
	if !m.holds(m.trie.offset, m.trie.size) {
		return Symbol{}, false, m.truncated("export trie", m.trie.offset, m.trie.size)
	}
	t := &trieReader{image: m, left: maxTrie}
	return t.find(name)
}

// trieReader reads nodes of an export trie. A node is: the size of its symbol's data (0: no symbol ends here), that
// data, the number of children, and for each child a text and the offset of its node.
type trieReader struct {
	image *machoImage
	node  *bufio.Reader
	left  int // bytes it may still read; what keeps a trie with loops from being walked for ever
}

func (t *trieReader) find(rest string) (Symbol, bool, error) {
	for offset := uint64(0); ; {
		if err := t.seek(offset); err != nil {
			return Symbol{}, false, err
		}
		size := t.number()
		if rest == "" {
			return t.symbol(size)
		}
		t.skip(size)
		matched, child := t.child(rest)
		if err := t.err(); err != nil || matched == 0 {
			return Symbol{}, false, err
		}
		rest, offset = rest[matched:], child
	}
}

// seek goes to a node.
func (t *trieReader) seek(offset uint64) error {
	trie := t.image.trie
	if offset >= trie.size {
		return t.image.damage("export trie", "node at %d lies outside of its %d bytes", offset, trie.size)
	}
	section := io.NewSectionReader(t.image.r, int64(trie.offset+offset), int64(trie.size-offset))
	t.node = bufio.NewReaderSize(section, 256)
	return nil
}

// child looks among the node's children for the one on the way to rest. It gives the length of the text that leads
// there, 0 for none, and the child's offset.
func (t *trieReader) child(rest string) (int, uint64) {
	for range t.byte() {
		text := t.text()
		offset := t.number()
		if len(text) > 0 && len(text) <= len(rest) && string(text) == rest[:len(text)] {
			return len(text), offset
		}
	}
	return 0, 0
}

// symbol reads the data of the symbol that ends at this node.
func (t *trieReader) symbol(size uint64) (Symbol, bool, error) {
	if size == 0 {
		return Symbol{}, false, t.err()
	}
	flags := t.number()
	value := t.number()
	switch {
	case flags&exportReexport != 0:
		value = 0
	case flags&exportAbsolute == 0:
		value += t.image.base
	}
	if err := t.err(); err != nil {
		return Symbol{}, false, err
	}
	return Symbol{Address: value}, true, nil
}

// The readers below give zeros when the trie ends; err tells.

func (t *trieReader) byte() byte {
	if t.left--; t.left < 0 {
		return 0
	}
	b, err := t.node.ReadByte()
	if err != nil {
		t.left = -1
	}
	return b
}

// number reads a ULEB128.
func (t *trieReader) number() uint64 {
	v, err := binary.ReadUvarint(byteReader(t.byte))
	if err != nil {
		t.left = -1
	}
	return v
}

func (t *trieReader) text() (text []byte) {
	for b := t.byte(); b != 0; b = t.byte() {
		text = append(text, b)
	}
	return text
}

func (t *trieReader) skip(n uint64) {
	for range min(n, maxTrie) {
		t.byte()
	}
}

func (t *trieReader) err() error {
	if t.left >= 0 {
		return nil
	}
	return t.image.damage("export trie", "ends inside of a node, or takes more than %d bytes to search", maxTrie)
}

type byteReader func() byte

func (r byteReader) ReadByte() (byte, error) { return r(), nil }

// lookupSymtab searches the symbol table.
func (m *machoImage) lookupSymtab(name string) (Symbol, bool, error) {
	const part = "symbol table"
	const entry = 16
	count := uint64(m.symtab.Nsyms)
	if count > maxSymbols {
		return Symbol{}, false, m.damage(part, "%d symbols and no export trie: more than %d", count, maxSymbols)
	}
	buf, err := m.source.read(part, uint64(m.symtab.Symoff), count*entry)
	if err != nil {
		return Symbol{}, false, err
	}
	for ; len(buf) > 0; buf = buf[entry:] {
		symbol := decode[macho.Nlist64](m.source, buf)
		if symbol.Type&nlistExternal == 0 || symbol.Type&nlistType != nlistSection || symbol.Type&nlistDebugger != 0 {
			continue
		}
		same, err := m.symbolIs(symbol, name)
		if same || err != nil {
			return Symbol{Address: symbol.Value}, same, err
		}
	}
	return Symbol{}, false, nil
}

// symbolIs says whether a symbol has this name.
func (m *machoImage) symbolIs(symbol macho.Nlist64, name string) (bool, error) {
	want := append([]byte(name), 0)
	size := uint64(m.symtab.Strsize)
	if uint64(symbol.Name) > size || size-uint64(symbol.Name) < uint64(len(want)) {
		return false, nil
	}
	got, err := m.source.read("symbol table", uint64(m.symtab.Stroff)+uint64(symbol.Name), uint64(len(want)))
	return bytes.Equal(got, want), err
}
