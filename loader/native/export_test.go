package native

// WalkLive lets the tests outside of the package open what Open refuses.
var WalkLive = walkLive
