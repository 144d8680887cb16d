// Package catalogue is what a namespace's catalogue consists of: entries, the tags that they are stored under, how
// entries of one plugin become one, the compacted form, and how it is searched. docs/spec/catalogue.md describes the formats.
//
// It does no I/O of its own and knows nothing of registries; package registry stores catalogues, internal/search keeps
// them on this machine. A catalogue is advice: nothing in it decides which version is installed or who is trusted.
package catalogue
