//! Which templates a template is made of: parents, includes, components. What is outside of them cannot change what it renders.
//!
//! Tera keeps its syntax tree to itself, so this reads the tags. It errs to the safe side: a text that names a template by chance
//! belongs, with any component come all templates that define one, and where tags cannot be told, everything does.

use std::collections::BTreeSet;

use super::Templates;
use super::item_fields::{Token, tags_of};

impl Templates {
    /// The names of all templates whose source can have a part in rendering `name`, itself included.
    pub fn closure(&self, name: &str) -> BTreeSet<&str> {
        self.reached(name).unwrap_or_else(|| self.names().collect())
    }

    fn reached(&self, name: &str) -> Option<BTreeSet<&str>> {
        let (first, _) = self.iter().find(|(known, _)| *known == name)?;
        let mut reached = BTreeSet::from([first]);
        let mut next = vec![first];
        while let Some(name) = next.pop() {
            for tag in tags_of(self.source(name)?)? {
                let texts = tag.iter().filter_map(|token| match token {
                    Token::Text(text) => self.iter().map(|(known, _)| known).find(|known| known == text),
                    _ => None,
                });
                let found: Vec<&str> =
                    if uses_component(&tag) { texts.chain(self.with_components()?).collect() } else { texts.collect() };
                next.extend(found.into_iter().filter(|name| reached.insert(name)));
            }
        }
        Some(reached)
    }

    /// The templates that define a component.
    fn with_components(&self) -> Option<Vec<&str>> {
        let mut names = Vec::new();
        for (name, source) in self.iter() {
            if tags_of(source)?.iter().any(|tag| tag.first() == Some(&Token::Name("component"))) {
                names.push(name);
            }
        }
        Some(names)
    }
}

/// `<Name`, which may also be a comparison.
fn uses_component(tag: &[Token<'_>]) -> bool {
    tag.array_windows().any(|[sign, name]| *sign == Token::Sign('<') && matches!(name, Token::Name(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closure(source: &str) -> Vec<String> {
        let mut templates = Templates::default();
        templates.add("base.html", "{% include \"head.html\" %}{% block main %}{% endblock %}");
        templates.add("head.html", "<title>{{ site.title }}</title>");
        templates.add("card.html", "{% component Card(title) %}{% include 'icon.html' %}{% endcomponent Card %}");
        templates.add("icon.html", "*");
        templates.add("other.html", "nothing");
        templates.add("x.html", source);
        templates.closure("x.html").into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn parents_includes_and_components_belong_and_nothing_else() {
        assert_eq!(closure("plain"), ["x.html"]);
        assert_eq!(closure("{# {% include \"other.html\" %} #}"), ["x.html"]);
        assert_eq!(closure("{% extends \"base.html\" %}"), ["base.html", "head.html", "x.html"]);
        assert_eq!(closure("{% if a %}{% include `icon.html` %}{% endif %}"), ["icon.html", "x.html"]);
        assert_eq!(closure("{{ <Card title=\"a\" /> }}"), ["card.html", "icon.html", "x.html"]);
        assert_eq!(closure("{% <Card title=\"a\"> %}{% </Card> %}"), ["card.html", "icon.html", "x.html"]);
    }

    #[test]
    fn where_tags_cannot_be_told_everything_belongs() {
        assert_eq!(closure("{% raw %}{{ \"{% endraw %}").len(), 6);
        assert_eq!(closure("{{ open").len(), 6);
    }
}
