//! Response JSON → items → pages: where items are in an answer, what a route makes of each, and which page shows which content
//! fragment. Pure: no disk, clock, network or environment.

mod answer;
mod compare;
mod content;
mod entries;
mod entry;
mod group;
mod pages;
mod reader;
mod value;

pub use answer::{Located, Slice, SplitError, split};
pub use compare::{Difference, difference};
pub use content::{ContentIndex, Link, LinkTarget};
pub use entries::{Entries, Origin, TooLong};
pub use entry::{Entry, Evaluated, Evaluator, Location, Outer, Provenance, Tie, identity};
pub use group::{GroupValue, OrderedNumber};
pub use pages::{
    Alternates, EachPage, ListPage, Page, PageSource, Pages, RouteEntries, Standing, build as build_pages,
};
pub use reader::ItemReader;
pub use value::{from_json, parse_fields, parse_item};
