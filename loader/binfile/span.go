package binfile

// Span gives the range of addresses that the image takes in memory, from its first segment to the end of its last. A loader
// moves all of it by one distance.
func (f *File) Span() (from, to uint64) {
	for i, s := range f.memory.segments {
		if i == 0 || s.address < from {
			from = s.address
		}
		to = max(to, s.address+s.size)
	}
	return from, to
}
