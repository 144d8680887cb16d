package layout

// Bounds of docs/spec/layout.md on what is read, far above any real interface. They keep the time and memory for a hostile
// library to milliseconds and megabytes.
const (
	maxTypes        = 1024    // before equal ones are joined
	maxItems        = 16384   // fields, variants, functions, parameters, lifetimes and generic parameters
	maxNames        = 1 << 20 // bytes of all names
	maxName         = 1024    // bytes
	maxPrefixFields = 64      // the bits of a set
	maxParams       = 64      // of a function
	maxLine         = 2048    // bytes of a line of text
	maxText         = 8 << 20 // bytes of a text
	maxPairs        = 8192    // type pairs in one check
	maxProblems     = 100     // of one check
)
