//! What a request asks for, as far as faults and counts care.

use axum::http::Method;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A persisted query by GET: the only kind that caches keep (protocol §3.5, §3.6).
    PersistedGet,
    /// A persisted query by POST.
    PersistedPost,
    /// A query on an endpoint.
    Direct,
    /// An asset, as stored or delivered in another form (protocol §10).
    Asset,
    /// Anything else: lists, schemas, unknown paths.
    Other,
}

impl Asked {
    /// Judged by method and undecoded path alone.
    pub fn of(method: &Method, path: &str) -> Self {
        let post = method == Method::POST;
        if path.starts_with("/graphql/execute.json") {
            return if post { Asked::PersistedPost } else { Asked::PersistedGet };
        }
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
        let endpoint = ["/content/cq:graphql/", "/content/_cq_graphql/", "/content/graphql/"];
        if post && endpoint.iter().any(|prefix| path.starts_with(prefix)) {
            return Asked::Direct;
        }
        let asset = ["/content/dam/", "/adobe/dynamicmedia/deliver/"];
        if asset.iter().any(|prefix| path.starts_with(prefix)) { Asked::Asset } else { Asked::Other }
    }

    /// Is it a GraphQL query, by whichever way?
    pub fn is_query(self) -> bool {
        matches!(self, Asked::PersistedGet | Asked::PersistedPost | Asked::Direct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_recognised() {
        let of = |method: Method, path: &str| Asked::of(&method, path);
        assert_eq!(of(Method::GET, "/graphql/execute.json/acme/all%3Ba%3D1"), Asked::PersistedGet);
        assert_eq!(of(Method::POST, "/graphql/execute.json/acme/all"), Asked::PersistedPost);
        for path in ["/content/cq%3Agraphql/acme/endpoint.json", "/content/_cq_graphql/acme/endpoint.json"] {
            assert_eq!(of(Method::POST, path), Asked::Direct);
            assert_eq!(of(Method::GET, path), Asked::Other);
        }
        assert_eq!(of(Method::GET, "/content/dam/a%20b.jpg"), Asked::Asset);
        assert_eq!(of(Method::GET, "/graphql/list.json"), Asked::Other);
    }
}
