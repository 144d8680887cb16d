package plugindir

// OnStep is for tests, those of other packages too: f is called between any two steps of a change, where a process can
// be killed or a context be cancelled. It may be called from several goroutines at once. It is set before the first use.
func (d *Dir) OnStep(f func(step string)) { d.step = f }
