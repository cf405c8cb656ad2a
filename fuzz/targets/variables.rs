//! Variables as they come in the path of a persisted query: percent-decoding, splitting, conversion by declared types, and what
//! filters, sorts, pages and transformations make of them. Input: the raw path behind `execute.json`.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use aem_static::origin::fuzzing::Subject;
use libfuzzer_sys::fuzz_target;

const CONTENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/conformance/content");
static SUBJECT: OnceLock<Subject> = OnceLock::new();

/// A variable of every type that a path can bring.
const QUERY: &str = "query($s: String, $id: String = \"x\", $path: String = \"/content/dam/x\", $i: Int, $f: Float, $b: Boolean = true,
  $list: [String], $filter: CityModelFilter, $company: CompanyModelFilter, $op: StringOperator, $format: AssetTransformFormat = GIF,
  $after: String, $first: Int, $transform: AssetTransform) {
  cityList(filter: $filter, sort: $s, offset: $i, limit: $first, _locale: $s, variation: $s) { items { _path name population } }
  texts: cityList(filter: {name: {_expressions: [{value: $s, _operator: $op, _ignoreCase: $b}]}, categories: {_expressions: [{values: $list}]},
    population: {_expressions: [{value: $f, _sensitiveness: $f}]}}) { items { name @include(if: $b) } }
  cityPaginated(first: $first, after: $after, sort: $s, includeVariations: $b) { edges { cursor node { name } } pageInfo { endCursor hasNextPage } }
  companyList(filter: $company, _assetTransform: $transform) { items { name } }
  personList(_assetTransform: {format: $format, seoName: $s, width: $i}) { items { name } }
  cityById(_id: $id) { item { name } }
  cityByPath(_path: $path, variation: $s) { item { name _variation } }
}";

fuzz_target!(|data: &[u8]| {
    let subject =
        SUBJECT.get_or_init(|| Subject::load(Path::new(CONTENT)).expect("the models of the fixture make a schema"));
    if let Ok(path) = std::str::from_utf8(data)
        && let Some(answer) = subject.execute(QUERY, path)
    {
        assert!(answer.starts_with(b"{") && answer.ends_with(b"}"), "no JSON object");
    }
});
