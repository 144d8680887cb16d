package registry

// Media types of the artifact.
const (
	ArtifactType         = "application/vnd.loadr.plugin.v1"
	MediaTypeConfig      = "application/vnd.loadr.plugin.config.v1+json"
	MediaTypeLibraryZstd = "application/vnd.loadr.plugin.library.v1+zstd" // zstd, RFC 8878
	MediaTypeLibrary     = "application/vnd.loadr.plugin.library.v1"      // as it is
	MediaTypeFile        = "application/vnd.loadr.plugin.file.v1"         // README, LICENSE, ...
	ArtifactTypeStatus   = "application/vnd.loadr.plugin.status.v1"       // of a statement about a version
	MediaTypeStatus      = "application/vnd.loadr.plugin.status.v1+json"
)

// Annotations of the artifact, beside those of the OCI image specification.
const (
	AnnotationKind        = "io.loadr.plugin.kind"
	AnnotationType        = "io.loadr.plugin.type"
	AnnotationSchemes     = "io.loadr.plugin.schemes" // comma-separated
	AnnotationRequiresABI = "io.loadr.plugin.requires-abi"
	AnnotationRequires    = "io.loadr.plugin.requires" // other plugins: a JSON object of names and ranges
	AnnotationTarget      = "io.loadr.plugin.target"   // on a platform's descriptor
	AnnotationABI         = "io.loadr.plugin.abi"      // on a platform's descriptor
	AnnotationLibc        = "io.loadr.plugin.libc"     // on a platform's descriptor
)

// Limits. What is larger is refused before it is read.
const (
	MaxManifest   = 4 << 20  // bytes of an index or platform manifest; what registries commonly accept
	MaxConfig     = 64 << 10 // bytes of a config
	MaxIndexData  = 1 << 20  // bytes of an index up to which it embeds its platform manifests
	MaxLibrary    = 4 << 30  // bytes of a library, compressed or not
	MaxFile       = 16 << 20 // bytes of a README, LICENSE, ...
	MaxAttachment = 16 << 20 // bytes of one layer of a referrer: a signature, a list of materials, ...
	MaxStatement  = 8 << 10  // bytes of a statement
	MaxReason     = 200      // bytes of the reason for a withdrawal
	maxStatements = 64       // statements about one version, and those that one of them supersedes
	maxTargets    = 128      // platforms of one release
	maxRequires   = 256      // plugins that one release requires
	maxLayers     = 64       // layers of one platform manifest
	maxTagPages   = 1000     // pages of a tag list
	tagPageSize   = 1000     // tags asked for in one page
	maxReferrers  = 1000     // referrers of one manifest and type, and pages that list them
	maxReference  = 1024     // bytes of a reference
	maxRepository = 255      // bytes of namespace/name, the limit that common registries have
)

// Local is the symbolic name of the directory registry in references and locks. It is never a host.
const Local = "local"

// reservedNames are the names inside an OCI image layout, which a layout that is stored below one must not have.
var reservedNames = []string{"blobs", "index.json", "oci-layout"}
