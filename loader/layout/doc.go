// Package layout reads abi_stable's description of a library's types out of a Memory and says whether it fits another one.
package layout
