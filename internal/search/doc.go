// Package search looks for plugins in the catalogues of several namespaces at once, and keeps on this machine what it read of
// them:
//
//	<dir>/<hash>/state.json            what was last seen of one catalogue
//	<dir>/<hash>/<hash>.{rows,lines}   the compacted catalogue, ready to be searched
//
// Everything there can be fetched again and may be removed at any time. The package prints nothing.
package search
