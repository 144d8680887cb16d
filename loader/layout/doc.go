// Package layout reads abi_stable's description of a library's types out of a Memory and says whether it fits another one.
//
// Walk gives the graph of all types that a root module reaches, Text its canonical text and Digest that text's name
// (docs/spec/layout.md), Parse reads the text, and Check applies abi_stable 0.11's rules of compatibility. The
// same walk serves a library's file and a library in this process: what differs is the Memory.
//
// The package is for 64-bit little-endian libraries. It does not find the root, does not know what interface is
// expected, and does not judge more than types: that is package abistable's. It never runs code, though a Memory may.
// What it reads may be hostile: names are checked, counts and sizes bounded, and nothing recurses by what is read.
package layout
