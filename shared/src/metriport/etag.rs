//! Versions of upstream resources.

/// The `eTag` of a resource, sent back as `If-Match` so that a change in between is refused with 412
/// (docs.metriport.com, page `more-info/etag`). Not for caching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// Takes a tag as it came; `None` if no header could hold it.
    #[must_use]
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && (1..=256).contains(&text.len())).then_some(Self(text))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
