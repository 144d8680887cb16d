package abistable

import "flag"

// update makes tests write what they would compare.
var update = flag.Bool("update", false, "write interface-1.0.txt from sdk/rust")
