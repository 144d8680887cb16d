package install

// OnStep has f called between any two steps of a change to the plugins directory.
func (in *Installer) OnStep(f func(step string)) { in.dir().OnStep(f) }
