//! The register of diagnostic codes. A code is for ever: it is never given another meaning.
//!
//! `E01..` configuration, `E02..` queries, `E03..` templates, `E04..` routes and paths, `E05..` AEM's answers, `E06..` output,
//! `E07..` the built-in origin and its content files, `E08..` listen, `E09..` preview.

/// A diagnostic code with the long form that `aem-static explain` prints.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// `E0101`.
    pub id: &'static str,
    /// The problem in general, one line.
    pub title: &'static str,
    /// What it means and how to mend it; paragraphs separated by blank lines.
    pub explanation: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl Eq for Code {}

/// Every code, in order.
pub fn all() -> &'static [Code] {
    ALL
}

/// The code with this id, in any case (`e0302`).
pub fn find(id: &str) -> Option<Code> {
    ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id))
}

macro_rules! register {
    ($($name:ident = $id:literal, $title:literal, $explanation:literal;)*) => {
        $(
            #[doc = concat!($id, ": ", $title)]
            pub const $name: Code = Code { id: $id, title: $title, explanation: $explanation };
        )*
        /// The register, in order.
        const ALL: &[Code] = &[$($name),*];
    };
}

register! {
    NO_SITE = "E0100", "there is no site here",
        "The site directory has no aem-static.toml.\n\nRun the command in the directory that holds it, name the directory with `-C DIR`, or write a starter site with `aem-static init`.";
    CONFIG_SYNTAX = "E0101", "aem-static.toml is not valid TOML",
        "The file could not be parsed. The place shows where the parser gave up, which is at or shortly after the mistake.";
    UNKNOWN_KEY = "E0102", "unknown configuration key",
        "Keys that the tool does not know are errors, so that a misspelt one cannot be ignored silently. The message names the nearest known key. Keys of your own belong under `[site.params]`, where anything is allowed.";
    CONFIG_VALUE = "E0103", "a configuration value has the wrong type or is not allowed",
        "The place names the key, the message the values it takes.";
    NO_HOST = "E0104", "the chosen tier has no host",
        "Every tier but `local` needs the address of an AEM host: `[aem.hosts]` in aem-static.toml, or `AEM_HOST` in the environment. There is no fall-back from one source of content to another.";
    HOST_IS_SITE = "E0105", "the AEM host is the site's own address",
        "The host of the chosen tier and `base_url` name the same server, so the export would read the site it is about to replace. Name AEM's own host.";
    CREDENTIALS = "E0106", "credentials could not be used",
        "The environment or a file named by it should hold credentials, and what is there cannot be used. The message says which setting and why; a secret itself is never printed.";
    CREDENTIALS_END = "E0107", "credentials end soon, or have ended",
        "An access token or the certificate of service credentials says itself until when it is good. A local development token lives for 24 hours and is for trying things out; service credentials live for a year, and are renewed in the Developer Console under Integrations.";

    MISSING_QUERY = "E0201", "a route names a query that does not exist",
        "The name of a query is the stem of its file: `content-queries/adventures.graphql` is `adventures`. Folders only sort files. The message names the nearest query there is.";
    QUERY_SYNTAX = "E0202", "a query file is not valid GraphQL",
        "The file must hold exactly one operation, or only fragments, as it would be pasted into GraphiQL. The place points at the token that could not be read.";
    QUERY_SHAPE = "E0203", "a query does not fit the route that uses it",
        "The shape of a result is read from the selection: `item`, `items` or `edges { node }` below a root field. A query of an `each` or `list` route selects `_path`; with several root fields the route says `from = \"…\"`.";
    DUPLICATE_QUERY = "E0204", "two query files have the same name",
        "Folders only sort files: the name of a query is its file's stem, and it has to be unique below content-queries/.";
    UNKNOWN_FRAGMENT = "E0205", "a query spreads a fragment that no file defines",
        "A fragment used by several queries may live in a file of its own below content-queries/; the sent form of a query is its file followed by the fragment files it needs. No file defines this one, or two do.";
    QUERY_VALIDATION = "E0206", "a query does not fit the schema",
        "The query was checked against schema.graphql, or AEM answered with GraphQL errors. The place is in your query file. A field can be gone because the model changed, or because a referenced model is not published on this tier.";
    VARIABLE = "E0207", "a variable is missing, unknown, or does not convert to its declared type",
        "A route gives variables by `variables = { name = value }`. Every variable without a default that the operation declares as non-null needs a value; `$locale`, `$after`, `$offset` are given by the tool.";
    UNSORTED = "E0208", "a paginated query has no order",
        "Without `sort` in the query or in the route the order of a paginated result is that of AEM's node ids. The pages are stable, but their order means nothing to a visitor.";

    MISSING_TEMPLATE = "E0301", "a route names a template that does not exist",
        "Template names are paths below templates/. The message names the nearest template there is.";
    UNDEFINED_FIELD = "E0302", "a template reads a field that is not there",
        "A field that the query does not select is undefined, and reading it is an error, so that a misspelt name cannot render as nothing. Null is normal in AEM and different: `{{ item.author?.name | default(value=\"\") }}`.";
    TEMPLATE_SYNTAX = "E0303", "a template cannot be parsed",
        "The place points at what could not be read. All templates are checked, and all their syntax errors are told in one run.";
    TEMPLATE_RENDER = "E0304", "a template failed while rendering",
        "A filter or function refused its input, or an operation does not fit its operands. The fragment names the content that was being rendered.";
    TEMPLATE_SUFFIX = "E0305", "a template's suffix has no escaping rule",
        "HTML escaping is chosen by suffix: .html, .htm, .xml and .svg are escaped, in .json, .txt and .csv values are written with `| json` or as they are. Another suffix is refused, because nobody could say what is safe there.";
    NO_PAGE_FOR = "E0306", "url_for found no page of that fragment",
        "No `each` route with an HTML template makes a page of this content fragment. Give `missing=\"\"` if that is expected, or name the route with `route=`.";
    ASSET_UNAVAILABLE = "E0307", "an asset could not be had",
        "`image()`, `asset()` or `rich_text` needs a file that AEM did not deliver. On Publish an unpublished asset answers 404.";
    NO_STATIC_FILE = "E0308", "static_url names a file that is not in static/",
        "The path is relative to static/, without a leading slash.";
    FORBIDDEN_IN_TEMPLATE = "E0309", "a template uses something that a build must not depend on",
        "`__tera_context` prints in random order, and `now()` would make a build's bytes depend on its time. Same input, same bytes.";

    RICH_TEXT = "E0310", "rich text holds something that cannot be shown as it is",
        "AEM's rich text holds a node, a mark or markup that the renderer does not know or does not let through. Text is never lost: unknown nodes render their children. What runs code is left out.";

    ROUTE_KIND = "E0401", "a route has no kind, or more than one",
        "Exactly one of `each`, `list`, `page` makes the kind of a route: one page per content fragment, listing pages, or the whole result once.";
    ROUTE_EXPRESSION = "E0402", "an expression in a route cannot be evaluated",
        "Paths, `where`, `sort`, `group_by` and variables are Tera expressions over the item. The place points into aem-static.toml.";
    SAME_PATH = "E0403", "two pages have one output path",
        "Every file of out/ has one source. Equal paths, paths equal but for upper and lower case, and a file where another source needs a folder are errors, since one would overwrite the other. Both sources are named.";
    UNSAFE_PATH = "E0404", "content makes an unsafe path",
        "Text that an expression inserts into a path may not hold `/` (unless `| safe`), `\\`, `?`, `#`, `%` or control characters, nor be `.` or `..`; a segment has at most 200 bytes. Unsafe paths are refused, not repaired. Mend the content, or pass it through `| slugify`.";
    EMPTY_PATH = "E0405", "content makes an empty path segment",
        "The expression in the route's path came out null or empty for this content fragment. A shorter path would be some other page's, so it is refused. Fill in the field, or filter with `where`.";
    GROUP_VALUE = "E0406", "a group's value is not a scalar",
        "`group_by` names a field with a text, number or boolean, or a list of those: `author._path`, not `author`.";
    SAME_GROUP_PATH = "E0407", "two group values have one path",
        "Two distinct values of the `group_by` field come out as the same path, so one listing would overwrite the other. Make the path expression distinguish them, or make the values equal in AEM.";

    UNREACHABLE = "E0501", "AEM could not be reached",
        "The connection failed: name resolution, network, TLS, or a time limit. The message names the host and the setting it came from.";
    REFUSED = "E0502", "AEM refused access",
        "401: no or expired token, or a token of another environment. 403: authenticated but not allowed. 405: often an IP allow list in front of AEM.";
    NOT_FOUND = "E0503", "AEM does not know what was asked for",
        "404 has several causes: the Dispatcher blocks the request (Publish and Preview refuse direct queries by default), the query is not persisted or not published to this tier, or the configuration has no endpoint. The message tells which one it looks like.";
    NOT_JSON = "E0504", "AEM answered with something that is not a GraphQL response",
        "A sign-in page, a proxy's or the Dispatcher's page, or JSON of another shape came instead of content. It is never taken for \"no content\".";
    GRAPHQL_ERRORS = "E0505", "AEM answered with GraphQL errors",
        "The response holds `errors`. Partial data is not used. Each error is shown at the line of your query that it names.";
    TRUNCATED = "E0506", "AEM's answer broke off",
        "The connection was closed before the whole body had come, again after every retry.";
    SERVER_ERROR = "E0507", "AEM failed to answer",
        "A 5xx or 429 answer, again after every retry.";
    TOO_LARGE = "E0508", "AEM's answer is larger than the limit",
        "A response after decompression may have at most `[aem] max_response` bytes. Ask for smaller pages: lower `$first` or `$limit`.";
    BECAME_EMPTY = "E0509", "a result that had items has none",
        "A query that had items in the last build has none now, or a route has none in a first build. Empty is suspicious: missing permission, an unpublished model and a cache look the same. Say `may_be_empty = true` on the route if that is right, or `may_be_empty=true` in a template's `query(…)`.";
    TORN_WALK = "E0510", "pages of one walk do not fit together",
        "An item or a cursor came twice while following the pages of a result, and again when the walk was repeated: content changed under it, or a cache mixed old and new pages.";
    NULL_ITEM = "E0511", "AEM answered with a null item",
        "`item` is null, or `items` holds null: a fragment that cannot be read, on this tier or by this user.";
    TLS = "E0512", "no secure connection could be made",
        "The host was reached, but TLS failed: nobody that is trusted signed its certificate, it is another host's, it has ended, or the port speaks no TLS. Certificates of the system are trusted, and those of the file `[aem] ca`. There is no switch to trust everybody: credentials would go to whoever answers.";
    NOT_AEM = "E0513", "the host does not answer like AEM",
        "Something answers at the host's address, and not in the way AEM's GraphQL does: another site, a proxy, AEM without GraphQL (6.5 needs its Content Fragment package), or AEM below another path. A host may carry a path: `https://www.example.com/aem`.";
    DISPATCHER_FILTER = "E0514", "the Dispatcher's filters do not let a query pass",
        "The Dispatcher denies every request that no rule allows; what it denies is answered 404. Persisted queries need GET and POST to `/graphql/execute.json`, direct queries POST to the endpoint. Of the rules that fit a request the last one counts. Rules of a project belong into conf.dispatcher.d/filters/filters.any, never into default_filters.any, which a deployment replaces; then the Dispatcher's configuration has to be deployed.";
    KEPT_POST = "E0515", "a cache answers POST",
        "Neither CDN nor Dispatcher keeps answers to POST; that is why a build with `freshness = \"origin\"` asks by POST. This answer came from a cache all the same (`Age` above 0, or `X-Cache: HIT`), so a build may show content that is withdrawn. Mend the CDN's rule that keeps POST, or say `freshness = \"cdn\"` and know how old the content may be.";
    NOTHING_READABLE = "E0516", "a query gives no content fragment at all",
        "AEM leaves out what the user may not read, and what is not published to the tier, without a word: an empty result and a missing permission look the same. Publish models, fragments and their folder; give the user's group read access; for protected content on publish, publish the user and its group.";
    NOT_KEPT = "E0521", "an answer is not among those kept",
        "`build --offline` asks nobody: it builds from what the last build kept in .aem-static/. A query that is new, changed, or asked with other variables, another host, or an asset that is new, is not there. Build once without `--offline`.";
    LEAK = "E0517", "caches may keep what only some may read",
        "A query gives more content fragments to the authorised user than to everybody, and its answer says that shared caches may keep it. A CDN that does so hands protected content to everybody who asks by GET. Exclude protected answers from caching.";
    OTHER_TEXT = "E0518", "AEM runs another text of a query than the file's",
        "A persisted query in AEM has another text than its file in content-queries/, so templates and routes may miss fields, or content. A build warns of it where AEM lists its persisted queries; `build --locked` refuses it. An answer whose fields are not those that the file selects is an error always. `queries diff` shows what differs, `queries push` brings the file to AEM, `queries pull` AEM's text into the file. What is pushed to author has to be published before publish runs it.";
    NOT_PERSISTED = "E0519", "a query was sent directly, since AEM does not have it as a persisted one",
        "With `queries = \"auto\"` preview and publish run persisted queries; one that is not there is sent as a direct query, where AEM takes those. Adobe advises against direct queries on publish. Persist it with `queries push` and publish it, or say `queries = \"direct\"` if that is meant.";
    CHANGED = "E0522", "AEM answers otherwise than the last build, which `--locked` does not allow",
        "`build --locked` is for builds whose content is settled: a release, or a check that two builds are of one content. It asks AEM everything, compares the answers and the assets with those that the last build kept, and fails at the first that says something else. What the last build did not ask has nothing to be compared with. Build without `--locked` to take what AEM says now.";
    PARTIAL = "E0520", "partial data was kept",
        "AEM answered with data and errors, again after every retry, and `build --allow-partial` keeps what came: fields are null and content fragments missing where the errors say so. Pages of missing fragments are removed like any that are withdrawn. Without the flag such an answer stops the build.";

    NOT_OURS = "E0601", "the output folder holds files of somebody else",
        "out/ is not empty and has no list of the tool's files (`out/.aem-static`). Choose another folder, or say `--adopt`: then everything that the build does not make is removed.";
    OUTPUT_IO = "E0602", "the output could not be written",
        "A file operation below out/ or its staging folder failed. What visitors see is as it was before.";
    TOO_MANY_REMOVALS = "E0603", "the build would remove more pages than allowed",
        "More than `[build] max_removals` of the pages would go. That is what a missing permission or a broken query looks like. Look at `build --dry-run`; `build --allow-removals` does it.";
    LOCKED = "E0604", "another command is at work on this site",
        "One build at a time per site. The message names the owner.";
    USER_FILE = "E0605", "a file of yours stands where the build wants to write",
        "A file in out/ that the tool did not make stands at the path of a page. It is never overwritten. Move it, or build with `--adopt`.";
    COMMIT_INTERRUPTED = "E0606", "a commit was interrupted",
        "Files are put into place behind a journal in the staging folder beside out/. The commit could not go on; every file is wholly its old or wholly its new version. Mend the cause that the message names: the next command finishes the commit first.";
    BROKEN_LIST = "E0607", "the list of the tool's files cannot be trusted",
        "out/.aem-static names the files that the tool made, and only those are ever removed. Its lines do not fit its header: it was edited, cut off, or written by another version. Restore it; or delete it and build with `--adopt`, then everything that the build does not make is removed.";
    STATE_IO = "E0608", "the state folder could not be used",
        "A file operation below .aem-static/ failed. It holds what earlier builds learned; deleting it, when no command runs, loses only time.";

    CONTENT_FILE = "E0701", "a content file of the built-in origin cannot be read",
        "A file below content/ is not valid JSON, or its model, fields or references do not fit. `origin` serves the rest. A build stops at a file that cannot be read at all, since its pages would be taken for withdrawn.";
    OPEN_ORIGIN = "E0702", "the built-in origin can be reached from other machines",
        "It listens on an address that is not loopback, so whoever reaches this machine can read the content, unpublished content on the author tier included, and change persisted queries there. Leave out `--host`, or be sure that the network may read it.";

    DEAF = "E0801", "a listener can be told nothing",
        "`listen` takes Adobe's events when `[listen] client_id` names the client that they are meant for, and requests to build when AEM_REBUILD_SECRET is set. Without either it builds at its start and at every reconciliation, and at no other time.";

    PREVIEW_START = "E0901", "preview could not start",
        "Preview needs a port to listen on and the system's leave to watch the site's files. The message says which of them it did not get.";
    OPEN_PREVIEW = "E0902", "preview can be reached from other machines",
        "It listens on an address that is not loopback, so whoever reaches this machine can read the site, unpublished content included, and in the inspector the answers of AEM. Leave out `--host`, or be sure that the network may read it.";
    BUILD_BROKE = "E0903", "a build broke off by a mistake of the tool",
        "A rule that the tool relies on did not hold. Nothing of that build was kept, and the next change is built as usual. Please report what the message says.";
}
