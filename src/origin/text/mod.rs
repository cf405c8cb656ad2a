//! Multi line text: from the stored html to the four formats AEM delivers (protocol §6).

pub(super) mod dom;
pub(super) mod markdown;
pub(super) mod rich_text;
pub(super) mod rich_text_json;
