//! Pure functions of text: permalinks, order, dates, rich text, plain text. No disk, clock, network or environment, and none of the
//! template engine's types; `site::filters` and the `render` room wrap these functions as filters.

pub mod date;
pub mod markup;
pub mod order;
pub mod permalink;
pub mod revision;
pub mod rich_text;
pub mod slug;
pub mod texts;
