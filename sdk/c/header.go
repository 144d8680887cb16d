// Package csdk carries the C header that plugin authors include, so that `plugin new` can hand it out. The header is
// the product; this package adds nothing to it.
package csdk

import _ "embed" // for the header

// Header is the text of loadr_plugin.h.
//
//go:embed loadr_plugin.h
var Header []byte
