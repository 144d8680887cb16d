package directory

// User is the name that goes with the write token where a client wants one. Any other is as good.
const User = "loadr"

// Access says who may write over the network.
type Access string

// The ways.
const (
	ByToken Access = "token"     // who knows the content of the token file; everyone may read
	ByFile  Access = "file"      // whom the authentication file allows; it also says who may read
	Refused Access = "read-only" // nobody: the address is not loopback, and there is no authentication file
)
