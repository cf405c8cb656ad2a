//! Many short texts, kept for the whole of a build: paths of content fragments and of pages.
//!
//! A `String` each would cost as much again in its own fields and the allocator's, and, lying between what rendering
//! allocates and frees, keep whole pages of memory from going back to the system. Here they lie end to end.

/// Bytes of a block; also the longest text, so that a handle is eight bytes.
const BLOCK: usize = 1 << 16;

/// Texts that are only ever added.
#[derive(Debug, Default)]
pub struct Texts {
    blocks: Vec<String>,
}

/// One text of a [`Texts`]; means nothing to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    block: u32,
    start: u16,
    len: u16,
}

impl Text {
    /// The empty text, of any [`Texts`].
    pub const EMPTY: Text = Text { block: 0, start: 0, len: 0 };

    /// Whether it is the empty text.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

impl Texts {
    /// Adds a text. `None` if it is longer than 65,535 bytes, which no path is: AEM's repository allows far less.
    pub fn push(&mut self, text: &str) -> Option<Text> {
        let len = u16::try_from(text.len()).ok()?;
        if len == 0 {
            return Some(Text::EMPTY);
        }
        if self.blocks.last().is_none_or(|block| block.len() + text.len() > BLOCK) {
            self.blocks.push(String::with_capacity(BLOCK));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        // Not full yet, so the start is BLOCK - 1 at most and fits.
        let start = u16::try_from(block.len()).ok()?;
        block.push_str(text);
        Some(Text { block: u32::try_from(number).ok()?, start, len })
    }

    /// The text of a handle.
    pub fn get(&self, text: Text) -> &str {
        let start = usize::from(text.start);
        let block = self.blocks.get(text.block as usize).map_or("", String::as_str);
        block.get(start..start + usize::from(text.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn texts_come_back_as_they_were_over_block_borders() {
        let mut texts = Texts::default();
        let long = "ü".repeat(30_000);
        let all = ["", "/a/", &long, "/b/", &long, "日本", "x"];
        let handles: Vec<Text> = all.iter().map(|text| texts.push(text).unwrap()).collect();
        let back: Vec<&str> = handles.iter().map(|handle| texts.get(*handle)).collect();
        assert_eq!(back, all);
        assert!(handles[0].is_empty() && !handles[1].is_empty());
    }

    #[test]
    fn the_longest_text_is_65535_bytes_and_a_block_may_be_full_to_the_brim() {
        let mut texts = Texts::default();
        let longest = "x".repeat(BLOCK - 1);
        let first = texts.push(&longest).unwrap();
        let brim = texts.push("y").unwrap();
        let next = texts.push("z").unwrap();
        assert_eq!((texts.get(first).len(), texts.get(brim), texts.get(next)), (BLOCK - 1, "y", "z"));
        assert_eq!(texts.push(&"x".repeat(BLOCK)), None);
    }
}
