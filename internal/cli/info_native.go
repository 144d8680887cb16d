package cli

import (
	"fmt"
	"strings"

	"github.com/loadr-plugins/loadr/internal/info"
	"github.com/loadr-plugins/loadr/loader/abistable"
	"github.com/loadr-plugins/loadr/manifest"
)

// interfaceWords tells which interface a native library was built against, and with what.
func interfaceWords(abi manifest.ABIReport, native *info.Native) string {
	if abi.Interface == "" && native == nil {
		return ""
	}
	words := strings.TrimSpace(abi.Interface + " " + abi.Version)
	if native == nil || native.Header == nil {
		return words
	}
	return fmt.Sprintf("%s, abi_stable %s", words, stableVersion(native.Header))
}

func stableVersion(h *abistable.Header) string { return fmt.Sprintf("%d.%d", h.ABIMajor, h.ABIMinor) }

// printNative prints the root module as a tree: its fields, and below them the interfaces of the objects that they make.
func (a *app) printNative(native *info.Native) {
	if native == nil || native.Header == nil {
		return
	}
	h := native.Header
	a.fields([][2]string{{"root module", fmt.Sprintf("name %s, base name %s", h.Name, h.BaseName)}})
	if native.Module == nil {
		return
	}
	m := native.Module
	a.line("    %s", clean(fmt.Sprintf("%s  %s, of %d types in all", m.Name, inBytes(m.Size), len(native.Types))))
	for _, f := range m.Fields {
		a.line("      %s", clean(fmt.Sprintf("@%-4d %s: %s  %s", f.Offset, f.Name, f.Type, inBytes(f.Size))))
		for _, t := range m.Traits {
			if t.MadeBy[0] == f.Name {
				a.printTrait(t)
			}
		}
	}
}

func (a *app) printTrait(t info.Trait) {
	head := t.Name
	if len(t.Auto) > 0 {
		head += ": " + strings.Join(t.Auto, " + ")
	}
	a.line("            %s", clean(fmt.Sprintf("%s  %s", head, inBytes(t.Size))))
	for _, m := range t.Methods {
		a.line("              %s", clean(fmt.Sprintf("@%-4d %s", m.Offset, m.Signature)))
	}
}

func inBytes(n uint64) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
