package manifest

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

func seeds(f *testing.F) {
	for _, text := range []string{
		full, engineOnly, crlf(full), "\ufeff" + engineOnly, "", "[", "[[plugin]]", "plugin = 1", rootHead + "build.readme='r'\nbuild = {}",
		"[plugin]\nname = 'a'\nversion = '1.0.0'\nkind = 'extractor'\ntype = 'wasm'\nentry = 'a.wasm'\n[build.targets]\nwasm32-wasip2='x'",
		"a = " + strings.Repeat("[", 200), strings.Repeat("a.", 200) + "a=1", "[config]\na=[nan,{b=1979-05-27}]",
	} {
		f.Add([]byte(text))
	}
}

// FuzzParse: any text gives either a valid manifest or a positioned error that is safe to show.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		m, warnings, err := Parse("f", text)
		for _, w := range warnings {
			showable(t, w.String())
		}
		if err != nil {
			refused(t, m, err)
			return
		}
		if CheckName(m.Plugin.Name) != nil || m.Plugin.Entry != "" && CheckEntry(m.Plugin.Entry) != nil || len(m.Plugin.Type.Kinds()) == 0 {
			t.Errorf("accepted: %+v", m.Plugin)
		}
		m.ConfigJSON()
	})
}

func refused(t *testing.T, m *Manifest, err error) {
	var errs Errors
	if m != nil || !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("manifest %v with error %v", m, err)
	}
	for _, e := range errs {
		if e.Line < 1 && e.Field != "size" || e.Want == "" || e.Found == "" {
			t.Errorf("incomplete error %+v", e)
		}
		showable(t, e.Error())
	}
}

func showable(t *testing.T, message string) {
	if strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		t.Errorf("control characters in the message %q", message)
	}
}

// FuzzShipped: what is shipped of any valid manifest is that manifest.
func FuzzShipped(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, _, err := Parse("f", text); err != nil || len(text) > MaxSize-1000 {
			return
		}
		checkShipped(t, string(text), "libnew.so")
	})
}
