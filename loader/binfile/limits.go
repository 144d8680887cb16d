package binfile

// Limits on what one image may make this package read. They are far above what real libraries have, and low enough to
// keep the time for any input to milliseconds.
const (
	maxPiece        = 1 << 20 // bytes read at once
	maxSegments     = 1024    // program headers, segments or sections
	maxDynamic      = 4096    // entries of an ELF dynamic section
	maxNeeds        = 1024    // libraries needed
	maxVersions     = 4096    // symbol versions needed, or defined
	maxConstructors = 1 << 20 // entries of an initializer table
	maxChain        = 4096    // symbols of one hash bucket
	maxText         = 4096    // bytes of a name
	maxCallbacks    = 1024    // TLS callbacks
	maxSymbols      = 1 << 16 // symbols of a Mach-O image without an export trie
	maxTrie         = 1 << 20 // bytes read from an export trie for one lookup
	maxRelocations  = 1 << 20 // places that a loader changes
	maxReferences   = 1 << 18 // of them in ELF, those that name a symbol
	maxImports      = 1 << 16 // functions that a PE image imports
	maxBindings     = 8 << 20 // bytes of a Mach-O image's table of bindings
	maxSlices       = 32      // images of a universal file; a Java class has a larger number in this place
)
