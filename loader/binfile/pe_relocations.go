package binfile

import (
	"bufio"
	"cmp"
	"debug/pe"
	"errors"
	"io"
	"slices"

	"github.com/loadr-plugins/loadr/manifest"
)

const (
	relocationPadding = 0  // IMAGE_REL_BASED_ABSOLUTE
	relocationDir64   = 10 // IMAGE_REL_BASED_DIR64
	relocationBlock   = 8  // bytes of a block's header
)

// peRelocations are the words that hold an address, in the file as the image's preferred base plus the RVA, and the
// import address tables, which Windows fills in. Delay-loaded imports are not among them: their words hold addresses of
// this image until the first call.
type peRelocations struct {
	image   *peImage
	words   []uint32 // RVAs, sorted
	imports []peImport
}

// peImport is the part of an import address table that belongs to one library.
type peImport struct {
	address, size uint64
	library       uint32 // RVA of its name
}

func (p *peImage) relocations() (relocations, error) {
	const part = "base relocations"
	directory := p.directory(pe.IMAGE_DIRECTORY_ENTRY_BASERELOC)
	if p.header.Characteristics&pe.IMAGE_FILE_RELOCS_STRIPPED != 0 {
		return nil, &UnsupportedError{manifest.PE, "an image with base relocations", "one that they were stripped from"}
	}
	r := &peRelocations{image: p}
	if err := r.readWords(directory); err != nil {
		return nil, err
	}
	if !slices.IsSorted(r.words) {
		slices.Sort(r.words)
	}
	if err := p.checkPlaces(part, r.places); err != nil {
		return nil, err
	}
	err := r.readImports()
	return r, err
}

// readWords reads the table of base relocations, a sequence of blocks for a page each.
func (r *peRelocations) readWords(directory pe.DataDirectory) error {
	const part = "base relocations"
	if directory.VirtualAddress == 0 || directory.Size == 0 {
		return nil
	}
	if directory.Size > 4*maxRelocations {
		return r.image.damage(part, "%d bytes of them, more than %d", directory.Size, 4*maxRelocations)
	}
	offset, err := r.image.stored(part, uint64(directory.VirtualAddress), uint64(directory.Size))
	if err != nil {
		return err
	}
	table := bufio.NewReaderSize(&pieces{r.image.source, part, offset, uint64(directory.Size)}, 64<<10)
	for {
		err := r.readBlock(table)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return r.image.damage(part, "end inside of a block")
		}
		if err != nil {
			return err
		}
	}
}

// readBlock reads a header, which has the page's RVA and the size of the block, and entries of four bits for the type
// and twelve for the place in the page. The error is io.EOF at the end of the table.
func (r *peRelocations) readBlock(table *bufio.Reader) error {
	const part = "base relocations"
	var header [relocationBlock]byte
	if _, err := io.ReadFull(table, header[:]); err != nil {
		return err
	}
	page, size := r.image.order.Uint32(header[:]), r.image.order.Uint32(header[4:])
	if size < relocationBlock || size%2 != 0 {
		return r.image.damage(part, "block of impossible size %d", size)
	}
	for range (size - relocationBlock) / 2 {
		entry := header[:2]
		if _, err := io.ReadFull(table, entry); err != nil {
			return io.ErrUnexpectedEOF
		}
		if err := r.add(page, r.image.order.Uint16(entry)); err != nil {
			return err
		}
	}
	return nil
}

func (r *peRelocations) add(page uint32, entry uint16) error {
	const part = "base relocations"
	switch kind, place := entry>>12, uint32(entry&0xfff); {
	case kind == relocationPadding:
		return nil
	case kind != relocationDir64:
		return r.image.damage(part, "type %d does not occur in 64-bit images", kind)
	case page+place < page:
		return r.image.damage(part, "page %#x wraps around", page)
	case len(r.words) == maxRelocations:
		return r.image.damage(part, "more than %d", maxRelocations)
	default:
		r.words = append(r.words, page+place)
		return nil
	}
}

func (r *peRelocations) places(yield func(address, size uint64) bool) {
	for _, word := range r.words {
		if !yield(uint64(word), 8) {
			return
		}
	}
}

// readImports finds the end of each library's part of the import address tables.
func (r *peRelocations) readImports() error {
	const part = "import table"
	p := r.image
	left := uint64(maxImports)
	at := uint64(p.directory(pe.IMAGE_DIRECTORY_ENTRY_IMPORT).VirtualAddress)
	for ; at != 0; at += importSize { // ends: needs, which went this way, has counted them
		buf, err := p.memory.read(part, at, importSize)
		if err != nil {
			return err
		}
		names, library, addresses := p.order.Uint32(buf), p.order.Uint32(buf[12:]), p.order.Uint32(buf[16:])
		if library == 0 || addresses == 0 {
			break
		}
		if names == 0 {
			names = addresses // of old linkers
		}
		count, err := r.countImports(uint64(names), left)
		if err != nil {
			return err
		}
		left -= count
		if count > 0 {
			r.imports = append(r.imports, peImport{uint64(addresses), 8 * count, library})
		}
	}
	slices.SortFunc(r.imports, func(a, b peImport) int { return cmp.Compare(a.address, b.address) })
	return p.checkPlaces(part, func(yield func(uint64, uint64) bool) {
		for _, i := range r.imports {
			if !yield(i.address, i.size) {
				return
			}
		}
	})
}

// countImports counts the words before the null that ends a table.
func (r *peRelocations) countImports(table, limit uint64) (uint64, error) {
	const part = "import table"
	for count := uint64(0); count <= limit; {
		buf, err := r.image.upTo(part, table+8*count, 512)
		if err != nil {
			return 0, err
		}
		for ; len(buf) >= 8; buf = buf[8:] {
			if r.image.order.Uint64(buf) == 0 {
				return count, nil
			}
			count++
		}
		if len(buf) > 0 {
			return 0, r.image.damage(part, "ends inside of a word")
		}
	}
	return 0, r.image.damage(part, "more than %d functions", maxImports)
}

// apply leaves a word that is below the preferred base what it becomes by subtraction: an address outside of the image.
func (r *peRelocations) apply(w *window) error {
	first, _ := slices.BinarySearchFunc(r.words, w.address, func(word uint32, at uint64) int {
		return cmp.Compare(uint64(word), at)
	})
	for _, word := range r.words[first:] {
		if !w.holds(uint64(word)) {
			break // it begins in the margin at the end
		}
		w.put(uint64(word), w.word(uint64(word))-r.image.base)
	}
	for i, imports := range r.imports {
		if imports.address < w.end && imports.address+imports.size > w.address {
			w.pending = append(w.pending, pending{imports.address, imports.size, uint64(i)})
		}
	}
	return nil
}

func (r *peRelocations) resolve(p pending) (uint64, error) {
	library, err := r.image.text("import table", uint64(r.imports[p.table].library))
	if err != nil {
		return 0, err
	}
	return 0, r.image.damage("memory", "the words from address %#x to %#x are addresses of symbols of %s",
		p.address, p.address+p.size, library)
}
