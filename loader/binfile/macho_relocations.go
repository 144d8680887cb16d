package binfile

func (m *machoImage) relocations() (relocations, error) { return nil, m.damage("x", "x") }
