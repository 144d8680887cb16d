package binfile

import "debug/elf"

const (
	verneedSize = 16
	vernauxSize = 16
	verdefSize  = 20
	verdauxSize = 8

	versionIsWeak = 0x2 // VER_FLG_WEAK
)

// verneed, vernaux, verdef and verdaux are the structures of the GNU versioning extension, the same in both widths.
// Each is followed to the next by an offset in bytes that is 0 at the end.
type verneed struct {
	Version, Count  uint16
	File, Aux, Next uint32
}

type vernaux struct {
	Hash         uint32
	Flags, Other uint16
	Name, Next   uint32
}

type verdef struct {
	Version, Flags, Index, Count uint16
	Hash, Aux, Next              uint32
}

type verdaux struct{ Name, Next uint32 }

// versionNeeds lists the symbol versions that are needed of other libraries.
func (e *elfImage) versionNeeds() (versions []Version, err error) {
	const part = "needed versions"
	address, ok := e.dynamic[elf.DT_VERNEED]
	if !ok {
		return nil, nil
	}
	for { // ends because every turn adds to versions
		buf, err := e.memory.read(part, address, verneedSize)
		if err != nil {
			return nil, err
		}
		need := decode[verneed](e.source, buf)
		if versions, err = e.versionsOf(need, address, versions); err != nil {
			return nil, err
		}
		if need.Next == 0 {
			return versions, nil
		}
		address += uint64(need.Next)
	}
}

// versionsOf appends the versions needed of one library, whose entry is at address.
func (e *elfImage) versionsOf(need verneed, address uint64, versions []Version) ([]Version, error) {
	const part = "needed versions"
	library, err := e.string(part, uint64(need.File))
	if err != nil {
		return nil, err
	}
	for address += uint64(need.Aux); ; {
		buf, err := e.memory.read(part, address, vernauxSize)
		if err != nil {
			return nil, err
		}
		aux := decode[vernaux](e.source, buf)
		name, err := e.string(part, uint64(aux.Name))
		if err != nil {
			return nil, err
		}
		versions = append(versions, Version{library, name, aux.Flags&versionIsWeak != 0})
		if len(versions) > maxVersions {
			return nil, e.damage(part, "more than %d", maxVersions)
		}
		if aux.Next == 0 {
			return versions, nil
		}
		address += uint64(aux.Next)
	}
}

// versionDefinitions lists the symbol versions that the library offers.
func (e *elfImage) versionDefinitions() (names []string, err error) {
	const part = "defined versions"
	address, ok := e.dynamic[elf.DT_VERDEF]
	for ok {
		buf, err := e.memory.read(part, address, verdefSize)
		if err != nil {
			return nil, err
		}
		definition := decode[verdef](e.source, buf)
		// The first name is the version's own, the others are those that it follows.
		buf, err = e.memory.read(part, address+uint64(definition.Aux), verdauxSize)
		if err != nil {
			return nil, err
		}
		name, err := e.string(part, uint64(decode[verdaux](e.source, buf).Name))
		if err != nil {
			return nil, err
		}
		if names = append(names, name); len(names) > maxVersions {
			return nil, e.damage(part, "more than %d", maxVersions)
		}
		address += uint64(definition.Next)
		ok = definition.Next != 0
	}
	return names, nil
}
