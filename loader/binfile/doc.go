// Package binfile reads what a dynamic loader would act on in an ELF, Mach-O or PE image: the libraries and symbol
// versions that it needs, the symbols that it offers, and how many of its functions run when it is opened.
//
// Facts are taken from where the loader takes them: program headers and the dynamic section of ELF, load commands of
// Mach-O, data directories of PE. Section headers and symbol tables for debuggers are not looked at: they may be
// stripped, and a hostile file can make them tell another story than the one that the loader acts on. That is the first
// reason for not using the readers of the standard library here; the second is that those keep whole tables in memory,
// while this package reads pieces of bounded size and number, so that memory and time stay small for any input,
// also for a debug build of hundreds of megabytes. The standard library's names of constants and structures are used
// throughout.
//
// An Image is the memory of the library after relocation, read piece by piece: what its code would see when it begins to
// run, as far as the file alone decides that.
//
// The package executes nothing. It does not judge: whether an image is a plugin, and fits a platform, is for package
// loader. It reads one-machine images only; a universal Mach-O file is an error that names its slices. Mach-O and PE
// images are read for 64-bit little-endian machines only, as there is no loadr target for others.
package binfile
